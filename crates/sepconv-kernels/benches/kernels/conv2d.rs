use std::hint::black_box;

use sepconv_kernels::conv2d::{conv2d, conv2d_int8, pack, pack_int8, packed_len, packed_len_int8, scratch_len};
use sepconv_kernels::{Activation, ConvGeometry, ConvOperands, F32Output, Int8Output, Rows, Tile, Window};

use crate::harness::{Aligned, Bench, EPILOGUE, rate, with_params};

/// Feature map size, channels of input and output, and stride of 3x3 convolutions: the stems of the MobileNets, MNASNet
/// and EfficientNet-B0, that of MobileNetV1 0.25, a layer of a network that makes pictures of pictures, the first of one
/// that reads digits, and the standard convolutions that two pairs of MobileNetV1 stand for.
const LAYERS: [[usize; 4]; 7] = [
    [224, 3, 32, 2],
    [224, 3, 16, 2],
    [224, 3, 8, 2],
    [240, 3, 3, 1],
    [28, 1, 8, 1],
    [56, 128, 128, 1],
    [14, 512, 512, 1],
];

fn layers() -> impl Iterator<Item = (String, ConvGeometry)> {
    LAYERS.into_iter().map(|[size, channels, outputs, stride]| {
        let output = size.div_ceil(stride);
        let window = Window { stride: [stride; 2], before: [2 - stride; 2], after: [1; 2], ..Window::new(3, 3) };
        let (input, output) = ([size, size, channels], [output, output, outputs]);
        (format!("conv2d {size}x{channels}x{outputs} k3s{stride}"), ConvGeometry { window, input, output, groups: 1 })
    })
}

/// Products in an output number, and in all.
fn products(conv: &ConvGeometry) -> [usize; 2] {
    let depth = 9 * conv.input[2];
    [depth, depth * conv.output.iter().product::<usize>()]
}

pub(crate) fn f32(bench: &Bench<'_>) {
    for (shape, conv) in layers() {
        let ([depth, macs], [oh, _, n]) = (products(&conv), conv.output);
        bench.tiles(&shape, conv.tiles(bench.isa), conv.tile(bench.isa), |tile| {
            let [mut x, mut weights, mut bias, mut out, mut scratch] = [
                conv.input.iter().product(),
                n * depth,
                n,
                conv.output.iter().product(),
                scratch_len(bench.isa, tile, &conv),
            ]
            .map(|length| Aligned::new(length, |i| i as f32 - 3.0));
            let mut packed = Aligned::new(packed_len(bench.isa, tile, &conv), |_| 0.0);
            pack(bench.isa, tile, &conv, weights.get(), bias.get(), packed.get());
            rate(macs, || {
                let (x, out) = (Rows::new(black_box(x.get()), conv.input[1] * conv.input[2]), black_box(out.get()));
                let (packed, scratch) = (packed.get(), scratch.get());
                conv2d(
                    bench.isa,
                    tile,
                    &conv,
                    ConvOperands { x, packed, rows: 0..oh },
                    F32Output { residual: None, activation: Activation::RELU6, out },
                    scratch,
                );
            })
        });
    }
}

pub(crate) fn int8(bench: &Bench<'_>) {
    for (shape, conv) in layers() {
        let ([depth, macs], [oh, _, n]) = (products(&conv), conv.output);
        bench.tiles(&shape, Tile::variants_int8(bench.isa), conv.tile_int8(bench.isa), |tile| {
            let [mut x, mut out, mut scratch] =
                [conv.input.iter().product(), conv.output.iter().product(), scratch_len(bench.isa, tile, &conv)]
                    .map(|length| Aligned::new(length, |i| 30 * i as u8));
            let (mut packed, zeros) = with_params(depth, n, |params| {
                let mut packed = Aligned::new(packed_len_int8(bench.isa, tile, &conv, params), |_| 0);
                pack_int8(bench.isa, tile, &conv, params, packed.get());
                (packed, params.zero_points())
            });
            rate(macs, || {
                let (x, out) = (Rows::new(black_box(x.get()), conv.input[1] * conv.input[2]), black_box(out.get()));
                let (packed, scratch) = (packed.get(), scratch.get());
                conv2d_int8(
                    bench.isa,
                    tile,
                    &conv,
                    zeros,
                    ConvOperands { x, packed, rows: 0..oh },
                    Int8Output::U8 { epilogue: &EPILOGUE, residual: None, out },
                    scratch,
                );
            })
        });
    }
}
