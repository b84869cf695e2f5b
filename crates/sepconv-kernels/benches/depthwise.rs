//! Depthwise layers of the MobileNets and EfficientNet-B0, one thread, warm caches: operations and percent of the machine's peak,
//! for floats and for bytes.
//!
//! `cargo bench -p sepconv-kernels --bench depthwise [-- FILTER]`; the filter is part of a line's text, such as `avx2 `, `k5s1` or
//! `int8`.
use std::hint::black_box;
use std::time::{Duration, Instant};

use sepconv_kernels::depthwise::{Depthwise, VARIANTS, Variant, depthwise, pack, packed_len};
use sepconv_kernels::depthwise::{depthwise_int8, pack_int8, packed_int8_len};
use sepconv_kernels::{Activation, Epilogue, Filters, Isa, Requantize, Rows, Weights8, Window, peak};

/// `(network, plane, channels, kernel, stride)`; each layer once, named by the first network that has it. Those named L1 are of
/// no network: they fit the nearest cache, and show the kernels without the memory behind them.
const LAYERS: &[(&str, usize, usize, usize, usize)] = &[
    ("L1", 14, 16, 3, 1),
    ("L1", 14, 16, 3, 2),
    ("L1", 7, 64, 3, 1),
    ("L1", 28, 16, 3, 1),
    ("L1", 14, 16, 5, 1),
    ("L1", 14, 16, 5, 2),
    ("L1", 14, 16, 7, 1),
    ("V1", 112, 32, 3, 1),
    ("V1", 112, 64, 3, 2),
    ("V1", 56, 128, 3, 1),
    ("V1", 56, 128, 3, 2),
    ("V1", 28, 256, 3, 1),
    ("V1", 28, 256, 3, 2),
    ("V1", 14, 512, 3, 1),
    ("V1", 14, 512, 3, 2),
    ("V1", 7, 1024, 3, 1),
    ("V2", 112, 96, 3, 2),
    ("V2", 56, 144, 3, 1),
    ("V2", 56, 144, 3, 2),
    ("V2", 28, 192, 3, 1),
    ("V2", 28, 192, 3, 2),
    ("V2", 14, 384, 3, 1),
    ("V2", 14, 576, 3, 1),
    ("V2", 14, 576, 3, 2),
    ("V2", 7, 960, 3, 1),
    ("V3", 112, 16, 3, 1),
    ("V3", 56, 72, 3, 1),
    ("V3", 56, 72, 5, 2),
    ("V3", 28, 120, 5, 1),
    ("V3", 14, 184, 3, 1),
    ("V3", 14, 672, 5, 2),
    ("V3", 7, 960, 5, 1),
    ("B0", 56, 144, 5, 2),
    ("B0", 28, 240, 5, 1),
    ("B0", 14, 480, 5, 1),
    ("B0", 14, 672, 5, 1),
    ("B0", 7, 1152, 5, 1),
    ("V4", 28, 192, 7, 1),
    ("V4", 56, 96, 7, 2),
];

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    // Plain Rust is for machines that this bench does not know the peak of.
    let not_scalar = |isa: &Isa| !matches!(isa, Isa::Scalar(_));
    for isa in Isa::floats().filter(not_scalar) {
        layers(isa, "f32", &filter, peak(isa, peak::floats), measure);
    }
    for isa in Isa::available().filter(not_scalar) {
        layers(isa, "int8", &filter, peak(isa, peak::bytes), measure_int8);
    }
}

/// Prints what `measure` finds of each layer and variant that the filter asks for.
fn layers(isa: Isa, numbers: &str, filter: &str, peak: f64, measure: impl Fn(Isa, Variant, &Depthwise) -> f64) {
    println!("{isa} {numbers}: peak {peak:.1} GOP/s");
    for &(network, plane, channels, kernel, stride) in LAYERS {
        let dw = layer(plane, channels, kernel, stride);
        for variant in VARIANTS.iter().filter(|variant| variant.fits(&dw)) {
            let name = variant.name();
            let text = format!(
                "{isa:<10} {numbers:<4} {network} {plane:>3}x{plane:<3} {channels:>4} k{kernel}s{stride} {name:<7}"
            );
            if text.contains(filter) {
                let rate = measure(isa, *variant, &dw);
                println!("{text} {rate:>7.1} GOP/s {:>5.1} %", 100.0 * rate / peak);
            }
        }
    }
}

