use core::ops::Range;

use crate::simd::Columns;
use crate::{ConvGeometry, Rows};

/// Lines of neighboring output pixels, which the general kernels compute a tile at a time.
///
/// A line is a row of the output. A signal along the columns of a feature map that is one pixel wide becomes a line,
/// too: its rows lie side by side as the pixels of a row do.
pub(super) struct Lines<'a, T> {
    pub(super) dw: ConvGeometry,
    pub(super) x: Rows<'a, T>,
    /// The output rows.
    pub(super) rows: Range<usize>,
    /// The pixels of each of them.
    pub(super) pixels: Range<usize>,
}

impl<'a, T> Lines<'a, T> {
    /// The lines that are rows `rows` of the output of `dw`.
    pub(super) fn new(dw: &ConvGeometry, x: Rows<'a, T>, rows: Range<usize>) -> Self {
        let ([h, w, c], [oh, ow, channels], window) = (dw.input, dw.output, dw.window);
        let is_column = [w, ow, window.kernel[1]] == [1; 3] && window.before[1] == 0 && !rows.is_empty();
        match x.joined(h).filter(|_| is_column) {
            Some(x) => {
                let (input, output) = ([1, h, c], [1, oh, channels]);
                Self {
                    dw: ConvGeometry { window: window.transposed(), input, output, ..*dw },
                    x,
                    rows: 0..1,
                    pixels: rows,
                }
            }
            None => Self { dw: *dw, x, rows, pixels: 0..ow },
        }
    }

    /// The pixels of a line, `most` at a time. The last tile may overlap the one before it.
    #[inline(always)]
    pub(super) fn tiles(&self, most: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        let Range { start, end } = self.pixels;
        (start..end).step_by(most).map(move |x| {
            let first = x.min(end.saturating_sub(most)).max(start);
            first..end.min(first + most)
        })
    }

    /// The columns of an input row.
    pub(super) fn columns(&self) -> Columns {
        let [_, w, c] = self.dw.input;
        Columns::new(w * c, 0, c, c, w)
    }

    /// Where tap `kx` of output pixel 0 reads; in the padding it wraps, or is beyond the last column.
    #[inline(always)]
    pub(super) fn shift(&self, kx: usize) -> usize {
        (kx * self.dw.window.dilation[1]).wrapping_sub(self.dw.window.before[1])
    }

    /// How many columns the first of `pixels` neighboring outputs may read while the others read columns of the feature
    /// map, too.
    pub(super) fn firsts(&self, pixels: usize) -> usize {
        self.dw.input[1].saturating_sub((pixels - 1).saturating_mul(self.dw.window.stride[1]))
    }

    /// The input channels that some output channels read.
    pub(super) fn inputs(&self, outputs: Range<usize>) -> Range<usize> {
        let multiplier = self.dw.multiplier();
        outputs.start / multiplier..outputs.end.div_ceil(multiplier)
    }
}
