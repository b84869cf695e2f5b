use std::hint::black_box;

use sepconv_kernels::{ConvGeometry, Window, conv2d, depthwise};

use crate::harness::{Aligned, Bench, rate};

/// Images of a shard, as training has them.
const IMAGES: usize = 16;

/// Map, channels and outputs of pointwise layers of MobileNetV2 at 32x32 and 96x96, and a standard convolution.
const WEIGHTS: [(usize, usize, usize, usize); 6] =
    [(1, 16, 16, 96), (1, 16, 96, 24), (1, 8, 192, 32), (1, 4, 384, 64), (1, 4, 576, 96), (3, 8, 64, 64)];

/// Map, kernel, stride and channels of depthwise layers.
const DEPTHWISE: [(usize, usize, usize, usize); 6] =
    [(32, 3, 1, 32), (16, 3, 2, 96), (16, 3, 1, 144), (8, 3, 1, 192), (4, 3, 1, 384), (8, 5, 1, 240)];

/// A window with PyTorch's padding on square maps.
fn geometry(side: usize, kernel: usize, stride: usize, [c, o]: [usize; 2], groups: usize) -> ConvGeometry {
    let padding = [kernel / 2; 2];
    let window = Window { stride: [stride; 2], before: padding, after: padding, ..Window::new(kernel, kernel) };
    let [oh, ow] = window.output([side, side]).expect("a window that fits");
    ConvGeometry { window, input: [side, side, c], output: [oh, ow, o], groups }
}

pub(crate) fn f32(bench: &Bench<'_>) {
    let isa = bench.isa;
    let size = |[h, w, c]: [usize; 3]| IMAGES * h * w * c;
    for (kernel, side, c, o) in WEIGHTS {
        let conv = geometry(side, kernel, 1, [c, o], 1);
        let [mut x, mut dy] = [conv.input, conv.output].map(|map| Aligned::new(size(map), |i| i as f32 - 3.0));
        let mut scratch = vec![0.0; conv2d::gradient::weight_gradient_scratch_len(isa, &conv)];
        let mut out = vec![0.0; o * c * kernel * kernel];
        let shape = format!("weight-gradient {kernel}x{kernel} {side}x{side}x{c}x{o}");
        bench.line(
            &shape,
            [()].into_iter(),
            &(),
            |()| String::new(),
            |()| {
                rate(IMAGES * conv.macs(), || {
                    let (x, dy) = (black_box(x.get()), black_box(dy.get()));
                    conv2d::gradient::weight_gradient(isa, &conv, x, dy, &mut scratch, &mut out);
                })
            },
        );
    }
    for (side, kernel, stride, c) in DEPTHWISE {
        let dw = geometry(side, kernel, stride, [c, c], c);
        let [mut x, mut dy] = [dw.input, dw.output].map(|map| Aligned::new(size(map), |i| i as f32 - 3.0));
        let weights = vec![0.5; c * kernel * kernel];
        let shape = |of: &str| format!("depthwise-{of}-gradient {kernel}x{kernel}/{stride} {side}x{side}x{c}");
        let mut scratch = vec![0.0; depthwise::gradient::weight_gradient_scratch_len(isa, &dw)];
        let mut out = vec![0.0; weights.len()];
        bench.line(
            &shape("weight"),
            [()].into_iter(),
            &(),
            |()| String::new(),
            |()| {
                rate(IMAGES * dw.macs(), || {
                    let (x, dy) = (black_box(x.get()), black_box(dy.get()));
                    depthwise::gradient::weight_gradient(isa, &dw, x, dy, &mut scratch, &mut out);
                })
            },
        );
        let mut scratch = vec![0.0; depthwise::gradient::input_gradient_scratch_len(isa, &dw)];
        bench.line(
            &shape("input"),
            [()].into_iter(),
            &(),
            |()| String::new(),
            |()| {
                rate(IMAGES * dw.macs(), || {
                    let (dy, dx) = (black_box(dy.get()), black_box(x.get()));
                    depthwise::gradient::input_gradient(isa, &dw, &weights, dy, &mut scratch, dx);
                })
            },
        );
    }
}
