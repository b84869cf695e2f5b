//! The module as source.

use std::collections::BTreeMap;
use std::fmt::Write;

use sepconv::{CompiledModel, DType, Plan, Result, TensorInfo};
use sepconv_core::{BufferRef, InputBinding, OutputBinding};

use crate::c;
use crate::call;
use crate::layers::{PaddingRows, PrintedLayer, PrintedStep};
use crate::literal::{array, comment};
use crate::report::Report;
use crate::size::shown;

/// What a module uses. Those of a network without such layers are unused.
const USES: &str = "    use core::ops::Range;

    use sepconv_kernels::conv2d::conv2d_int8_on;
    use sepconv_kernels::depthwise::{Variant, depthwise_int8_general_on, depthwise_int8_on};
    use sepconv_kernels::elementwise::Binary;
    use sepconv_kernels::layout::copy_strided;
    use sepconv_kernels::pointwise::pointwise_int8_on;
    use sepconv_kernels::pool::{Mean, pool_int8_on};
    use sepconv_kernels::quantized::{QuantizedBinary, binary_on, dequantize_on, flip_signs, look_up, quantize_on};
    use sepconv_kernels::simd::Word;
    use sepconv_kernels::simd::bytes::{array, array_mut, floats, floats_mut, signed, signed_mut, split, unsigned};
    use sepconv_kernels::softmax::{softmax_on, softmax_short_on};
    use sepconv_kernels::{
        AddResidual, ConvGeometry, ConvOperands, Epilogue, Int8Output, Lanes, RequantOperand, Requantize, Ring, Rows, Tile, Window,
        ZeroPoints,
    };
";

pub(crate) fn print(
    origin: &str,
    name: &str,
    model: &CompiledModel,
    printed: &[PrintedStep<'_>],
    report: &Report,
    with_c: bool,
) -> Result<String> {
    let plan = model.plan();
    let mut source = String::new();
    let s = &mut source;
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(s, "// Made by sepconv {version} from {} for {}. Do not edit.", comment(origin), report.target);
    let _ = writeln!(s, "//");
    for line in report.to_string().lines() {
        let _ = writeln!(s, "{}", format!("// {}", comment(line)).trim_end());
    }
    let _ = writeln!(s, "\n/// {}: {} layers, {} MACs.", comment(origin), report.layers.len(), report.macs());
    let _ =
        writeln!(s, "#[allow(dead_code, unused_imports, clippy::all)]\n#[rustfmt::skip]\npub mod {name} {{\n{USES}");
    ports(s, model);
    arena(s, plan);
    run(s, plan);
    if with_c {
        c::print(s, name, model);
    }
    steps(s, printed);
    constants(s, plan, printed);
    source.push_str("}\n");
    Ok(source)
}

pub(crate) fn element(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::U8 => "u8",
        DType::I8 => "i8",
        DType::I64 => "i64",
    }
}

/// The name of a port's type or constant, numbered where there are several.
pub(crate) fn numbered(name: &str, i: usize, count: usize) -> String {
    if count == 1 { name.to_owned() } else { format!("{name}{i}") }
}

/// Types of inputs and outputs, and how their integers stand for real numbers.
fn ports(s: &mut String, model: &CompiledModel) {
    for (what, infos) in [("Input", model.inputs()), ("Output", model.outputs())] {
        for (i, info) in infos.iter().enumerate() {
            let TensorInfo { name, shape, dtype, .. } = info;
            let _ = writeln!(s, "    /// {} {:?}: {} of {shape}.", what, comment(name), element(*dtype));
            let name = numbered(what, i, infos.len());
            let _ = writeln!(s, "    pub type {name} = [{}; {}];", element(*dtype), shape.elements());
            if let Some((scale, zero_point)) = info.quantization.as_ref().and_then(|params| params.as_per_tensor()) {
                let upper = name.to_ascii_uppercase();
                let _ = writeln!(
                    s,
                    "    /// What an integer `q` stands for is `{upper}_SCALE * (q - {upper}_ZERO_POINT)`."
                );
                let _ = writeln!(s, "    pub const {upper}_SCALE: f32 = {scale:?};");
                let _ = writeln!(
                    s,
                    "    /// See [`{upper}_SCALE`].\n    pub const {upper}_ZERO_POINT: i32 = {zero_point};"
                );
            }
        }
    }
}

