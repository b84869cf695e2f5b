use std::hint::black_box;

use sepconv_kernels::depthwise::{VARIANTS, Variant, depthwise, pack, packed_len};
use sepconv_kernels::depthwise::{depthwise_int8, pack_int8, packed_len_int8};
use sepconv_kernels::{Activation, ConvGeometry, ConvOperands, Rows, Window};

use crate::harness::{Aligned, Bench, EPILOGUE, rate, with_params};

/// Kernel and stride, and for each feature map the channels that MobileNetV1, V2 and V3-Large, MNASNet and
/// EfficientNet-B0 have there; of 7x7 those of MobileNetV4. Feature maps of 16 channels, and 7 of 64, are of no network
/// beside 112: they fit the nearest cache, and show the kernels without the memory behind them.
const LAYERS: &str = "
    3 1: 112x16 112x32 56x72 56x128 56x144 28x16 28x192 28x256 14x16 14x184 14x200 14x384 14x480 14x512 14x576 14x672
    3 1: 7x64 7x960 7x1024 7x1152
    3 2: 112x48 112x64 112x96 56x128 56x144 28x192 28x240 28x256 14x16 14x512 14x576
    5 1: 28x120 28x240 14x16 14x480 14x672 7x960 7x1152
    5 2: 56x72 56x144 28x240 14x16 14x576 14x672
    7 1: 28x192 14x16
    7 2: 56x96";

/// Kernel, stride, dilation and multiplier, and the feature maps: windows of speech (one-dimensional, either way), of
/// segmentation (dilated), and others that have no kernel of their own.
const OTHERS: &str = "
    3x3 1 2 1: 33x33x192 33x33x960
    3x3 1 4 1: 33x33x576
    1x9 1 1 1: 1x128x64
    1x13 1 2 1: 1x101x64
    10x1 1 1 1: 39x1x128
    5x1 1 1 1: 28x1x128 28x28x120
    4x4 2 1 1: 56x56x64
    3x3 1 1 2: 28x28x96
    3x3 2 1 8: 49x40x8
    9x9 1 1 1: 28x28x96
    3x3 3 1 1: 56x56x64";

fn layers() -> impl Iterator<Item = (String, ConvGeometry)> {
    let numbers = |text: &str, by: char| -> Vec<usize> {
        text.trim().split(by).map(|number| number.parse().expect("a number")).collect()
    };
    let squares = LAYERS.trim().lines().flat_map(move |line| {
        let (window, sizes) = line.split_once(':').expect("a window");
        let [kernel, stride] = numbers(window, ' ')[..] else { panic!("a kernel and a stride: {window}") };
        sizes.split_whitespace().map(move |size| {
            let [size, channels] = numbers(size, 'x')[..] else { panic!("a feature map: {size}") };
            let shape = format!("depthwise {size}x{size}x{channels} k{kernel}s{stride}");
            (shape, layer([size, size, channels], [kernel; 2], [stride, 1], 1))
        })
    });
    let others = OTHERS.trim().lines().flat_map(move |line| {
        let (window, sizes) = line.split_once(':').expect("a window");
        let (kernel, rest) = window.trim().split_once(' ').expect("a kernel");
        let [stride, dilation, multiplier] = numbers(rest, ' ')[..] else { panic!("three numbers: {rest}") };
        sizes.split_whitespace().map(move |size| {
            let [kh, kw] = numbers(kernel, 'x')[..] else { panic!("a kernel: {kernel}") };
            let [h, w, channels] = numbers(size, 'x')[..] else { panic!("a feature map: {size}") };
            let shape = format!("depthwise {size} k{kernel}s{stride}d{dilation}m{multiplier}");
            (shape, layer([h, w, channels], [kh, kw], [stride, dilation], multiplier))
        })
    });
    squares.chain(others)
}

/// A layer padded as TensorFlow's SAME.
fn layer(input: [usize; 3], kernel: [usize; 2], [stride, dilation]: [usize; 2], multiplier: usize) -> ConvGeometry {
    let output = [0, 1].map(|i| input[i].div_ceil(stride));
    let padding = [0, 1].map(|i| ((output[i] - 1) * stride + (kernel[i] - 1) * dilation + 1).saturating_sub(input[i]));
    let (before, after) = (padding.map(|padding| padding / 2), padding.map(|padding| padding.div_ceil(2)));
    let window =
        Window { stride: [stride; 2], dilation: [dilation; 2], before, after, ..Window::new(kernel[0], kernel[1]) };
    ConvGeometry::depthwise(window, input, [output[0], output[1], input[2] * multiplier])
}

/// Prints what `measure` says of every variant that fits a layer.
fn report(bench: &Bench<'_>, measure: impl Fn(Variant, &ConvGeometry) -> f64) {
    for (shape, dw) in layers() {
        let variants = VARIANTS.iter().copied().filter(|variant| variant.fits(&dw));
        let name = |variant: &Variant| variant.name().to_owned();
        bench.line(&shape, variants, &Variant::choose(&dw), name, |&variant| measure(variant, &dw));
    }
}

pub(crate) fn f32(bench: &Bench<'_>) {
    report(bench, |variant, dw| {
        let mut x = Aligned::new(dw.input.iter().product(), |i| i as f32 - 3.0);
        let mut out = Aligned::new(dw.output.iter().product(), |_| 0.0);
        let mut packed = Aligned::new(packed_len(bench.isa, dw), |_| 0.0);
        pack(bench.isa, dw, &vec![0.5; dw.macs() / (dw.output[0] * dw.output[1])], None, packed.get());
        rate(dw.macs(), || {
            let (x, out) = (Rows::new(black_box(x.get()), dw.input[1] * dw.input[2]), black_box(out.get()));
            depthwise(
                bench.isa,
                variant,
                dw,
                ConvOperands { x, packed: packed.get(), rows: 0..dw.output[0] },
                Activation::RELU6,
                out,
            );
        })
    });
}

pub(crate) fn int8(bench: &Bench<'_>) {
    report(bench, |variant, dw| {
        let [mut x, mut out] = [dw.input, dw.output].map(|dims| Aligned::new(dims.iter().product(), |i| 30 * i as u8));
        let taps = dw.window.kernel[0] * dw.window.kernel[1];
        let mut packed = with_params(taps, dw.output[2], |params| {
            let mut packed = Aligned::new(packed_len_int8(bench.isa, variant, dw, params), |_| 0);
            pack_int8(bench.isa, variant, dw, params, packed.get());
            packed
        });
        rate(dw.macs(), || {
            let (x, out) = (Rows::new(&*black_box(x.get()), dw.input[1] * dw.input[2]), black_box(out.get()));
            depthwise_int8(
                bench.isa,
                variant,
                dw,
                ConvOperands { x, packed: packed.get(), rows: 0..dw.output[0] },
                &EPILOGUE,
                out,
            );
        })
    });
}
