use super::super::phase::Phase;
use super::pack::{Group, Header};
use super::quads::{contributes_to, is_horizontal, lookahead, quads, row_of_byte, weight_index, weight_vectors};
use crate::ConvGeometry;
use crate::requantize::Requantize;
use crate::simd::{Columns, Int8, Kernel};
use crate::unroll::unrolled_array;

/// Output rows that are made of one group of channels before the next, so that its weights are in the nearest cache.
pub(super) const ROWS: usize = 8;

/// Input rows that so many output rows can meet, with a kernel of 7 at stride 2.
pub(super) const LINES: usize = (ROWS - 1) * 2 + 7;

/// One group of channels of a few output rows, in one phase.
pub(super) struct Strip<'a> {
    pub(super) dw: &'a ConvGeometry,
    pub(super) phase: Phase,
    /// The input rows that the windows meet, or the padding.
    pub(super) lines: &'a [&'a [u8]; LINES],
    pub(super) padding: &'a [u8],
    pub(super) group: &'a Group,
    pub(super) header: Header,
    pub(super) packed: &'a [i8],
    pub(super) output: Requantize,
}

/// The kernel of a strip in `G` vectors of sums: a function of its own, or the registers of all of them would be
/// allotted together.
pub(super) struct Fixed<'a, const K: usize, const STRIDE: usize, const N: usize, const G: usize> {
    pub(super) strip: Strip<'a>,
    pub(super) out: &'a mut [u8],
}

impl<S: Int8, const K: usize, const STRIDE: usize, const N: usize, const G: usize> Kernel<S>
    for Fixed<'_, K, STRIDE, N, G>
{
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Strip { dw, phase, lines, padding, group, packed, output, .. } = self.strip;
        let ([_, w, c], [_, ow, _], first) = (dw.input, dw.output, group.channels.start);
        let lanes = if G == 4 { 4 * S::LANES } else { group.channels.len() };
        let (mut bias, mut scale) = ([simd.splat_i32(0); G], [simd.splat(0.0); G]);
        for g in 0..G {
            bias[g] = simd.load_quads(&packed[g * 4 * S::LANES..]);
            scale[g] = simd.reinterpret(simd.load_quads(&packed[(G + g) * 4 * S::LANES..]));
        }
        let group = Constants {
            padding: &padding[first..first + lanes],
            inputs: phase.inputs(dw, first, lanes),
            outputs: phase.outputs(dw, first, lanes),
            left: phase.before,
            width: phase.width,
            bias,
            scale,
            weights: &packed[8 * G * S::LANES..],
            output,
        };
        for (y, out) in self.out.chunks_exact_mut(ow * c).enumerate() {
            let lines = *lines[y * STRIDE..].first_chunk::<K>().expect("as many lines as the window has rows");
            let row = Row::<S, K, G> { group: &group, lines: unrolled_array(|t| &lines[t][..w * c]) };
            row.run::<STRIDE, N>(simd, out);
        }
    }
}

/// What is the same for all rows of a strip.
struct Constants<'a, S: Int8, const G: usize> {
    /// A column of padding.
    padding: &'a [u8],
    inputs: Columns,
    outputs: Columns,
    /// Padding before the first column.
    left: usize,
    /// Columns of the input and of the output.
    width: [usize; 2],
    bias: [S::I32; G],
    scale: [S::F32; G],
    weights: &'a [i8],
    output: Requantize,
}

/// One output row of a strip.
struct Row<'a, S: Int8, const K: usize, const G: usize> {
    group: &'a Constants<'a, S, G>,
    /// The input rows that the windows meet, or rows of padding.
    lines: [&'a [u8]; K],
}

