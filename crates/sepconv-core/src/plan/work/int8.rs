use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{fmt, ops::Range};

use bytemuck::{cast_slice, cast_slice_mut};
use sepconv_kernels::{
    ConvGeometry, ConvOperands, Epilogue, Int8Output, Isa, Rows, Tile, ZeroPoints, conv2d, depthwise, pointwise, pool,
    quantized,
};

use super::{Operands, Work, images, pairing::Pairing, residual};
use crate::{
    op::QConvOutput,
    plan::chain::{Chain, Geometry, Job, RowLayer},
};

/// A kernel of bytes. Its result is bytes too, unless it is the last of a network and gives the real numbers of its sums.
#[derive(Debug)]
pub(crate) enum Int8 {
    Pointwise(Matrix),
    /// A pointwise layer on one row, cut between panels of outputs.
    Vector(Matrix),
    Conv2d {
        tile: Tile,
        conv: ConvGeometry,
        filters: Filters,
    },
    Depthwise(Depthwise),
    Chain(Box<Chain<Self>>),
    Pool {
        pool: ConvGeometry,
        /// How a mean becomes a byte, where it is one.
        mean: Option<pool::Mean>,
    },
    Binary {
        pair: quantized::QuantizedBinary,
        pairing: Pairing,
    },
}

/// A product with a packed `[k, n]` matrix of weights.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) tile: Tile,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) filters: Filters,
}

/// A depthwise convolution with packed weights.
#[derive(Debug)]
pub(crate) struct Depthwise {
    pub(crate) variant: depthwise::Variant,
    pub(crate) conv: ConvGeometry,
    pub(crate) filters: Filters,
}

/// Packed weights, biases and scales, and what becomes of the sums.
#[derive(Debug)]
pub(crate) struct Filters {
    pub(crate) packed: Range<usize>,
    pub(crate) zero_points: ZeroPoints,
    pub(crate) output: QConvOutput,
}

impl Int8 {
    /// See [`Work::join`](super::Work::join).
    pub(super) fn chain(layers: Vec<Self>, geometries: Vec<Geometry>) -> Work {
        Self::Chain(Box::new(Chain::new(layers, geometries))).into()
    }

    /// See [`Work::together`](super::Work::together).
    pub(super) fn together(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::Chain(chain) => Some(&**chain),
            _ => None,
        }
    }

    /// See [`Work::run`](super::Work::run).
    pub(super) fn run(
        &self,
        isa: Isa,
        x: &Operands<'_>,
        units: Range<usize>,
        unit: usize,
        out: &mut [u8],
        scratch: &mut [u8],
    ) {
        match self {
            Self::Pointwise(matrix) => {
                let rows = units.start * matrix.tile.mr;
                let count = out.len() / (matrix.n * matrix.filters.size());
                let bytes = &x.operand(0)[rows * matrix.k..][..count * matrix.k];
                let residual = residual(x.operand(1), units.start * unit, out.len());
                matrix.run(isa, x.weights, bytes, residual, out);
            }
            Self::Vector(Matrix { tile, k, filters, .. }) => {
                let n = out.len() / filters.size();
                let panel = pointwise::packed_len_int8(isa, *tile, *k, 1);
                let packed = &filters.packed(x.weights)[units.start * panel..];
                let packed = &packed[..pointwise::packed_len_int8(isa, *tile, *k, n)];
                let residual = residual(x.operand(1), units.start * unit, out.len());
                filters.multiply(isa, *tile, [*k, n], packed, x.operand(0), residual, out);
            }
            Self::Binary { pair, pairing } => {
                let x = [0, 1].map(|i| x.operand(i));
                match pairing {
                    Pairing::Repeat(repeat) => repeat.each(x, units.start * unit, out, |a, b, out| {
                        quantized::binary(isa, pair, a, b, out);
                    }),
                    Pairing::Strided { dims, strides } => strided(dims, strides, x, out, |a, b| pair.apply(a, b)),
                }
            }
            Self::Conv2d { .. } | Self::Depthwise(_) | Self::Chain(_) | Self::Pool { .. } => {
                self.run_planes(isa, x, units, out, scratch);
            }
        }
    }

    /// Kernels that slide over planes: units are output rows, counted through all images of the batch.
    fn run_planes(&self, isa: Isa, x: &Operands<'_>, units: Range<usize>, mut out: &mut [u8], scratch: &mut [u8]) {
        let ([h, w, c], [oh, ow, o]) = self.planes();
        let row = out.len() / units.len();
        for (image, rows) in images(units, oh) {
            let here = out.split_off_mut(..rows.len() * row).expect("as many rows as units");
            let plane = &x.operand(0)[image * h * w * c..][..h * w * c];
            let residual = residual(x.operand(1), (image * oh + rows.start) * ow * o, here.len());
            let source = Rows::new(plane, w * c);
            match self {
                Self::Pool { pool, mean } => pool::pool_int8(isa, pool, mean.as_ref(), source, rows, here),
                Self::Chain(chain) => {
                    let weights = x.weights;
                    let job = Job { isa, weights, x: source, residual, rows, out: here, scratch };
                    chain.run(job, &mut []);
                }
                layer => {
                    let weights = x.weights;
                    RowLayer::run(layer, Job { isa, weights, x: source, residual, rows, out: here, scratch });
                }
            }
        }
    }

    /// The sizes `[h, w, c]` of an input and an output image.
    fn planes(&self) -> ([usize; 3], [usize; 3]) {
        match self {
            Self::Conv2d { conv, .. } => (conv.input, conv.output),
            Self::Depthwise(Depthwise { conv, .. }) => (conv.input, conv.output),
            Self::Chain(chain) => chain.planes(),
            Self::Pool { pool, .. } => (pool.input, pool.output),
            _ => unreachable!("only kernels that slide over planes have planes"),
        }
    }

    /// See [`Work::unit`](super::Work::unit).
    pub(super) fn unit(&self, isa: Isa, len: usize) -> usize {
        match self {
            Self::Pointwise(matrix) => matrix.tile.mr * matrix.n,
            Self::Vector(matrix) => matrix.tile.columns(isa),
            Self::Binary { pairing, .. } => pairing.unit(len),
            Self::Conv2d { .. } | Self::Depthwise(_) | Self::Chain(_) | Self::Pool { .. } => {
                let (_, [_, ow, o]) = self.planes();
                ow * o
            }
        }
    }

    /// See [`Work::scratch_bytes`](super::Work::scratch_bytes).
    pub(super) fn scratch_bytes(&self) -> usize {
        match self {
            Self::Conv2d { tile, conv, .. } => conv2d::scratch_len(*tile, conv),
            Self::Chain(chain) => chain.scratch_bytes(),
            _ => 0,
        }
    }
}

