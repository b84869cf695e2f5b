use core::ops::Range;

use super::super::phase::phases;
use super::super::variant::dispatch;
use super::super::{DepthwiseKernel, Variant};
use super::interleaved::{Interleaved, Scratch};
use super::pack::{Sections, Vectors, group_len, groups};
use super::strip::{Fixed, LINES, ROWS, Strip};
use crate::epilogue::Epilogue;
use crate::simd::{self, Int8, Kernel};
use crate::{ConvGeometry, Rows};

/// The arguments of [`depthwise_int8`](super::depthwise_int8), checked but for the packed weights.
pub(super) struct DepthwiseInt8<'a> {
    pub(super) variant: Variant,
    pub(super) dw: &'a ConvGeometry,
    pub(super) x: Rows<'a, u8>,
    pub(super) packed: &'a [i8],
    /// A row of the input's zero point, where the packed weights have none.
    pub(super) padding: &'a [u8],
    pub(super) epilogue: &'a Epilogue<'a>,
    pub(super) rows: Range<usize>,
    pub(super) out: &'a mut [u8],
}

impl<'a> DepthwiseInt8<'a> {
    /// The row of padding, among the packed weights or beside them.
    #[inline(always)]
    pub(super) fn padding(&self, sections: &Sections<'a>) -> &'a [u8] {
        if sections.padding.is_empty() { self.padding } else { simd::unsigned(sections.padding) }
    }
}

impl<S: Int8> Kernel<S> for DepthwiseInt8<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        dispatch(self, simd);
    }
}

/// The input rows that `rows` output rows from `y` meet, or the padding.
#[inline(always)]
pub(super) fn lines<'a, const K: usize, const STRIDE: usize>(
    dw: &ConvGeometry,
    x: Rows<'a, u8>,
    padding: &'a [u8],
    y: usize,
    rows: usize,
) -> [&'a [u8]; LINES] {
    let ([h, w, c], [top, _], [dilation, _]) = (dw.input, dw.window.before, dw.window.dilation);
    let mut lines = [padding; LINES];
    for (t, line) in lines[..(rows - 1) * STRIDE + K].iter_mut().enumerate() {
        let row = (y * STRIDE + t * dilation).wrapping_sub(top);
        if row < h {
            *line = &x.row(row)[..w * c];
        }
    }
    lines
}

/// The work, with a window and a stride that are known when compiling: no other variant is.
pub(super) struct FixedWindow<'a, const K: usize, const STRIDE: usize, const N: usize>(pub(super) DepthwiseInt8<'a>);

impl<S: Int8, const K: usize, const STRIDE: usize, const N: usize> Kernel<S> for FixedWindow<'_, K, STRIDE, N> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        self.0.fixed::<K, STRIDE, 1, N>(simd);
    }
}

/// The work, with any window: no other variant is compiled.
pub(super) struct AnyWindow<'a>(pub(super) DepthwiseInt8<'a>);

impl<S: Int8> Kernel<S> for AnyWindow<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, simd: S) {
        self.0.any_window(simd);
    }
}

impl<S: Int8> DepthwiseKernel<S> for DepthwiseInt8<'_> {
    #[inline(always)]
    fn variant(&self) -> Variant {
        self.variant
    }

    /// A few rows at a time, group by group.
    #[inline(always)]
    fn fixed<const K: usize, const STRIDE: usize, const _ROWS: usize, const N: usize>(self, simd: S) {
        if S::LANES == 1 {
            return self.channel_by_channel::<S, K, STRIDE>(simd);
        }
        let ([_, _, c], [_, ow, _]) = (self.dw.input, self.dw.output);
        let vectors = Vectors::of::<S>();
        let sections = Sections::of(vectors, self.dw, self.packed);
        let padding = self.padding(&sections);
        let mut scratch = Scratch::new();
        // Rows share input rows where those lie side by side.
        let at_once = if self.dw.window.dilation[0] == 1 { ROWS } else { 1 };
        for (y, out) in self.rows.step_by(at_once).zip(self.out.chunks_mut(at_once * ow * c)) {
            let lines = lines::<K, STRIDE>(self.dw, self.x, padding, y, out.len() / (ow * c));
            let mut rest = sections.groups;
            for (group, header) in groups(vectors, self.dw).zip(sections.headers()) {
                let packed;
                (packed, rest) = rest.split_at(group_len(self.variant, vectors, self.dw, &group, header.summands));
                let output = self.epilogue.output;
                for phase in phases(self.dw) {
                    let (lines, group) = (&lines, &group);
                    let strip = Strip { dw: self.dw, phase, lines, padding, group, header, packed, output };
                    match group.vectors {
                        4 if const { S::PARTS_WEIGHTS } => {
                            simd.vectorize(Interleaved::<K, STRIDE, 4> { strip, scratch: &mut scratch, out });
                        }
                        _ if const { S::PARTS_WEIGHTS } => {
                            simd.vectorize(Interleaved::<K, STRIDE, 1> { strip, scratch: &mut scratch, out });
                        }
                        4 if const { S::INTERLEAVE == 4 } => simd.vectorize(Fixed::<K, STRIDE, N, 4> { strip, out }),
                        _ => simd.vectorize(Fixed::<K, STRIDE, N, 1> { strip, out }),
                    }
                }
            }
            if let Some(lut) = self.epilogue.lut {
                simd.lookup_all(lut, out);
            }
        }
    }
    #[inline(always)]
    fn general(self, simd: S) {
        self.any_window(simd);
    }
}
