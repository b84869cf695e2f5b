use core::array;

use crate::activation::{Activation, ApplyRows};
use crate::simd::Simd;

/// How numbers are stored, multiplied, added up and finished: what a matrix kernel knows about its types.
///
/// The loops in `tile`, `pointwise` and `conv2d` are written over a scheme; another number format is another implementation.
pub(crate) trait Scheme: Copy {
    /// An activation, read and written.
    type Element: Copy;
    /// What packed weights are made of.
    type Weight: Copy;
    /// A vector of sums.
    type Sum<S: Simd>: Copy;
    /// Weights per output channel that precede the products in a panel: the bias.
    const HEADER: usize;
    /// Products that one step takes together; runs are zero-padded to whole steps in the panel.
    const STEP: usize;

    /// The sums before any product, from the panel's header.
    fn start<S: Simd, const NV: usize>(self, simd: S, header: &[Self::Weight]) -> [Self::Sum<S>; NV];

    /// Adds `x[row][k] · weights[k][column]` over `k` to each sum. All rows are as long as the first.
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        self,
        simd: S,
        sums: &mut [[Self::Sum<S>; NV]; MR],
        x: [&[Self::Element]; MR],
        weights: &[Self::Weight],
    );

    /// Turns the sums into activations and stores them.
    fn finish<S: Simd, const MR: usize, const NV: usize>(
        self,
        simd: S,
        sums: [[Self::Sum<S>; NV]; MR],
        target: Target<'_, Self::Element>,
    );
}

/// A tile of the output: `columns` numbers in each of some rows that lie `stride` apart, from the start of `out`.
pub(crate) struct Target<'a, T> {
    pub(crate) out: &'a mut [T],
    /// What to add before the activation, laid out as `out`.
    pub(crate) residual: Option<&'a [T]>,
    pub(crate) stride: usize,
    pub(crate) columns: usize,
}

impl<T> Target<'_, T> {
    /// The tile that starts `start` numbers on and is `columns` wide.
    #[inline(always)]
    pub(crate) fn part(&mut self, start: usize, columns: usize) -> Target<'_, T> {
        let residual = self.residual.map(|residual| &residual[start..]);
        Target { out: &mut self.out[start..], residual, stride: self.stride, columns }
    }
}

/// Single precision throughout: one fused multiply-add per product, in the order of `k`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct F32 {
    pub(crate) activation: Activation,
}

impl Scheme for F32 {
    type Element = f32;
    type Weight = f32;
    type Sum<S: Simd> = S::F32;
    const HEADER: usize = 1;
    const STEP: usize = 1;

    #[inline(always)]
    fn start<S: Simd, const NV: usize>(self, simd: S, header: &[f32]) -> [S::F32; NV] {
        array::from_fn(|v| simd.load(&header[v * S::LANES..]))
    }

    #[inline(always)]
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        self,
        simd: S,
        sums: &mut [[S::F32; NV]; MR],
        x: [&[f32]; MR],
        weights: &[f32],
    ) {
        // Four steps at a time: between them rows are told apart by a displacement, not by counting up every address.
        let columns = NV * S::LANES;
        let (fours, depth) = (x[0].len() / 4, x[0].len());
        let x = x.map(|row| &row[..depth]);
        let (whole, rest) = weights.split_at(fours * 4 * columns);
        let heads = x.map(|row| &row.as_chunks::<4>().0[..fours]);
        for (k, weights) in (0..fours).zip(whole.chunks_exact(4 * columns)) {
            let x: [&[f32; 4]; MR] = array::from_fn(|r| &heads[r][k]);
            step(simd, sums, x, 0, weights);
            step(simd, sums, x, 1, &weights[columns..]);
            step(simd, sums, x, 2, &weights[2 * columns..]);
            step(simd, sums, x, 3, &weights[3 * columns..]);
        }
        let tails = x.map(|row| row.as_chunks::<4>().1);
        for (k, weights) in rest.chunks_exact(columns).enumerate() {
            step(simd, sums, tails, k, weights);
        }
    }

    #[inline(always)]
    fn finish<S: Simd, const MR: usize, const NV: usize>(
        self,
        simd: S,
        mut sums: [[S::F32; NV]; MR],
        target: Target<'_, f32>,
    ) {
        let Target { out, residual, stride, columns } = target;
        assert!(out.len() >= (MR - 1) * stride + columns, "the tile lies in the output");
        // Below, `min` says again what the assertion says, where the compiler understands it: it leaves no check behind.
        if let Some(residual) = residual {
            for (r, sums) in sums.iter_mut().enumerate() {
                let row = &residual[(r * stride).min(residual.len())..];
                let row = &row[..columns.min(row.len())];
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.add(*sum, simd.load_part(&row[(v * S::LANES).min(row.len())..]));
                }
            }
        }
        // Clips, the identity among them, cost two instructions in registers; the rest is done on the stored tile.
        let clip = self.activation.bounds();
        let (low, high) = clip.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let (low, high) = (simd.splat(low), simd.splat(high));
        for (r, sums) in sums.iter().enumerate() {
            let start = (r * stride).min(out.len());
            let row = &mut out[start..];
            let columns = columns.min(row.len());
            let row = &mut row[..columns];
            for (v, sum) in sums.iter().enumerate() {
                let start = (v * S::LANES).min(row.len());
                simd.store_part(simd.min(high, simd.max(low, *sum)), &mut row[start..]);
            }
        }
        if clip.is_none() {
            simd.vectorize(ApplyRows { activation: self.activation, data: out, rows: MR, stride, columns });
        }
    }
}

/// Adds the products of step `k` to the sums.
#[inline(always)]
fn step<S: Simd, X: AsRef<[f32]>, const MR: usize, const NV: usize>(
    simd: S,
    sums: &mut [[S::F32; NV]; MR],
    x: [X; MR],
    k: usize,
    weights: &[f32],
) {
    let weights: [S::F32; NV] = array::from_fn(|v| simd.load(&weights[v * S::LANES..]));
    for (sums, x) in sums.iter_mut().zip(&x) {
        let x = simd.splat(x.as_ref()[k]);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = simd.mul_add(x, weight, *sum);
        }
    }
}