impl Filters {
    /// Bytes of a result.
    fn size(&self) -> usize {
        if self.output == QConvOutput::F32 { size_of::<f32>() } else { 1 }
    }

    /// What becomes of the sums, where that is bytes.
    fn epilogue(&self) -> Option<Epilogue<'_>> {
        match &self.output {
            QConvOutput::F32 => None,
            QConvOutput::U8 { requantize, lut, residual } => {
                let lut = lut.as_ref().map(|lookup| &*lookup.table);
                Some(Epilogue { output: *requantize, lut, residual: *residual })
            }
        }
    }

    fn packed<'a>(&self, weights: &'a [u8]) -> &'a [i8] {
        cast_slice(&weights[self.packed.clone()])
    }

    /// Multiplies rows of `k` bytes with `packed` weights into rows of `n` results.
    #[expect(clippy::too_many_arguments, reason = "as many as the kernel has")]
    fn multiply(
        &self,
        isa: Isa,
        tile: Tile,
        [k, n]: [usize; 2],
        packed: &[i8],
        x: &[u8],
        residual: Option<&[u8]>,
        out: &mut [u8],
    ) {
        let zero_points = self.zero_points;
        match &self.epilogue() {
            Some(epilogue) => {
                pointwise::pointwise_int8(
                    isa,
                    tile,
                    [k, n],
                    zero_points,
                    x,
                    packed,
                    Int8Output::U8 { epilogue, residual, out },
                );
            }
            None => pointwise::pointwise_int8(
                isa,
                tile,
                [k, n],
                zero_points,
                x,
                packed,
                Int8Output::F32(cast_slice_mut(out)),
            ),
        }
    }
}

impl Matrix {
    /// Makes pixels of pixels.
    fn run(&self, isa: Isa, weights: &[u8], x: &[u8], residual: Option<&[u8]>, out: &mut [u8]) {
        let packed = self.filters.packed(weights);
        self.filters.multiply(isa, self.tile, [self.k, self.n], packed, x, residual, out);
    }
}

impl RowLayer for Int8 {
    type Element = u8;

    fn run(&self, job: Job<'_, u8>) {
        let Job { isa, weights, x, residual, rows, out, scratch, .. } = job;
        match self {
            Self::Pointwise(matrix) => {
                for (x, place) in x.runs(rows, matrix.k, matrix.n) {
                    let residual = residual.map(|residual| &residual[place.clone()]);
                    matrix.run(isa, weights, x, residual, &mut out[place]);
                }
            }
            Self::Depthwise(Depthwise { variant, conv, filters }) => {
                let epilogue = filters.epilogue().expect("a depthwise kernel makes bytes");
                depthwise::depthwise_int8(
                    isa,
                    *variant,
                    conv,
                    ConvOperands { x, packed: filters.packed(weights), rows },
                    &epilogue,
                    out,
                );
            }
            Self::Conv2d { tile, conv, filters } => {
                let (tile, zero, packed) = (*tile, filters.zero_points, filters.packed(weights));
                match &filters.epilogue() {
                    Some(bytes) => {
                        conv2d::conv2d_int8(
                            isa,
                            tile,
                            conv,
                            zero,
                            ConvOperands { x, packed, rows },
                            Int8Output::U8 { epilogue: bytes, residual, out },
                            scratch,
                        );
                    }
                    None => {
                        let out = cast_slice_mut(out);
                        conv2d::conv2d_int8(
                            isa,
                            tile,
                            conv,
                            zero,
                            ConvOperands { x, packed, rows },
                            Int8Output::F32(out),
                            scratch,
                        );
                    }
                }
            }
            _ => unreachable!("a chain is of convolutions"),
        }
    }

    fn means(&self, _: Isa, _: &[u8], _: &mut [u8]) {
        unreachable!("means of bytes are layers of their own");
    }

    fn scratch_len(&self) -> usize {
        self.scratch_bytes()
    }
}

/// Calls `f` with what meets in each element of the result, by strides: for what is too rare to be fast.
fn strided<T: Copy>(dims: &[usize], strides: &[Vec<usize>; 2], x: [&[T]; 2], out: &mut [T], f: impl Fn(T, T) -> T) {
    for (i, out) in out.iter_mut().enumerate() {
        let (mut rest, mut at) = (i, [0; 2]);
        for axis in (0..dims.len()).rev() {
            let index = rest % dims[axis];
            rest /= dims[axis];
            at = [0, 1].map(|operand| at[operand] + index * strides[operand][axis]);
        }
        *out = f(x[0][at[0]], x[1][at[1]]);
    }
}
