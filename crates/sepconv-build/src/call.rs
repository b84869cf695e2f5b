//! Calls of kernels as source.

use std::fmt::Write;
use std::ops::Range;

use sepconv::Plan;
use sepconv_core::{BufferRef, KernelCall};
use sepconv_kernels::depthwise::Variant;
use sepconv_kernels::quantized::QuantizedBinary;
use sepconv_kernels::softmax::SHORT;
use sepconv_kernels::{ConvGeometry, Epilogue};

use crate::layers::PrintedLayer;

const INDENT: &str = "                ";

/// The statements of step `number`: the places of its operands and its result, and the call.
pub(crate) fn print(source: &mut String, plan: &Plan, number: usize, printed: &PrintedLayer<'_>) {
    let places = Places::new(plan, printed);
    places.print(source);
    let call = call(number, printed, &places);
    for line in call.lines() {
        let _ = writeln!(source, "{INDENT}{line}");
    }
}

/// The parts of the arena that a step takes, each with the name it has in the module.
struct Places {
    ranges: Vec<(String, Range<usize>)>,
    /// The expression for each operand.
    operands: Vec<String>,
}

impl Places {
    fn new(plan: &Plan, printed: &PrintedLayer<'_>) -> Self {
        let step = printed.step;
        let mut ranges = vec![("y".to_owned(), step.output())];
        let mut operands = vec![];
        for (i, operand) in step.operands().iter().enumerate() {
            operands.push(match operand {
                BufferRef::Weights(range) => format!("&CONSTANT_{}.0", range.start),
                BufferRef::Arena(range) => match ranges.iter().skip(1).find(|(_, other)| other == range) {
                    Some((name, _)) => name.clone(),
                    None => {
                        let name = format!("x{i}");
                        ranges.push((name.clone(), range.clone()));
                        name
                    }
                },
            });
        }
        if step.scratch_bytes() > 0 {
            let start = plan.arena_bytes() - step.scratch_bytes();
            ranges.push(("scratch".to_owned(), start..start + step.scratch_bytes()));
        }
        Self { ranges, operands }
    }

    fn print(&self, source: &mut String) {
        let names: Vec<_> = self.ranges.iter().map(|(name, _)| name.as_str()).collect();
        let ranges: Vec<_> = self.ranges.iter().map(|(_, range)| format!("{}..{}", range.start, range.end)).collect();
        let _ = writeln!(source, "{INDENT}let [{}] = split(bytes, [{}]);", names.join(", "), ranges.join(", "));
    }

    /// Operand `i`, as a reference that can be copied.
    fn shared(&self, i: usize) -> String {
        match self.operands.get(i) {
            Some(name) if name.starts_with('&') => name.clone(),
            Some(name) => format!("&*{name}"),
            None => String::new(),
        }
    }
}