/// The size of the arena. An empty one would be no object of C.
pub(crate) fn arena_bytes(plan: &Plan) -> usize {
    plan.arena_bytes().max(1)
}

fn arena(s: &mut String, plan: &Plan) {
    let bytes = arena_bytes(plan);
    let _ = writeln!(
        s,
        "
    /// The memory that a run works in: {}.
    #[repr(C, align(16))]
    pub struct Arena {{
        bytes: [u8; {bytes}],
    }}

    impl Arena {{
        /// Zeros, which cost no flash in a `static`.
        pub const fn new() -> Self {{
            Self {{ bytes: [0; {bytes}] }}
        }}
",
        shown(bytes)
    );
    for (i, input) in plan.inputs().iter().enumerate() {
        // Where the arena has another order of axes the input must be copied.
        if !input.strided_copy().is_contiguous() {
            continue;
        }
        let count = plan.inputs().len();
        let (function, ty) = (numbered("input", i, count), numbered("Input", i, count));
        let range = input.range();
        let bytes = seen_as(mutable(input.dtype()), &format!("&mut self.bytes[{}..{}]", range.start, range.end));
        let _ = writeln!(
            s,
            "        /// The input, to be written in place before [`run_in_place`]: it need not be kept elsewhere."
        );
        let _ = writeln!(s, "        pub fn {function}(&mut self) -> &mut {ty} {{");
        let _ = writeln!(s, "            array_mut({bytes})\n        }}");
    }
    let _ = writeln!(s, "    }}");
}

/// Bytes, through the function that sees them as other elements, if it takes one.
fn seen_as(cast: &str, bytes: &str) -> String {
    if cast.is_empty() { bytes.to_owned() } else { format!("{cast}({bytes})") }
}

/// The function that sees bytes as elements of `dtype`, to be written.
fn mutable(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "floats_mut",
        DType::I8 => "signed_mut",
        DType::U8 | DType::I64 => "",
    }
}

fn run(s: &mut String, plan: &Plan) {
    let (inputs, outputs) = (plan.inputs(), plan.outputs());
    let parameters = |suffix: &str| {
        let parameter = |(i, _): (usize, &InputBinding)| {
            format!("{}: &{}, ", numbered("input", i, inputs.len()), numbered("Input", i, inputs.len()))
        };
        inputs.iter().enumerate().map(parameter).collect::<String>() + suffix
    };
    let results: Vec<_> = (0..outputs.len()).map(|i| format!("&'a {}", numbered("Output", i, outputs.len()))).collect();
    let results = if let [result] = &results[..] { result.clone() } else { format!("({})", results.join(", ")) };
    let _ = writeln!(s, "\n    /// Runs the network.");
    let _ = writeln!(s, "    pub fn run<'a>({}) -> {results} {{", parameters("arena: &'a mut Arena"));
    for (i, input) in inputs.iter().enumerate() {
        copy_input(s, &numbered("input", i, inputs.len()), input);
    }
    let _ = writeln!(s, "        run_in_place(arena)\n    }}");
    let _ = writeln!(s, "\n    /// Runs the network on the input that is in the arena. The run overwrites it.");
    let _ = writeln!(s, "    pub fn run_in_place(arena: &mut Arena) -> {} {{", results.replace("'a ", ""));
    let _ = writeln!(s, "        for step in 0..STEPS {{\n            run_step(step, arena);\n        }}");
    let _ = writeln!(s, "        output(arena)\n    }}");
    let _ = writeln!(s, "\n    /// The result of the last run.");
    let _ = writeln!(s, "    pub fn output(arena: &Arena) -> {} {{", results.replace("'a ", ""));
    let result = |output: &OutputBinding| {
        let range = output.range().unwrap_or_default();
        let cast = match output.dtype() {
            DType::F32 => "floats",
            DType::I8 => "signed",
            DType::U8 | DType::I64 => "",
        };
        format!("array({})", seen_as(cast, &format!("&arena.bytes[{}..{}]", range.start, range.end)))
    };
    let values: Vec<_> = outputs.iter().map(result).collect();
    let values = if let [value] = &values[..] { value.clone() } else { format!("({})", values.join(", ")) };
    let _ = writeln!(s, "        {values}\n    }}");
}

/// Copies an input into the arena, in the order of axes that the arena has.
fn copy_input(s: &mut String, name: &str, input: &InputBinding) {
    let range = format!("{}..{}", input.range().start, input.range().end);
    let copy = input.strided_copy();
    if copy.is_contiguous() {
        let cast = mutable(input.dtype());
        let _ = writeln!(s, "        {cast}(&mut arena.bytes[{range}]).copy_from_slice({name});");
        return;
    }
    let (from, to) = match input.dtype() {
        DType::F32 => (name.to_owned(), format!("floats_mut(&mut arena.bytes[{range}])")),
        DType::I8 => (format!("unsigned({name})"), format!("&mut arena.bytes[{range}]")),
        DType::U8 | DType::I64 => (name.to_owned(), format!("&mut arena.bytes[{range}]")),
    };
    let _ = writeln!(
        s,
        "        copy_strided(&{:?}, {from}, {}, &{:?}, {to}, {}, &{:?});",
        copy.dims, copy.from, copy.from_strides, copy.to, copy.to_strides
    );
}

fn steps(s: &mut String, steps: &[PrintedStep<'_>]) {
    let _ = writeln!(s, "\n    /// How many steps a run has.\n    pub const STEPS: usize = {};", steps.len());
    let _ = writeln!(
        s,
        "\n    /// Runs one step, for programs that have other work to do between steps: those from 0 to `STEPS - 1`, in this"
    );
    let _ = writeln!(s, "    /// order, are [`run_in_place`].");
    let _ =
        writeln!(s, "    pub fn run_step(step: usize, arena: &mut Arena) {{\n        let bytes = &mut arena.bytes;");
    let _ = writeln!(s, "        match step {{");
    for (number, printed) in steps.iter().enumerate() {
        for PrintedLayer { layer, .. } in &printed.layers {
            let _ = writeln!(s, "            // {}", comment(&layer.name));
            let _ = writeln!(
                s,
                "            // {} -> {}, {} MACs, {}",
                comment(&layer.op),
                layer.output,
                layer.macs,
                layer.kernel
            );
        }
        let _ = writeln!(s, "            {number} => {{");
        call::print(s, printed);
        let _ = writeln!(s, "            }}");
    }
    let _ = writeln!(s, "            _ => {{}}\n        }}\n    }}");
}

/// Weights, tables and rows of padding.
fn constants(s: &mut String, plan: &Plan, steps: &[PrintedStep<'_>]) {
    let _ = writeln!(s, "\n    /// Begins where a word does.\n    #[repr(C, align(4))]\n    struct Words<T>(T);");
    let mut operands = BTreeMap::new();
    for printed in steps.iter().flat_map(|step| &step.layers) {
        let number = printed.number;
        if let Some(packed) = printed.packed() {
            let (name, bytes) = (comment(&printed.layer.name), packed.len());
            let _ = writeln!(s, "\n    /// {name}: {}", comment(&printed.layer.op));
            let _ = writeln!(s, "    static WEIGHTS_{number}: Words<[i8; {bytes}]> = Words([");
            array(s, "        ", plan.weights()[packed].iter().map(|&byte| byte as i8));
            let _ = writeln!(s, "    ]);");
        }
        if let Some(lut) = printed.lut() {
            let _ = writeln!(s, "\n    /// {}", comment(&printed.layer.name));
            let _ = writeln!(s, "    static LUT_{number}: [u8; 256] = [");
            array(s, "        ", lut);
            let _ = writeln!(s, "    ];");
        }
    }
    for operand in steps.iter().flat_map(|printed| printed.step.operands()) {
        if let BufferRef::Weights(range) = operand {
            operands.insert(range.start, range.clone());
        }
    }
    for (start, range) in operands {
        let _ = writeln!(s, "\n    static CONSTANT_{start}: Words<[u8; {}]> = Words([", range.len());
        array(s, "        ", &plan.weights()[range]);
        let _ = writeln!(s, "    ]);");
    }
    for (zero_point, len) in PaddingRows::of(steps).iter() {
        let _ = writeln!(s, "\n    /// What lies above and below feature maps of this zero point.");
        let _ = writeln!(s, "    static PADDING_{zero_point}: [u8; {len}] = [{zero_point}; {len}];");
    }
}
