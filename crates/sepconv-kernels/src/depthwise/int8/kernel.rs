use core::ops::Range;

use super::super::{Depthwise, Variant};
use super::pack::{Group, Sections, group_len, groups};
use super::quads::{meets, quads, reach, slot, slots, source};
use crate::Rows;
use crate::requantize::{Epilogue, Requantize};
use crate::simd::{self, Columns, Int8, Kernel};

/// The arguments of [`depthwise_int8`](super::depthwise_int8), checked but for the packed weights.
pub(in super::super) struct Run<'a> {
    pub(in super::super) variant: Variant,
    pub(super) dw: &'a Depthwise,
    pub(super) x: Rows<'a, u8>,
    pub(super) packed: &'a [i8],
    pub(super) epilogue: &'a Epilogue<'a>,
    pub(super) rows: Range<usize>,
    pub(super) out: &'a mut [u8],
}

impl<S: Int8> Kernel<S> for Run<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        self.dispatch(simd);
    }
}

impl Run<'_> {
    /// Kernel and stride fixed, and so how many windows a column is in: `N`.
    #[inline(always)]
    pub(in super::super) fn fixed<S: Int8, const K: usize, const STRIDE: usize, const N: usize>(self, simd: S) {
        let ([h, w, c], [_, ow, _], window) = (self.dw.input, self.dw.output, &self.dw.window);
        let sections = Sections::of(self.variant, S::LANES, self.dw, self.packed);
        let padding = simd::unsigned(sections.padding);
        for (y, out) in self.rows.zip(self.out.chunks_exact_mut(ow * c)) {
            let mut lines = [padding; K];
            for ky in window.taps(0, y, h) {
                lines[ky] = &self.x.row(window.source(0, y, ky))[..w * c];
            }
            let mut rest = sections.groups;
            for (group, &parts) in groups(self.variant, S::LANES, c).zip(sections.parts) {
                let now;
                (now, rest) = rest.split_at(group_len(self.variant, S::LANES, self.dw, &group, parts as usize));
                let line = (self.dw, &lines, padding, self.epilogue.output);
                if group.vectors == 4 {
                    Line::<S, K, 4>::new(simd, line, &group, 4 * S::LANES, now).run::<STRIDE, N>(simd, out);
                } else {
                    Line::<S, K, 1>::new(simd, line, &group, group.channels.len(), now).run::<STRIDE, N>(simd, out);
                }
            }
            if let Some(table) = self.epilogue.table {
                simd.lookup_all(table, out);
            }
        }
    }
}

/// One output row of a group of channels, in `G` vectors of sums.
struct Line<'a, S: Int8, const K: usize, const G: usize> {
    lines: &'a [&'a [u8]; K],
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

impl<'a, S: Int8, const K: usize, const G: usize> Line<'a, S, K, G> {
    #[inline(always)]
    fn new(
        simd: S,
        (dw, lines, padding, output): (&Depthwise, &'a [&'a [u8]; K], &'a [u8], Requantize),
        group: &Group,
        lanes: usize,
        packed: &'a [i8],
    ) -> Self {
        let ([_, w, c], [_, ow, _], first) = (dw.input, dw.output, group.channels.start);
        let (constants, weights) = packed.split_at(2 * G * 4 * S::LANES);
        let mut bias = [simd.splat_i32(0); G];
        let mut scale = [simd.splat(0.0); G];
        for g in 0..G {
            bias[g] = simd.load_quads(&constants[g * 4 * S::LANES..]);
            scale[g] = simd.reinterpret(simd.load_quads(&constants[(G + g) * 4 * S::LANES..]));
        }
        Self {
            lines,
            padding: &padding[first..first + lanes],
            inputs: Columns::new(w * c, first, c, lanes, w),
            outputs: Columns::new(ow * c, first, c, lanes, ow),
            left: dw.window.before[1],
            width: [w, ow],
            bias,
            scale,
            weights,
            output,
        }
    }

