//! Depthwise layers of the MobileNets and EfficientNet-B0, one thread, warm caches: GFLOP/s and percent of the machine's peak.
//!
//! `cargo bench -p sepconv-kernels --bench depthwise [-- FILTER]`; the filter is part of a line's text, such as `avx2` or `k5s1`.
use std::hint::black_box;
use std::time::{Duration, Instant};

use sepconv_kernels::depthwise::{Depthwise, VARIANTS, Variant, depthwise, pack, packed_len};
use sepconv_kernels::simd::{Kernel, Simd};
use sepconv_kernels::{Activation, Isa, Rows, Window};

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
    for isa in Isa::floats().filter(|isa| !matches!(isa, Isa::Scalar(_))) {
        let peak = peak(isa);
        println!("{isa}: peak {peak:.1} GFLOP/s");
        for &(network, plane, channels, kernel, stride) in LAYERS {
            let dw = layer(plane, channels, kernel, stride);
            for variant in VARIANTS.iter().filter(|variant| variant.fits(&dw)) {
                let name = variant.name();
                let text =
                    format!("{isa:<6} {network} {plane:>3}x{plane:<3} {channels:>4} k{kernel}s{stride} {name:<7}");
                if text.contains(&filter) {
                    let rate = measure(isa, *variant, &dw);
                    println!("{text} {rate:>7.1} GFLOP/s {:>5.1} %", 100.0 * rate / peak);
                }
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

/// `len` floats that begin on a cache line, as the engine's arena gives them.
fn aligned(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len + 16, 0.0);
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

/// GFLOP/s of independent multiply-adds on registers.
fn peak(isa: Isa) -> f64 {
    const STEPS: usize = 1 << 16;
    const CHAINS: usize = 12;
    struct Chains;
    impl<S: Simd> Kernel<S> for Chains {
        type Output = f32;
        #[inline(always)]
        fn run(self, simd: S) -> f32 {
            let factor = simd.splat(black_box(0.5));
            let mut sums = [simd.splat(1.0); CHAINS];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = simd.mul_add(*sum, factor, factor);
                }
            }
            sums.into_iter().map(|sum| simd.sum(sum)).sum()
        }
    }
    let seconds = fastest(|| {
        black_box(isa.run(Chains));
    });
    (2 * STEPS * CHAINS * isa.lanes()) as f64 / seconds * 1e-9
}
