use crate::ConvGeometry;
use crate::simd::Columns;

/// Output columns `d` apart, where `d` is the horizontal dilation: their windows read input columns `d` apart, so that
/// among themselves they are a convolution without dilation. Without dilation there is one phase, of all columns.
pub(super) struct Phase {
    pub(super) dilation: usize,
    /// The first column of the input and of the output.
    pub(super) first: [usize; 2],
    /// Columns of the input and of the output.
    pub(super) width: [usize; 2],
    /// Padding before the first input column.
    pub(super) before: usize,
}

/// The phases of a layer of horizontal stride 1, or without horizontal dilation.
#[inline(always)]
pub(super) fn phases(dw: &ConvGeometry) -> impl Iterator<Item = Phase> + use<> {
    let ([_, w, _], [_, ow, _], [_, dilation], [_, left]) = (dw.input, dw.output, dw.window.dilation, dw.window.before);
    (0..dilation.min(ow)).map(move |output| {
        // How many columns of padding the first window of the phase spans, and where the first beyond them is.
        let padding = left.saturating_sub(output);
        let beyond = if padding.is_multiple_of(dilation) { 0 } else { dilation - padding % dilation };
        let input = if padding > 0 { beyond } else { output - left };
        Phase {
            dilation,
            first: [input, output],
            width: [w.saturating_sub(input).div_ceil(dilation), (ow - output).div_ceil(dilation)],
            before: padding.div_ceil(dilation),
        }
    })
}

impl Phase {
    /// `lanes` channels from `channel` of the input's columns.
    #[inline(always)]
    pub(super) fn inputs(&self, dw: &ConvGeometry, channel: usize, lanes: usize) -> Columns {
        self.columns(0, dw.input, channel, lanes)
    }

    /// `lanes` channels from `channel` of the output's columns.
    #[inline(always)]
    pub(super) fn outputs(&self, dw: &ConvGeometry, channel: usize, lanes: usize) -> Columns {
        self.columns(1, dw.output, channel, lanes)
    }

    #[inline(always)]
    fn columns(&self, i: usize, [_, w, c]: [usize; 3], channel: usize, lanes: usize) -> Columns {
        let (first, count) = (self.first[i].min(w), self.width[i]);
        Columns::new(w * c, first * c + channel, self.dilation.min(w) * c, lanes, count)
    }
}
