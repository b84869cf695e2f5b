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

fn layers() -> impl Iterator<Item = (String, ConvGeometry)> {
    let pair = |text: &str, by| -> [usize; 2] {
        let (a, b) = text.trim().split_once(by).expect("two numbers");
        [a, b].map(|number| number.parse().expect("a number"))
    };
    LAYERS.trim().lines().flat_map(move |line| {
        let (window, sizes) = line.split_once(':').expect("a window");
        let [kernel, stride] = pair(window, ' ');
        sizes.split_whitespace().map(move |size| {
            let [size, channels] = pair(size, 'x');
            let shape = format!("depthwise {size}x{size}x{channels} k{kernel}s{stride}");
            (shape, layer(size, channels, kernel, stride))
        })
    })
}

/// A layer padded as TensorFlow's SAME.
fn layer(size: usize, channels: usize, kernel: usize, stride: usize) -> ConvGeometry {
    let output = size.div_ceil(stride);
    let padding = (output - 1) * stride + kernel - size;
    let (before, after) = ([padding / 2; 2], [padding.div_ceil(2); 2]);
    let window = Window { stride: [stride; 2], before, after, ..Window::new(kernel, kernel) };
    ConvGeometry::depthwise(window, [size, size, channels], [output, output, channels])
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