/// A layer padded as TensorFlow's SAME.
fn layer(plane: usize, channels: usize, kernel: usize, stride: usize) -> Depthwise {
    let output = plane.div_ceil(stride);
    let padding = (output - 1) * stride + kernel - plane;
    let (before, after) = ([padding / 2; 2], [padding.div_ceil(2); 2]);
    let window = Window { stride: [stride; 2], before, after, ..Window::new(kernel, kernel) };
    Depthwise { window, input: [plane, plane, channels], output: [output, output, channels] }
}

fn measure(isa: Isa, variant: Variant, dw: &Depthwise) -> f64 {
    let mut buffers = [(); 3].map(|()| Vec::new());
    let [x, packed, out] = &mut buffers;
    let x = aligned(x, dw.input.iter().product());
    x.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 17) as f32 - 8.0);
    let weights = vec![0.5; dw.output[2] * dw.window.kernel[0] * dw.window.kernel[1]];
    let packed = aligned(packed, packed_len(isa, dw));
    pack(isa, dw, &weights, None, packed);
    let out = aligned(out, dw.output.iter().product());
    let x = Rows::new(x, dw.input[1] * dw.input[2]);
    let seconds = fastest(|| {
        depthwise(isa, variant, black_box(dw), x, packed, Activation::RELU6, 0..dw.output[0], out);
        black_box(&out);
    });
    2.0 * dw.macs() as f64 / seconds * 1e-9
}

fn measure_int8(isa: Isa, variant: Variant, dw: &Depthwise) -> f64 {
    let channels = dw.output[2];
    let (mut x, mut packed, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let x = aligned(&mut x, dw.input.iter().product());
    x.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 17) as u8);
    let weights = vec![1; channels * dw.window.kernel[0] * dw.window.kernel[1]];
    let (bias, scale) = (vec![0; channels], vec![0.5; channels]);
    let filters = Filters { weights: Weights8::I8(&weights, 0), x_zero_point: 8, bias: &bias, scale: &scale };
    let packed = aligned(&mut packed, packed_int8_len(isa, variant, dw, &filters));
    pack_int8(isa, variant, dw, &filters, packed);
    let epilogue = Epilogue { output: Requantize { zero_point: 0, low: 0, high: 200 }, table: None, residual: None };
    let out = aligned(&mut out, dw.output.iter().product());
    let x = Rows::new(&*x, dw.input[1] * dw.input[2]);
    let seconds = fastest(|| {
        depthwise_int8(isa, variant, black_box(dw), x, packed, &epilogue, 0..dw.output[0], out);
        black_box(&out);
    });
    2.0 * dw.macs() as f64 / seconds * 1e-9
}

/// `len` numbers that begin on a cache line, as the engine's arena gives them.
fn aligned<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    buffer.resize(len + 64, T::default());
    let start = buffer.as_ptr().align_offset(64);
    &mut buffer[start..][..len]
}

/// The fewest seconds that one call takes, over batches of a few milliseconds.
fn fastest(mut call: impl FnMut()) -> f64 {
    let mut batch = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed()
    };
    let mut calls = 1;
    while batch(calls) < Duration::from_millis(2) {
        calls *= 2;
    }
    (0..25).map(|_| batch(calls).as_secs_f64() / f64::from(calls)).fold(f64::INFINITY, f64::min)
}

/// Billions of operations in a second that `run` comes to, which gives how many it did.
fn peak(isa: Isa, run: fn(Isa) -> u64) -> f64 {
    let seconds = fastest(|| {
        black_box(run(isa));
    });
    run(isa) as f64 / seconds * 1e-9
}
