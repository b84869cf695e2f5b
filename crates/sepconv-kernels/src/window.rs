use core::ops::Range;

/// The geometry of a window that slides over an NHWC feature map: convolution, depthwise convolution and pooling share
/// it.
///
/// Two-element arrays are `[vertical, horizontal]`. Padding is implicit and counts as zero (convolution) or as absent
/// (pooling); it may differ on all four sides, as TensorFlow's SAME does at stride 2 on even inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Taps, `[kh, kw]`.
    pub kernel: [usize; 2],
    /// Distance between neighboring windows.
    pub stride: [usize; 2],
    /// Distance between neighboring taps; 1 is an ordinary window.
    pub dilation: [usize; 2],
    /// Padding before the first row and column: `[top, left]`.
    pub before: [usize; 2],
    /// Padding after the last row and column: `[bottom, right]`.
    pub after: [usize; 2],
}

impl Window {
    /// A `kh`×`kw` window with stride 1 and neither dilation nor padding.
    pub const fn new(kh: usize, kw: usize) -> Self {
        Self { kernel: [kh, kw], stride: [1; 2], dilation: [1; 2], before: [0; 2], after: [0; 2] }
    }

    /// The window with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        let swap = |[vertical, horizontal]: [usize; 2]| [horizontal, vertical];
        Self {
            kernel: swap(self.kernel),
            stride: swap(self.stride),
            dilation: swap(self.dilation),
            before: swap(self.before),
            after: swap(self.after),
        }
    }

    /// Whether each output pixel is a function of the one input pixel at the same place.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1; 2] && self.stride == [1; 2] && self.before == [0; 2] && self.after == [0; 2]
    }

    /// The extent of the window with its dilation, `[rows, columns]`: `(k - 1)·dilation + 1`. `None` on overflow or
    /// when a kernel, stride or dilation is zero.
    pub fn extent(&self) -> Option<[usize; 2]> {
        let axis = |i: usize| {
            let (kernel, dilation) = (self.kernel[i], self.dilation[i]);
            if kernel == 0 || dilation == 0 || self.stride[i] == 0 {
                return None;
            }
            (kernel - 1).checked_mul(dilation)?.checked_add(1)
        };
        Some([axis(0)?, axis(1)?])
    }

    /// The feature map of windows that fit on an input feature map `[h, w]` with its padding:
    /// `(size + before + after - extent) / stride + 1`. `None` when none fits, or on overflow.
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let extent = self.extent()?;
        let axis = |i: usize| {
            let padded = input[i].checked_add(self.before[i])?.checked_add(self.after[i])?;
            Some(padded.checked_sub(extent[i])? / self.stride[i] + 1)
        };
        Some([axis(0)?, axis(1)?])
    }

    /// The rows of an input feature map of `height` that some output rows need. At least one output row.
    pub fn input_rows(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        let (stride, extent) = (self.stride[0], (self.kernel[0] - 1) * self.dilation[0] + 1);
        let start = (rows.start * stride).saturating_sub(self.before[0]);
        let end = ((rows.end - 1) * stride + extent).saturating_sub(self.before[0]);
        start.min(height)..end.min(height)
    }

    /// The taps along `axis` (0 vertical, 1 horizontal) of output position `out` that meet the input of `size`: tap `t`
    /// reads position `out·stride + t·dilation - before`. Empty when the window lies in the padding.
    #[inline]
    pub fn taps(&self, axis: usize, out: usize, size: usize) -> Range<usize> {
        let (dilation, before, kernel) = (self.dilation[axis], self.before[axis], self.kernel[axis]);
        let start = out * self.stride[axis];
        // Most windows lie inside: divisions would take longer than all the rest.
        if start >= before && start - before + kernel * dilation < size + dilation {
            return 0..kernel;
        }
        let first = before.saturating_sub(start).div_ceil(dilation).min(kernel);
        let last = (size + before).saturating_sub(start).div_ceil(dilation).min(kernel);
        first..last.max(first)
    }

    /// Where tap `t` of output position `out` reads along `axis`; only for taps that [`taps`](Self::taps) gives.
    #[inline]
    pub fn source(&self, axis: usize, out: usize, tap: usize) -> usize {
        out * self.stride[axis] + tap * self.dilation[axis] - self.before[axis]
    }
}
