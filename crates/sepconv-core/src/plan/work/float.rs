use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use crate::op::UnaryFunction;
use bytemuck::cast_slice;
use sepconv_kernels::{
    Activation, ConvGeometry, ConvOperands, F32Output, Isa, Rows, Tile, conv_transpose, conv2d, depthwise,
    elementwise::{self, Binary, Unary},
    matmul, pointwise,
    pool::{self, PoolKind},
    reduce, resize, softmax,
};

use super::pairing::Pairing;
use super::{BLOCK, Operands, images, residual};
use crate::plan::chain::{Chain, Job, RowLayer};

/// A kernel of floats.
#[derive(Debug)]
pub(crate) enum Float {
    Pointwise(Matrix),
    /// A pointwise layer on one row, cut between panels of outputs.
    Vector(Matrix),
    Conv2d {
        tile: Tile,
        conv: ConvGeometry,
        packed: Range<usize>,
        activation: Activation,
    },
    Depthwise(Depthwise),
    Chain(Box<Chain<Self>>),
    /// A pointwise layer on the product of two operands, of which `gate` has a number for each channel.
    Gated {
        matrix: Matrix,
        gate: usize,
    },
    ConvTranspose {
        tile: Tile,
        conv: ConvGeometry,
        packed: Range<usize>,
        activation: Activation,
    },
    Pool(PoolKind, ConvGeometry),
    GlobalAverage {
        channels: usize,
        pixels: usize,
    },
    Reduce {
        reduction: reduce::Reduction,
        dims: Vec<usize>,
        reduced: Vec<bool>,
    },
    Unary(Unary),
    /// A function whose operand is the result itself.
    UnaryInPlace(Unary),
    Binary {
        function: Binary,
        activation: Activation,
        pairing: Pairing,
    },
    Softmax {
        extents: [usize; 3],
        log: bool,
    },
    Resize {
        input: [usize; 3],
        output: [usize; 3],
        rows: Vec<resize::Taps>,
        columns: Vec<resize::Taps>,
    },
    MatMul {
        m: usize,
        k: usize,
        n: usize,
        offsets: Vec<[usize; 2]>,
    },
}

/// A product with a packed `[k, n]` matrix of weights.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) tile: Tile,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) packed: Range<usize>,
    pub(crate) activation: Activation,
}

/// A depthwise convolution with packed weights.
#[derive(Debug)]
pub(crate) struct Depthwise {
    pub(crate) variant: depthwise::Variant,
    pub(crate) conv: ConvGeometry,
    pub(crate) packed: Range<usize>,
    pub(crate) activation: Activation,
}

impl Float {
    /// A product with a gate and the pointwise layer after it as one step.
    pub(super) fn gated(mut layers: Vec<Self>) -> Self {
        match (layers.pop(), layers.pop()) {
            (Some(Self::Pointwise(matrix)), Some(Self::Binary { pairing: Pairing::Repeat(repeat), .. })) => {
                let [a, b] = repeat.periods;
                Self::Gated { matrix, gate: if a < b { 0 } else { 1 } }
            }
            _ => unreachable!("a gate repeats for each pixel of a pointwise layer"),
        }
    }

