//! A module's functions for C, and the header that declares them.

use std::fmt::Write;

use sepconv::{CompiledModel, DType, TensorInfo};

use crate::literal::comment;
use crate::module::{arena_bytes, element, numbered};
use crate::report::Report;
use crate::size::shown;

/// The functions, inside the module. References are pointers that are not NULL.
pub(crate) fn print(s: &mut String, name: &str, model: &CompiledModel) {
    let (plan, inputs) = (model.plan(), model.inputs().len());
    let parameters: String =
        (0..inputs).map(|i| format!("{}: &{}, ", numbered("input", i, inputs), numbered("Input", i, inputs))).collect();
    let arguments: String = (0..inputs).map(|i| format!("{}, ", numbered("input", i, inputs))).collect();
    let mut function = |signature: &str, body: &str| {
        let _ = writeln!(s, "\n    /// For C: see `{name}.h`.\n    #[unsafe(no_mangle)]");
        let _ = writeln!(s, "    pub extern \"C\" fn {name}_{signature} {{\n        {body}\n    }}");
    };
    function(&format!("run({parameters}arena: &mut Arena)"), &format!("run({arguments}arena);"));
    function("run_in_place(arena: &mut Arena)", "run_in_place(arena);");
    function("run_step(step: usize, arena: &mut Arena)", "run_step(step, arena);");
    for (i, input) in plan.inputs().iter().enumerate() {
        if input.strided_copy().is_contiguous() {
            let (port, ty) = (numbered("input", i, inputs), numbered("Input", i, inputs));
            function(&format!("{port}(arena: &mut Arena) -> &mut {ty}"), &format!("arena.{port}()"));
        }
    }
    let outputs = model.outputs().len();
    for i in 0..outputs {
        let (port, ty) = (numbered("output", i, outputs), numbered("Output", i, outputs));
        let body = if outputs == 1 { "output(arena)".to_owned() } else { format!("output(arena).{i}") };
        function(&format!("{port}(arena: &Arena) -> &{ty}"), &body);
    }
}

/// The header.
pub(crate) fn header(origin: &str, name: &str, model: &CompiledModel, report: &Report) -> String {
    let (upper, plan) = (name.to_ascii_uppercase(), model.plan());
    let mut header = String::new();
    let s = &mut header;
    let (version, origin) = (env!("CARGO_PKG_VERSION"), comment(origin));
    let _ = writeln!(s, "// Made by sepconv {version} from {origin} for {}. Do not edit.", report.target);
    let _ =
        writeln!(s, "// {} MACs, {} of RAM, {} of flash.", report.macs(), shown(report.ram()), shown(report.flash()));
    let _ = writeln!(s, "#ifndef {upper}_H\n#define {upper}_H\n\n#include <stddef.h>\n#include <stdint.h>\n");
    ports(s, &upper, "INPUT", model.inputs());
    ports(s, &upper, "OUTPUT", model.outputs());
    let _ = writeln!(
        s,
        "#ifdef __cplusplus\n#define {upper}_ALIGNED alignas(16)\nextern \"C\" {{\n#else\n#define {upper}_ALIGNED \
         _Alignas(16)\n#endif\n"
    );
    let _ = writeln!(s, "// The memory that a run works in. What it holds before does not matter.");
    let bytes = arena_bytes(plan);
    let _ = writeln!(s, "typedef struct {{\n    {upper}_ALIGNED uint8_t bytes[{bytes}];\n}} {name}_arena;\n");

    let inputs = model.inputs().len();
    let parameters: String =
        model.inputs().iter().enumerate().map(|(i, info)| parameter(&upper, info, i, inputs)).collect();
    let _ = writeln!(s, "// Runs the network.\nvoid {name}_run({parameters}{name}_arena *arena);\n");
    let _ = writeln!(s, "// Runs the network on the input that is in the arena. The run overwrites it.");
    let _ = writeln!(s, "void {name}_run_in_place({name}_arena *arena);\n");
    let _ = writeln!(s, "// Runs one step, for programs that have other work to do between steps: those from 0 to");
    let _ = writeln!(
        s,
        "// {upper}_STEPS - 1, in this order, are {name}_run_in_place().\n#define {upper}_STEPS {}",
        report.layers.len()
    );
    let _ = writeln!(s, "void {name}_run_step(size_t step, {name}_arena *arena);\n");
    for (i, (input, info)) in plan.inputs().iter().zip(model.inputs()).enumerate() {
        if input.strided_copy().is_contiguous() {
            let port = numbered("input", i, inputs);
            let _ = writeln!(s, "// The place of the input in the arena, to be written before {name}_run_in_place().");
            let _ = writeln!(s, "{} *{name}_{port}({name}_arena *arena);\n", c_type(info.dtype));
        }
    }
    for (i, info) in model.outputs().iter().enumerate() {
        let port = numbered("output", i, model.outputs().len());
        let _ = writeln!(s, "// The result of the last run, in the arena: the next run overwrites it.");
        let _ = writeln!(s, "const {} *{name}_{port}(const {name}_arena *arena);\n", c_type(info.dtype));
    }
    let _ = writeln!(s, "#ifdef __cplusplus\n}}\n#endif\n\n#endif");
    header
}

/// Sizes and scales. Names are quoted and followed by more, so that no backslash continues a line.
fn ports(s: &mut String, upper: &str, what: &str, infos: &[TensorInfo]) {
    for (i, info) in infos.iter().enumerate() {
        let TensorInfo { name, shape, dtype, .. } = info;
        let port = format!("{upper}_{}", numbered(what, i, infos.len()));
        let _ = writeln!(s, "// {:?}: {} of {shape}.", comment(name), element(*dtype));
        let _ = writeln!(s, "#define {port}_LEN {}", shape.elements());
        if let Some((scale, zero_point)) = info.quantization.as_ref().and_then(|params| params.as_per_tensor()) {
            let _ = writeln!(s, "// What an integer q stands for is {port}_SCALE * (q - {port}_ZERO_POINT).");
            let _ = writeln!(s, "#define {port}_SCALE {scale:?}f\n#define {port}_ZERO_POINT ({zero_point})");
        }
        s.push('\n');
    }
}

fn parameter(upper: &str, info: &TensorInfo, i: usize, count: usize) -> String {
    let port = numbered("input", i, count);
    format!("const {} {port}[{upper}_{}_LEN], ", c_type(info.dtype), port.to_ascii_uppercase())
}

fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float",
        DType::U8 => "uint8_t",
        DType::I8 => "int8_t",
        DType::I64 => "int64_t",
    }
}
