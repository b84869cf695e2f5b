//! Calls of kernels as source.

use std::fmt::Write;
use std::ops::Range;

use sepconv_core::{BufferRef, ChainCall, KernelCall};
use sepconv_kernels::depthwise::Variant;
use sepconv_kernels::quantized::QuantizedBinary;
use sepconv_kernels::softmax::SHORT;
use sepconv_kernels::{ConvGeometry, Epilogue, Tile};

use crate::layers::{PrintedLayer, PrintedStep};

const INDENT: &str = "                ";

/// The statements of a step: the places of its operands and its result, and the calls.
pub(crate) fn print(source: &mut String, printed: &PrintedStep<'_>) {
    let places = Places::new(printed);
    let mut lines = places.print();
    match (&printed.chain, &printed.layers[..]) {
        (Some(chain), layers) => lines.push_str(&self::chain(chain, layers, &places)),
        (None, layers) => layers.iter().for_each(|layer| lines.push_str(&call(layer, &places.operands()))),
    }
    for line in lines.lines() {
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
    fn new(printed: &PrintedStep<'_>) -> Self {
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
        let mut scratch = step.scratch();
        if let Some(chain) = &printed.chain {
            let rings = chain.layers.iter().filter(|layer| !layer.ring.is_empty()).enumerate();
            ranges.extend(rings.map(|(i, layer)| (format!("ring{i}"), layer.ring.clone())));
            scratch = chain.scratch.clone();
        }
        if !scratch.is_empty() {
            ranges.push(("scratch".to_owned(), scratch));
        }
        Self { ranges, operands }
    }

    fn print(&self) -> String {
        let names: Vec<_> = self.ranges.iter().map(|(name, _)| name.as_str()).collect();
        let ranges: Vec<_> = self.ranges.iter().map(|(_, range)| format!("{}..{}", range.start, range.end)).collect();
        format!("let [{}] = split(bytes, [{}]);\n", names.join(", "), ranges.join(", "))
    }

    /// Operand `i`, as a reference that can be copied.
    fn shared(&self, i: usize) -> String {
        match self.operands.get(i) {
            Some(name) if name.starts_with('&') => name.clone(),
            Some(name) => format!("&*{name}"),
            None => String::new(),
        }
    }

    /// What a layer that is a step by itself reads and writes.
    fn operands(&self) -> Operands {
        let has_scratch = self.ranges.iter().any(|(name, _)| name == "scratch");
        Operands {
            x: (0..self.operands.len()).map(|i| self.shared(i)).collect(),
            residual: self.shared(1),
            out: "y".to_owned(),
            rows: None,
            scratch: if has_scratch { "scratch" } else { "&mut []" },
        }
    }
}

/// The expressions for what a layer reads and writes.
struct Operands {
    /// The operands, whole: of a layer of a chain none.
    x: Vec<String>,
    residual: String,
    out: String,
    /// Of a layer of a chain: the rows of its operand, as [`Rows`](sepconv_kernels::Rows), and those of the result.
    rows: Option<[String; 2]>,
    scratch: &'static str,
}

impl Operands {
    /// The rows of the operand of a layer with a window, and those of the result.
    fn rows(&self, geometry: &ConvGeometry) -> [String; 2] {
        let [_, w, c] = geometry.input;
        let whole = || [format!("Rows::new({}, {})", self.x[0], w * c), format!("0..{}", geometry.output[0])];
        self.rows.clone().unwrap_or_else(whole)
    }

    /// What a convolution reads.
    fn conv(&self, number: usize, conv: &ConvGeometry) -> String {
        let [x, rows] = self.rows(conv);
        format!("ConvOperands {{ x: {x}, packed: &WEIGHTS_{number}.0, rows: {rows} }}")
    }
}

/// The statements of layers that run together, each on rows of the one before.
fn chain(chain: &ChainCall<'_>, layers: &[PrintedLayer<'_>], places: &Places) -> String {
    let mut s = String::new();
    let last = layers.len() - 1;
    let row = |i: usize| chain.layers[i].output[1] * chain.layers[i].output[2];
    for i in 0..last {
        let _ = writeln!(s, "let mut ring{i} = Ring::new(ring{i}, {});", row(i));
    }
    let [height, ..] = chain.layers[last].output;
    let _ = writeln!(
        s,
        "for (first, out) in (0..{height}).step_by({}).zip(y.chunks_mut({})) {{",
        chain.rows,
        chain.rows * row(last)
    );
    let _ = writeln!(s, "    let rows{last} = first..{height}.min(first + {});", chain.rows);
    for i in (1..=last).rev() {
        let (layer, before) = (&chain.layers[i], i - 1);
        let _ = match &layer.window {
            Some(window) => {
                writeln!(s, "    let rows{before} = {window:?}.input_rows(rows{i}.clone(), {});", layer.input[0])
            }
            None => writeln!(s, "    let rows{before} = rows{i}.clone();"),
        };
    }
    for (i, layer) in layers.iter().enumerate() {
        let [_, w, c] = chain.layers[i].input;
        let x = match i.checked_sub(1) {
            Some(before) => format!("ring{before}.rows()"),
            None => format!("Rows::new({}, {})", places.shared(0), w * c),
        };
        let residual = if i == last && !places.shared(1).is_empty() {
            format!("&({})[rows{last}.start * {row}..rows{last}.end * {row}]", places.shared(1), row = row(last))
        } else {
            String::new()
        };
        let has_scratch = places.ranges.iter().any(|(name, _)| name == "scratch");
        let operands = Operands {
            x: vec![],
            residual,
            out: "out".to_owned(),
            rows: Some([x, "rows.clone()".to_owned()]),
            scratch: if has_scratch { "&mut *scratch" } else { "&mut []" },
        };
        if i < last {
            let _ = writeln!(s, "    ring{i}.make(rows{i}.clone(), |rows, out| {{");
        } else {
            let _ = writeln!(s, "    {{\n        let rows = rows{i}.clone();");
        }
        for line in call(layer, &operands).lines() {
            let _ = writeln!(s, "        {line}");
        }
        s.push_str(if i < last { "    });\n" } else { "    }\n" });
    }
    s.push_str("}\n");
    s
}

