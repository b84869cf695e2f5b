use core::ops::Range;

use crate::{Rows, Window};

/// The geometry of a convolution, depthwise convolution, transposed convolution or pooling of one NHWC image.
///
/// Weights are `[o, kh, kw, c / groups]`; group `g` of the output channels reads group `g` of the input channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Kernel, stride, dilation and padding. Of a transposed convolution: those of the convolution whose gradient it
    /// is.
    pub window: Window,
    /// `[h, w, c]`
    pub input: [usize; 3],
    /// `[oh, ow, o]`
    pub output: [usize; 3],
    /// 1 is a standard convolution, `c` a depthwise one.
    pub groups: usize,
}

impl ConvGeometry {
    /// A depthwise convolution or a pooling: each channel is a group.
    pub const fn depthwise(window: Window, input: [usize; 3], output: [usize; 3]) -> Self {
        Self { window, input, output, groups: input[2] }
    }

    /// Output channels per input channel of a depthwise convolution.
    pub fn multiplier(&self) -> usize {
        self.output[2] / self.input[2]
    }

    /// Multiply-adds; taps in the padding count.
    pub fn macs(&self) -> usize {
        self.output.iter().product::<usize>() * self.depth()
    }

    /// Taps of the window: `kh·kw`.
    pub(crate) fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Input and output channels of a group.
    pub(crate) fn group_channels(&self) -> [usize; 2] {
        [self.input[2] / self.groups, self.output[2] / self.groups]
    }

    /// Products in an output value: `kh·kw·c / groups`.
    pub(crate) fn depth(&self) -> usize {
        self.taps() * self.group_channels()[0]
    }

    /// The pixels of an output row whose windows read no column beyond the feature map.
    pub(crate) fn inside(&self) -> Range<usize> {
        let [stride, before] = [self.window.stride[1], self.window.before[1]];
        let end = (self.input[1] + before).checked_sub(self.span(1)).map_or(0, |last| last / stride + 1);
        before.div_ceil(stride).min(end)..end.min(self.output[1])
    }

    /// Input columns that the windows of `pixels` neighbors cover.
    pub(crate) fn span(&self, pixels: usize) -> usize {
        pixels.saturating_sub(1) * self.window.stride[1] + (self.window.kernel[1] - 1) * self.window.dilation[1] + 1
    }
}

/// The operands of a convolution: the input, packed weights, and the output rows to compute.
#[derive(Clone, Debug)]
pub struct ConvOperands<'a, T, W> {
    /// Input rows of `[w, c]`; those that the windows of `rows` read must be there.
    pub x: Rows<'a, T>,
    /// Weights and biases in the order that the kernel's `pack` writes.
    pub packed: &'a [W],
    /// The output rows, which are all of the output slice.
    pub rows: Range<usize>,
}

impl<T, W> ConvOperands<'_, T, W> {
    /// Panics where the operands contradict the geometry or each other; `packed` and `out` are the lengths expected and
    /// given.
    pub(crate) fn check(&self, geometry: &ConvGeometry, packed: usize, out: usize) {
        let ([_, w, c], [oh, ow, o], rows) = (geometry.input, geometry.output, &self.rows);
        assert_eq!(self.x.length(), w * c, "input rows are [w, c]");
        assert_eq!(self.packed.len(), packed, "weights packed for this kernel");
        assert!(rows.start <= rows.end && rows.end <= oh, "{rows:?} of {oh} output rows");
        assert_eq!(out, rows.len() * ow * o, "out is [rows, ow, o]");
    }
}