impl<S: Int8, const K: usize, const G: usize> Row<'_, S, K, G> {
    /// Steps along the row, one output further each time: `sums[i]` are of the window `N - 1 - i` before that which
    /// begins. A window is stored by the step after that which completes it. Windows beyond either end are begun, but
    /// not stored.
    #[inline(always)]
    fn run<const STRIDE: usize, const N: usize>(&self, simd: S, out: &mut [u8]) {
        let [w, ow] = self.group.width;
        let mut sums = [self.group.bias; N];
        for x in 0..N {
            self.step::<STRIDE, N, true>(simd, x, &mut sums, None);
        }
        // Where all columns that a step reads are inside.
        let inside = (w + self.group.left).saturating_sub(lookahead(K, STRIDE)).div_ceil(STRIDE).clamp(N, ow + N - 1);
        for x in N..inside {
            self.step::<STRIDE, N, false>(simd, x, &mut sums, Some(self.group.outputs.of_mut(out, x - N)));
        }
        for x in inside..ow + N - 1 {
            self.step::<STRIDE, N, true>(simd, x, &mut sums, Some(self.group.outputs.of_mut(out, x - N)));
        }
        self.store(simd, sums[0], self.group.outputs.of_mut(out, ow - 1));
    }

    /// Begins window `x`, and adds to it and the `N - 1` before it what they have of the columns up to the next. In
    /// between it stores the window that the last step completed, for then the processor has something to do while
    /// results are awaited.
    #[inline(always)]
    fn step<const STRIDE: usize, const N: usize, const EDGE: bool>(
        &self,
        simd: S,
        x: usize,
        sums: &mut [[S::I32; G]; N],
        to: Option<&mut [u8]>,
    ) {
        let first = self.quad::<EDGE>(simd, 0, x * STRIDE);
        if let Some(to) = to {
            self.store(simd, sums[0], to);
        }
        unroll!(i in 0..N - 1, {
            sums[i] = sums[i + 1];
        });
        sums[N - 1] = self.group.bias;
        // Of stride and quads there are two at most.
        self.column::<STRIDE, N, EDGE>(simd, x, [0, 0], Some(first), sums);
        self.column::<STRIDE, N, EDGE>(simd, x, [0, 1], None, sums);
        self.column::<STRIDE, N, EDGE>(simd, x, [1, 0], None, sums);
        self.column::<STRIDE, N, EDGE>(simd, x, [1, 1], None, sums);
    }

    /// Multiplies quad `q` of column `s` of step `x`, where there is one, into the sums of those windows that it meets.
    #[inline(always)]
    fn column<const STRIDE: usize, const N: usize, const EDGE: bool>(
        &self,
        simd: S,
        x: usize,
        [s, q]: [usize; 2],
        quad: Option<[S::I32; G]>,
        sums: &mut [[S::I32; G]; N],
    ) {
        if s >= STRIDE || q >= quads(K) || s > 0 && is_horizontal(K, q) {
            return;
        }
        let quad = quad.unwrap_or_else(|| self.quad::<EDGE>(simd, q, x * STRIDE + s));
        let (weights, more) = self.group.weights.split_at(weight_vectors(K) * G * 4 * S::LANES);
        add::<S, K, STRIDE, N, G>(simd, weights, quad, [s, q], sums);
        for weights in more.chunks_exact(weights.len()) {
            add::<S, K, STRIDE, N, G>(simd, weights, quad, [s, q], sums);
        }
    }

    /// Quad `q` of column `j`, counted from the padding's first.
    #[inline(always)]
    fn quad<const EDGE: bool>(&self, simd: S, q: usize, j: usize) -> [S::I32; G] {
        let j = j.wrapping_sub(self.group.left);
        let mut rows = [self.group.padding; 4];
        if !is_horizontal(K, q) {
            if !EDGE || j < self.group.width[0] {
                for (b, row) in rows.iter_mut().enumerate() {
                    *row = self.group.inputs.of(self.lines[row_of_byte(K, q, b)], j);
                }
            }
        } else if !EDGE || j < self.group.width[0] && j + 3 < self.group.width[0] {
            rows = self.group.inputs.run(self.lines[K - 1], j);
        } else {
            for (b, row) in rows.iter_mut().enumerate() {
                if j.wrapping_add(b) < self.group.width[0] {
                    *row = self.group.inputs.of(self.lines[K - 1], j.wrapping_add(b));
                }
            }
        }
        let mut quads = [self.group.bias[0]; G];
        if G == 4 {
            quads.copy_from_slice(&simd.interleave(rows));
        } else {
            quads[0] = simd.interleave_part(rows);
        }
        quads
    }

    #[inline(always)]
    fn store(&self, simd: S, sums: [S::I32; G], to: &mut [u8]) {
        let Constants { scale, output, .. } = self.group;
        if G == 4 {
            let (sums, scale) = (
                [sums[0], sums[1 % G], sums[2 % G], sums[3 % G]],
                [scale[0], scale[1 % G], scale[2 % G], scale[3 % G]],
            );
            simd.store_quads(output.quads(simd, sums, scale), to);
        } else {
            simd.store_u8_part(output.vector(simd, sums[0], scale[0]), to);
        }
    }
}

/// Multiplies quad `q` of column `s` of a step into the sums of those windows that it meets.
#[inline(always)]
fn add<S: Int8, const K: usize, const STRIDE: usize, const N: usize, const G: usize>(
    simd: S,
    weights: &[i8],
    quad: [S::I32; G],
    [s, q]: [usize; 2],
    sums: &mut [[S::I32; G]; N],
) {
    unroll!(i in 0..N, {
        let kx = (N - 1 - i) * STRIDE + s;
        if contributes_to(K, STRIDE, q, kx) {
            let weights = &weights[weight_index(K, STRIDE, q, kx) * G * 4 * S::LANES..];
            unroll!(g in 0..G, {
                sums[i][g] = simd.dot(sums[i][g], quad[g], simd.load_quads(&weights[g * 4 * S::LANES..]));
            });
        }
    });
}
