//! Runs one kernel on one layer some times or never, for a tool that counts the instructions of a whole program: the
//! difference between two numbers of calls is what a call costs.
//!
//! `count LAYER ISA CALLS` prints the multiply-adds of a call; `count` alone prints the names of the layers.
use std::hint::black_box;
use std::process::ExitCode;

use sepconv_kernels::depthwise::{self, Variant, depthwise, depthwise_int8, packed_len_int8};
use sepconv_kernels::pointwise::{self, Tile, packed_len, pointwise, pointwise_int8};
use sepconv_kernels::{
    Activation, ConvGeometry, ConvOperands, Epilogue, F32Output, Int8Output, Isa, QuantizedConvParams,
    QuantizedWeights, Requantize, Rows, Window,
};

/// Runs a layer so many times and gives the multiply-adds of one.
type Count = fn(Isa, usize) -> usize;

/// Layers of MobileNetV1, V2 and EfficientNet-B0, small enough for an emulator.
const LAYERS: &[(&str, Count)] = &[
    ("depthwise_3x3_14x14x512", |isa, calls| depthwise_f32(isa, calls, &window(14, 512, 3, 1))),
    ("depthwise_3x3s2_14x14x512", |isa, calls| depthwise_f32(isa, calls, &window(14, 512, 3, 2))),
    ("depthwise_5x5_14x14x480", |isa, calls| depthwise_f32(isa, calls, &window(14, 480, 5, 1))),
    ("pointwise_196x64x384", |isa, calls| pointwise_f32(isa, calls, [196, 64, 384])),
    ("pointwise_49x160x320", |isa, calls| pointwise_f32(isa, calls, [49, 160, 320])),
    ("int8_depthwise_3x3_14x14x512", |isa, calls| depthwise_u8(isa, calls, &window(14, 512, 3, 1))),
    ("int8_pointwise_196x64x384", |isa, calls| pointwise_u8(isa, calls, [196, 64, 384])),
];

const OUTPUT: Requantize = Requantize { zero_point: 3, low: 3, high: 250 };
const EPILOGUE: Epilogue<'_> = Epilogue { output: OUTPUT, lut: None, residual: None };

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [layer, isa, calls] = &arguments[..] else {
        LAYERS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let count = LAYERS.iter().find(|(name, _)| name == layer).map(|(_, count)| count);
    match (count, Isa::named(isa), calls.parse()) {
        (Some(count), Some(isa), Ok(calls)) => println!("{}", count(isa, calls)),
        _ => {
            eprintln!("no layer {layer}, no {isa} on this machine, or {calls} is no number");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A depthwise convolution of square feature maps, padded as TensorFlow's SAME.
fn window(size: usize, channels: usize, kernel: usize, stride: usize) -> ConvGeometry {
    let output = size.div_ceil(stride);
    let padding = (output - 1) * stride + kernel - size;
    let (before, after) = ([padding / 2; 2], [padding.div_ceil(2); 2]);
    let window = Window { stride: [stride; 2], before, after, ..Window::new(kernel, kernel) };
    ConvGeometry::depthwise(window, [size, size, channels], [output, output, channels])
}

fn depthwise_f32(isa: Isa, calls: usize, dw: &ConvGeometry) -> usize {
    let (variant, channels) = (Variant::choose(dw), dw.output[2]);
    let (x, weights) = (vec![1.0; dw.input.iter().product()], vec![0.5; dw.macs() / dw.output[0] / dw.output[1]]);
    let mut packed = vec![0.0; depthwise::packed_len(isa, dw)];
    depthwise::pack(isa, dw, &weights, Some(&vec![0.1; channels]), &mut packed);
    let mut out = vec![0.0; dw.output.iter().product()];
    for _ in 0..calls {
        let x = Rows::new(black_box(&x), dw.input[1] * dw.input[2]);
        depthwise(
            isa,
            variant,
            dw,
            ConvOperands { x, packed: &packed, rows: 0..dw.output[0] },
            Activation::RELU6,
            black_box(&mut out),
        );
    }
    dw.macs()
}

fn depthwise_u8(isa: Isa, calls: usize, dw: &ConvGeometry) -> usize {
    let (variant, channels) = (Variant::choose(dw), dw.output[2]);
    let (x, weights) = (vec![9; dw.input.iter().product()], vec![1; dw.macs() / dw.output[0] / dw.output[1]]);
    let (bias, scale) = (vec![1; channels], vec![0.5; channels]);
    let params =
        QuantizedConvParams { weights: QuantizedWeights::I8(&weights, 0), x_zero_point: 3, bias: &bias, scale: &scale };
    let mut packed = vec![0; packed_len_int8(isa, variant, dw, &params)];
    depthwise::pack_int8(isa, variant, dw, &params, &mut packed);
    let mut out = vec![0; dw.output.iter().product()];
    for _ in 0..calls {
        let x = Rows::new(black_box(&x[..]), dw.input[1] * dw.input[2]);
        depthwise_int8(
            isa,
            variant,
            dw,
            ConvOperands { x, packed: &packed, rows: 0..dw.output[0] },
            &EPILOGUE,
            black_box(&mut out),
        );
    }
    dw.macs()
}

fn pointwise_f32(isa: Isa, calls: usize, [m, k, n]: [usize; 3]) -> usize {
    let tile = Tile::choose(isa, m, k, n);
    let (x, mut out) = (vec![1.0; m * k], vec![0.0; m * n]);
    let mut packed = vec![0.0; packed_len(isa, tile, k, n)];
    pointwise::pack(isa, tile, k, &vec![0.5; n * k], &vec![0.1; n], &mut packed);
    for _ in 0..calls {
        pointwise(
            isa,
            tile,
            [k, n],
            black_box(&x),
            &packed,
            F32Output { residual: None, activation: Activation::RELU6, out: black_box(&mut out) },
        );
    }
    m * k * n
}

fn pointwise_u8(isa: Isa, calls: usize, [m, k, n]: [usize; 3]) -> usize {
    let tile = Tile::choose_int8(isa, m, k, n);
    let (x, mut out) = (vec![9; m * k], vec![0; m * n]);
    let (weights, bias, scale) = (vec![1; n * k], vec![1; n], vec![0.01; n]);
    let params =
        QuantizedConvParams { weights: QuantizedWeights::I8(&weights, 0), x_zero_point: 3, bias: &bias, scale: &scale };
    let mut packed = vec![0; pointwise::packed_len_int8(isa, tile, k, &params)];
    pointwise::pack_int8(isa, tile, k, &params, &mut packed);
    let zero_points = params.zero_points();
    for _ in 0..calls {
        let (x, out) = (black_box(&x), black_box(&mut out));
        pointwise_int8(
            isa,
            tile,
            [k, n],
            zero_points,
            x,
            &packed,
            Int8Output::U8 { epilogue: &EPILOGUE, residual: None, out },
        );
    }
    m * k * n
}