fn call(number: usize, printed: &PrintedLayer<'_>, places: &Places) -> String {
    let (x, residual) = (places.shared(0), places.shared(1));
    let output = |epilogue: &Option<Epilogue<'_>>| match epilogue {
        Some(epilogue) => {
            let residual = epilogue.residual.map_or_else(|| "None".to_owned(), |_| format!("Some({residual})"));
            format!("Int8Output::U8 {{ epilogue: {}, residual: {residual}, out: y }}", self::epilogue(number, epilogue))
        }
        None => "Int8Output::F32(floats_mut(y))".to_owned(),
    };
    let rows = |conv: &ConvGeometry| {
        let [_, w, c] = conv.input;
        format!(
            "ConvOperands {{ x: Rows::new({x}, {}), packed: &WEIGHTS_{number}.0, rows: 0..{} }}",
            w * c,
            conv.output[0]
        )
    };
    match &printed.call {
        KernelCall::Pointwise { tile, sizes, zero_points, epilogue, .. } => format!(
            "pointwise_int8_on(\n    Word,\n    {tile:?},\n    {sizes:?},\n    {zero_points:?},\n    {x},\n    \
             &WEIGHTS_{number}.0,\n    {},\n);",
            output(epilogue)
        ),
        KernelCall::Conv2d { tile, conv, zero_points, epilogue, .. } => format!(
            "conv2d_int8_on(\n    Word,\n    {tile:?},\n    &{conv:?},\n    {zero_points:?},\n    {},\n    {},\n    {},\n);",
            rows(conv),
            output(epilogue),
            if printed.step.scratch_bytes() > 0 { "scratch" } else { "&mut []" },
        ),
        KernelCall::Depthwise { variant, conv, x_zero_point, epilogue, .. } => {
            let (function, variant) = match fixed(*variant) {
                Some([k, stride]) => (
                    format!("depthwise_int8_on::<_, {k}, {stride}, {}>", k.div_ceil(stride)),
                    format!("\n    Variant::{variant:?},"),
                ),
                None => ("depthwise_int8_general_on".to_owned(), String::new()),
            };
            format!(
                "{function}(\n    Word,{variant}\n    &{conv:?},\n    {},\n    &PADDING_{x_zero_point},\n    {},\n    y,\n);",
                rows(conv),
                self::epilogue(number, epilogue)
            )
        }
        KernelCall::Pool { geometry, mean } => {
            let mean = mean.map_or_else(|| "None".to_owned(), |mean| format!("Some(&{mean:?})"));
            let [_, w, c] = geometry.input;
            format!(
                "pool_int8_on(Word, &{geometry:?}, {mean}, Rows::new({x}, {}), 0..{}, y);",
                w * c,
                geometry.output[0]
            )
        }
        KernelCall::Binary(QuantizedBinary { function, a, b, output }) => format!(
            "binary_on(\n    Word,\n    &QuantizedBinary {{ function: Binary::{function:?}, a: {a:?}, b: {b:?}, \
             output: {output:?} }},\n    {x},\n    {residual},\n    y,\n);"
        ),
        KernelCall::Softmax { sizes: [n, 1], log: false } if *n <= SHORT => {
            format!("softmax_short_on(Word, {n}, floats({x}), floats_mut(y));")
        }
        KernelCall::Softmax { sizes, log } => {
            format!("softmax_on(Word, {sizes:?}, {log}, floats({x}), floats_mut(y));")
        }
        KernelCall::Quantize { scale, zero_point } => {
            format!("quantize_on(Word, {scale:?}, {zero_point}, floats({x}), y);")
        }
        KernelCall::Dequantize { scale, zero_point } => {
            format!("dequantize_on(Word, {scale:?}, {zero_point}, {x}, floats_mut(y));")
        }
        KernelCall::Lut(_) => format!("look_up(&LUT_{number}, {x}, y);"),
        KernelCall::FlipSigns => format!("flip_signs({x}, y);"),
        KernelCall::Copies { copies, fill } => {
            let mut lines = fill.map_or_else(String::new, |fill| format!("y.fill({fill});\n"));
            for copy in *copies {
                let _ = writeln!(
                    lines,
                    "copy_strided(&{:?}, {}, {}, &{:?}, y, {}, &{:?});",
                    copy.dims,
                    places.shared(copy.operand),
                    copy.from,
                    copy.from_strides,
                    copy.to,
                    copy.to_strides
                );
            }
            lines
        }
    }
}

/// Kernel and stride of a variant that has them fixed.
fn fixed(variant: Variant) -> Option<[usize; 2]> {
    match variant {
        Variant::K3S1 => Some([3, 1]),
        Variant::K3S2 => Some([3, 2]),
        Variant::K5S1 => Some([5, 1]),
        Variant::K5S2 => Some([5, 2]),
        Variant::K7S1 => Some([7, 1]),
        Variant::K7S2 => Some([7, 2]),
        Variant::General => None,
    }
}

fn epilogue(number: usize, epilogue: &Epilogue<'_>) -> String {
    let lut = if epilogue.lut.is_some() { format!("Some(&LUT_{number})") } else { "None".to_owned() };
    format!("&Epilogue {{ output: {:?}, lut: {lut}, residual: {:?} }}", epilogue.output, epilogue.residual)
}