    /// See [`Work::run`](super::Work::run).
    #[expect(clippy::too_many_arguments, reason = "as many as a step has operands")]
    pub(super) fn run(
        &self,
        isa: Isa,
        x: &Operands<'_>,
        units: Range<usize>,
        unit: usize,
        out: &mut [f32],
        means: &mut [f32],
        scratch: &mut [f32],
    ) {
        let first = units.start * unit;
        let [a, b] = [0, 1].map(|i| x.operand::<f32>(i));
        match self {
            Self::Pointwise(matrix) => {
                let a = &a[first / matrix.n * matrix.k..][..out.len() / matrix.n * matrix.k];
                matrix.run(isa, x.weights, a, residual(b, first, out.len()), out);
            }
            Self::Gated { matrix, gate } => {
                let [a, b] = if *gate == 1 { [a, b] } else { [b, a] };
                let gated = &mut scratch[..matrix.packed.len() / size_of::<f32>()];
                pointwise::gate_inputs(isa, matrix.tile, b, matrix.packed(x.weights), gated);
                let a = &a[first / matrix.n * matrix.k..][..out.len() / matrix.n * matrix.k];
                let residual = residual(x.operand(2), first, out.len());
                let Matrix { tile, k, n, activation, .. } = *matrix;
                pointwise::pointwise(isa, tile, [k, n], a, gated, F32Output { residual, activation, out });
            }
            Self::Vector(matrix) => {
                let Matrix { tile, k, activation, .. } = *matrix;
                let panel = pointwise::packed_len(isa, tile, k, 1);
                let packed = &matrix.packed(x.weights)[units.start * panel..];
                let packed = &packed[..pointwise::packed_len(isa, tile, k, out.len())];
                let residual = residual(b, first, out.len());
                pointwise::pointwise(isa, tile, [k, out.len()], a, packed, F32Output { residual, activation, out });
            }
            Self::UnaryInPlace(function) => elementwise::unary_in_place(isa, *function, out),
            Self::Unary(function) => elementwise::unary(isa, *function, &a[first..][..out.len()], out),
            Self::Binary { function, activation, pairing } => match pairing {
                Pairing::Repeat(repeat) => repeat.each([a, b], first, out, |a, b, out| {
                    elementwise::binary(isa, *function, a, b, *activation, out);
                }),
                Pairing::Strided { dims, strides } => {
                    elementwise::binary_strided(*function, dims, a, &strides[0], b, &strides[1], out);
                    if *activation != Activation::Identity {
                        elementwise::unary_in_place(isa, UnaryFunction::Activation(*activation), out);
                    }
                }
            },
            Self::GlobalAverage { channels, pixels } => {
                let images = a.chunks_exact(pixels * channels).skip(units.start);
                for (image, out) in images.zip(out.chunks_exact_mut(*channels)) {
                    pool::global_average(isa, *channels, image, out);
                }
            }
            Self::Reduce { reduction, dims, reduced } => reduce::reduce(*reduction, dims, reduced, a, out),
            Self::Softmax { extents: [_, n, inner], log } => {
                let outer = out.len() / unit;
                softmax::softmax(isa, [outer, *n, *inner], *log, &a[first..][..out.len()], out);
            }
            Self::MatMul { m, k, n, offsets } => {
                let products = out.chunks_exact_mut(m * n).zip(&offsets[units]);
                for (out, &[i, j]) in products {
                    matmul::matmul(isa, *m, *k, *n, &a[i..][..m * k], &b[j..][..k * n], out);
                }
            }
            Self::Conv2d { .. }
            | Self::Depthwise(_)
            | Self::Chain(_)
            | Self::ConvTranspose { .. }
            | Self::Pool(..)
            | Self::Resize { .. } => {
                self.run_planes(isa, x, units, unit, out, means, scratch);
            }
        }
    }

    /// Kernels that slide over planes: units are output rows, counted through all images of the batch.
    #[expect(clippy::too_many_arguments, reason = "as many as a step has operands")]
    fn run_planes(
        &self,
        isa: Isa,
        x: &Operands<'_>,
        units: Range<usize>,
        unit: usize,
        mut out: &mut [f32],
        mut means: &mut [f32],
        scratch: &mut [f32],
    ) {
        let ([h, w, c], [oh, _, o]) = self.planes();
        for (image, rows) in images(units, oh) {
            let here = out.split_off_mut(..rows.len() * unit).expect("as many rows as units");
            let means = means.split_off_mut(..rows.len() * o).unwrap_or_default();
            let plane = &x.operand(0)[image * h * w * c..][..h * w * c];
            let residual = residual(x.operand(1), (image * oh + rows.start) * unit, here.len());
            let source = Rows::new(plane, w * c);
            let weights = |packed: &Range<usize>| cast_slice(&x.weights[packed.clone()]);
            match self {
                Self::Conv2d { tile, conv, packed, activation } => {
                    let packed = weights(packed);
                    conv2d::conv2d(
                        isa,
                        *tile,
                        conv,
                        ConvOperands { x: source, packed, rows },
                        F32Output { residual, activation: *activation, out: here },
                        scratch,
                    );
                }
                Self::Depthwise(depthwise) => depthwise.run(isa, x.weights, source, rows, here, means),
                Self::Chain(chain) => {
                    let job = Job { isa, weights: x.weights, x: source, residual, rows, out: here, scratch };
                    chain.run(job, means);
                }
                Self::ConvTranspose { tile, conv, packed, activation } => {
                    let packed = weights(packed);
                    conv_transpose::conv_transpose(
                        isa,
                        *tile,
                        conv,
                        ConvOperands { x: source, packed, rows },
                        *activation,
                        here,
                    );
                }
                Self::Pool(kind, pool) => pool::pool(isa, *kind, pool, source, rows, here),
                Self::Resize { input, output, rows: row_taps, columns } => {
                    resize::resize(isa, *input, *output, row_taps, columns, source, rows, here);
                }
                _ => unreachable!("only kernels that slide over planes come here"),
            }
        }
    }

    /// The sizes `[h, w, c]` of an input and an output image.
    fn planes(&self) -> ([usize; 3], [usize; 3]) {
        match self {
            Self::Conv2d { conv, .. } => (conv.input, conv.output),
            Self::Depthwise(Depthwise { conv, .. }) => (conv.input, conv.output),
            Self::Chain(chain) => chain.planes(),
            Self::ConvTranspose { conv, .. } => (conv.input, conv.output),
            Self::Pool(_, pool) => (pool.input, pool.output),
            Self::Resize { input, output, .. } => (*input, *output),
            _ => unreachable!("only kernels that slide over planes have planes"),
        }
    }