/// The call of a layer.
fn call(printed: &PrintedLayer<'_>, operands: &Operands) -> String {
    let number = printed.number;
    let Operands { out, scratch, .. } = operands;
    let x = |i: usize| operands.x.get(i).map_or("", String::as_str);
    let output = |epilogue: &Option<Epilogue<'_>>, place: &str| match epilogue {
        Some(epilogue) => {
            let residual = match epilogue.residual {
                Some(_) if place.is_empty() => format!("Some({})", operands.residual),
                Some(_) => format!("Some(&({}){place})", operands.residual),
                None => "None".to_owned(),
            };
            let out = if place.is_empty() { out.clone() } else { format!("&mut {out}{place}") };
            format!(
                "Int8Output::U8 {{ epilogue: {}, residual: {residual}, out: {out} }}",
                self::epilogue(number, epilogue)
            )
        }
        None => format!("Int8Output::F32(floats_mut({out}))"),
    };
    let call = match &printed.call {
        KernelCall::Pointwise { tile, sizes: [k, n], zero_points, epilogue, .. } => {
            let tile = self::tile(tile);
            let call = |x: &str, output: String| {
                format!(
                    "pointwise_int8_on(\n    Word,\n    {tile},\n    [{k}, {n}],\n    {zero_points:?},\n    {x},\n    \
                     &WEIGHTS_{number}.0,\n    {output},\n    {scratch},\n);"
                )
            };
            match &operands.rows {
                Some([x, rows]) => {
                    let call = call("x", output(epilogue, "[place.clone()]")).replace('\n', "\n    ");
                    format!("for (x, place) in {x}.runs({rows}, {k}, {n}) {{\n    {call}\n}}")
                }
                None => call(x(0), output(epilogue, "")),
            }
        }
        KernelCall::Conv2d { tile, conv, zero_points, epilogue, .. } => format!(
            "conv2d_int8_on(\n    Word,\n    {},\n    &{conv:?},\n    {zero_points:?},\n    {},\n    {},\n    {scratch},\n);",
            self::tile(tile),
            operands.conv(number, conv),
            output(epilogue, ""),
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
                "{function}(\n    Word,{variant}\n    &{conv:?},\n    {},\n    &PADDING_{x_zero_point},\n    {},\n    {out},\n);",
                operands.conv(number, conv),
                self::epilogue(number, epilogue)
            )
        }
        KernelCall::Pool { geometry, mean } => {
            let mean = mean.map_or_else(|| "None".to_owned(), |mean| format!("Some(&{mean:?})"));
            let [x, rows] = operands.rows(geometry);
            format!("pool_int8_on(Word, &{geometry:?}, {mean}, {x}, {rows}, {out});")
        }
        KernelCall::Binary(QuantizedBinary { function, a, b, output }) => format!(
            "binary_on(\n    Word,\n    &QuantizedBinary {{ function: Binary::{function:?}, a: {a:?}, b: {b:?}, \
             output: {output:?} }},\n    {},\n    {},\n    y,\n);",
            x(0),
            x(1)
        ),
        KernelCall::Softmax { sizes: [n, 1], log: false } if *n <= SHORT => {
            format!("softmax_short_on(Word, {n}, floats({}), floats_mut(y));", x(0))
        }
        KernelCall::Softmax { sizes, log } => {
            format!("softmax_on(Word, {sizes:?}, {log}, floats({}), floats_mut(y));", x(0))
        }
        KernelCall::Quantize { scale, zero_point } => {
            format!("quantize_on(Word, {scale:?}, {zero_point}, floats({}), y);", x(0))
        }
        KernelCall::Dequantize { scale, zero_point } => {
            format!("dequantize_on(Word, {scale:?}, {zero_point}, {}, floats_mut(y));", x(0))
        }
        KernelCall::Lut(_) => format!("look_up(&LUT_{number}, {}, y);", x(0)),
        KernelCall::FlipSigns => format!("flip_signs({}, y);", x(0)),
        KernelCall::Copies { copies, fill } => {
            let mut lines = fill.map_or_else(String::new, |fill| format!("y.fill({fill});\n"));
            for copy in *copies {
                let _ = writeln!(
                    lines,
                    "copy_strided(&{:?}, {}, {}, &{:?}, y, {}, &{:?});",
                    copy.dims,
                    x(copy.operand),
                    copy.from,
                    copy.from_strides,
                    copy.to,
                    copy.to_strides
                );
            }
            lines
        }
    };
    call + "\n"
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

/// A tile as Rust writes it.
fn tile(Tile { mr, nr, lanes }: &Tile) -> String {
    format!("Tile {{ mr: {mr}, nr: {nr}, lanes: Lanes::{lanes:?} }}")
}

fn epilogue(number: usize, epilogue: &Epilogue<'_>) -> String {
    let lut = if epilogue.lut.is_some() { format!("Some(&LUT_{number})") } else { "None".to_owned() };
    format!("&Epilogue {{ output: {:?}, lut: {lut}, residual: {:?} }}", epilogue.output, epilogue.residual)
}