    /// Steps along the row, one output further each time: `sums[i]` are of the window `N - 1 - i` before that which begins.
    #[inline(always)]
    fn run<const STRIDE: usize, const N: usize>(&self, simd: S, out: &mut [u8]) {
        let [w, ow] = self.width;
        let mut sums = [self.bias; N];
        let steps = ow + N;
        // Where all columns that a step reads are inside, and all windows that it adds to.
        let last = (w + self.left).saturating_sub(reach(K, STRIDE)).div_ceil(STRIDE);
        let inside = N.max(self.left.div_ceil(STRIDE))..last.min(ow);
        let mut x = 0;
        while x < steps {
            if inside.contains(&x) {
                for x in inside.clone() {
                    self.step::<STRIDE, N, false>(simd, x, &mut sums, out);
                }
                x = inside.end;
            } else {
                self.step::<STRIDE, N, true>(simd, x, &mut sums, out);
                x += 1;
            }
        }
    }

    /// Stores the window that the last step completed, begins window `x`, and adds to it and the `N - 1` before it what they have of
    /// the columns up to the next. The order gives the processor independent work while results are awaited.
    #[inline(always)]
    fn step<const STRIDE: usize, const N: usize, const EDGE: bool>(
        &self,
        simd: S,
        x: usize,
        sums: &mut [[S::I32; G]; N],
        out: &mut [u8],
    ) {
        for s in 0..STRIDE {
            for q in 0..quads(K) {
                if s > 0 && !meets(K, STRIDE, q, s) && !meets(K, STRIDE, q, s + STRIDE) {
                    continue;
                }
                let quad = self.quad::<EDGE>(simd, q, x * STRIDE + s);
                if s == 0 && q == 0 {
                    if !EDGE || x >= N {
                        self.store(simd, sums[0], self.outputs.of_mut(out, x - N));
                    }
                    for i in 1..N {
                        sums[i - 1] = sums[i];
                    }
                    sums[N - 1] = self.bias;
                }
                let windows = if EDGE { x + 1 - self.width[1].min(x + 1)..N.min(x + 1) } else { 0..N };
                let (weights, rest) = self.weights.split_at(slots(K) * G * 4 * S::LANES);
                add::<S, K, STRIDE, N, G>(simd, weights, quad, [q, s], windows.clone(), sums);
                for weights in rest.chunks_exact(weights.len()) {
                    add::<S, K, STRIDE, N, G>(simd, weights, quad, [q, s], windows.clone(), sums);
                }
            }
        }
    }

    /// Quad `q` of column `j`, counted from the padding's first.
    #[inline(always)]
    fn quad<const EDGE: bool>(&self, simd: S, q: usize, j: usize) -> [S::I32; G] {
        let mut rows: [&[u8]; 4] = [&[]; 4];
        for (b, bytes) in rows.iter_mut().enumerate() {
            let [row, right] = source(K, q, b);
            let j = (j + right).wrapping_sub(self.left);
            *bytes = if !EDGE || j < self.width[0] { self.inputs.of(self.lines[row], j) } else { self.padding };
        }
        let mut quads = [self.bias[0]; G];
        if G == 4 {
            quads.copy_from_slice(&simd.interleave(rows));
        } else {
            quads[0] = simd.interleave_part(rows);
        }
        quads
    }

    #[inline(always)]
    fn store(&self, simd: S, sums: [S::I32; G], to: &mut [u8]) {
        let mut bytes = sums;
        for g in 0..G {
            bytes[g] = self.output.vector(simd, sums[g], self.scale[g]);
        }
        if G == 4 {
            simd.store_channels([bytes[0], bytes[1 % G], bytes[2 % G], bytes[3 % G]], to);
        } else {
            simd.store_u8_part(bytes[0], to);
        }
    }
}

/// Multiplies quad `q` of a column, `s` beyond the first of a step, into the sums of those `windows` that it meets; `windows[0]` began
/// last.
#[inline(always)]
fn add<S: Int8, const K: usize, const STRIDE: usize, const N: usize, const G: usize>(
    simd: S,
    weights: &[i8],
    quad: [S::I32; G],
    [q, s]: [usize; 2],
    windows: Range<usize>,
    sums: &mut [[S::I32; G]; N],
) {
    for back in (0..N).rev() {
        let kx = back * STRIDE + s;
        if meets(K, STRIDE, q, kx) && windows.contains(&back) {
            let weights = &weights[slot(K, STRIDE, q, kx) * G * 4 * S::LANES..][..G * 4 * S::LANES];
            for (g, weights) in weights.chunks_exact(4 * S::LANES).enumerate() {
                let sum = &mut sums[N - 1 - back][g];
                *sum = simd.dot(*sum, quad[g], simd.load_quads(weights));
            }
        }
    }
}