    /// See [`Work::unit`](super::Work::unit).
    pub(super) fn unit(&self, isa: Isa, len: usize) -> usize {
        match self {
            Self::Pointwise(matrix) | Self::Gated { matrix, .. } => matrix.tile.mr * matrix.n,
            Self::Vector(matrix) => matrix.tile.columns(isa),
            Self::Conv2d { .. }
            | Self::Depthwise(_)
            | Self::Chain(_)
            | Self::ConvTranspose { .. }
            | Self::Pool(..)
            | Self::Resize { .. } => {
                let (_, [_, ow, o]) = self.planes();
                ow * o
            }
            Self::GlobalAverage { channels, .. } => *channels,
            Self::Unary(_) | Self::UnaryInPlace(_) => BLOCK,
            Self::Binary { pairing, .. } => pairing.unit(len),
            Self::Softmax { extents: [_, n, inner], .. } => n * inner,
            Self::MatMul { m, n, .. } => m * n,
            Self::Reduce { .. } => len,
        }
    }

    /// See [`Work::scratch_bytes`](super::Work::scratch_bytes).
    pub(super) fn scratch_bytes(&self) -> usize {
        match self {
            Self::Conv2d { tile, conv, .. } => conv2d::scratch_len(*tile, conv) * size_of::<f32>(),
            Self::Chain(chain) => chain.scratch_bytes(),
            Self::Gated { matrix, .. } => matrix.packed.len(),
            _ => 0,
        }
    }
}

impl Matrix {
    fn packed<'a>(&self, weights: &'a [u8]) -> &'a [f32] {
        cast_slice(&weights[self.packed.clone()])
    }

    /// Makes pixels of pixels.
    fn run(&self, isa: Isa, weights: &[u8], x: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
        let packed = self.packed(weights);
        pointwise::pointwise(
            isa,
            self.tile,
            [self.k, self.n],
            x,
            packed,
            F32Output { residual, activation: self.activation, out },
        );
    }
}

impl Depthwise {
    /// Makes the output rows `rows`, and unless `means` are empty the mean of each while it is in cache.
    fn run(&self, isa: Isa, weights: &[u8], x: Rows<'_>, rows: Range<usize>, out: &mut [f32], means: &mut [f32]) {
        let packed = cast_slice(&weights[self.packed.clone()]);
        let run = |rows, out: &mut [f32]| {
            depthwise::depthwise(isa, self.variant, &self.conv, ConvOperands { x, packed, rows }, self.activation, out);
        };
        if means.is_empty() {
            return run(rows, out);
        }
        const ROWS: usize = 2;
        let [_, ow, o] = self.conv.output;
        let pieces = out.chunks_mut(ROWS * ow * o).zip(means.chunks_mut(ROWS * o));
        for (first, (out, means)) in rows.step_by(ROWS).zip(pieces) {
            run(first..first + means.len() / o, out);
            row_means(isa, o, out, means);
        }
    }
}

/// The mean of each row of pixels of `channels` numbers.
fn row_means(isa: Isa, channels: usize, rows: &[f32], means: &mut [f32]) {
    let row = rows.len() / (means.len() / channels);
    for (row, mean) in rows.chunks_exact(row).zip(means.chunks_exact_mut(channels)) {
        pool::global_average(isa, channels, row, mean);
    }
}

impl RowLayer for Float {
    type Element = f32;

    fn run(&self, job: Job<'_, f32>) {
        let Job { isa, weights, x, residual, rows, out, scratch } = job;
        match self {
            Self::Pointwise(matrix) => {
                for (x, place) in x.runs(rows, matrix.k, matrix.n) {
                    let residual = residual.map(|residual| &residual[place.clone()]);
                    matrix.run(isa, weights, x, residual, &mut out[place]);
                }
            }
            Self::Depthwise(depthwise) => depthwise.run(isa, weights, x, rows, out, &mut []),
            Self::Conv2d { tile, conv, packed, activation } => {
                let packed = cast_slice(&weights[packed.clone()]);
                conv2d::conv2d(
                    isa,
                    *tile,
                    conv,
                    ConvOperands { x, packed, rows },
                    F32Output { residual, activation: *activation, out },
                    scratch,
                );
            }
            _ => unreachable!("a chain is of convolutions"),
        }
    }

    fn means(&self, isa: Isa, rows: &[f32], means: &mut [f32]) {
        let Self::Depthwise(depthwise) = self else { unreachable!("only depthwise layers leave means") };
        row_means(isa, depthwise.conv.output[2], rows, means);
    }

    fn scratch_len(&self) -> usize {
        self.scratch_bytes() / size_of::<f32>()
    }
}
