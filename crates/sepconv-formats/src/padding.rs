use sepconv_core::{Error, Result};
use sepconv_kernels::Window;

/// How a window meets the border of a plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// With the padding that it has.
    Explicit,
    /// As many outputs as inputs divided by the stride; an odd row or column is added at the end.
    SameUpper,
    /// The same; an odd row or column is added at the start.
    SameLower,
}

impl Padding {
    /// Checks a window and pads it for a plane.
    ///
    /// # Errors
    /// When a kernel, stride or dilation is zero, or the window reaches beyond what can be addressed.
    pub fn apply(self, mut window: Window, plane: [usize; 2]) -> Result<Window> {
        let extent = window.extent().ok_or_else(|| invalid(&window))?;
        if self == Self::Explicit {
            return Ok(window);
        }
        for axis in 0..2 {
            // The last window begins less than a stride before the end of the plane, so nothing here overflows but the
            // sum.
            let last = plane[axis].saturating_sub(1) / window.stride[axis] * window.stride[axis];
            let reach = last.checked_add(extent[axis]).ok_or_else(|| invalid(&window))?;
            (window.before[axis], window.after[axis]) = self.halves(reach.saturating_sub(plane[axis]));
        }
        Ok(window)
    }

    /// Padding before and after that adds up to `total`.
    pub(crate) fn halves(self, total: usize) -> (usize, usize) {
        match self {
            Self::SameLower => (total.div_ceil(2), total / 2),
            _ => (total / 2, total.div_ceil(2)),
        }
    }
}

/// The error for a window that no plane suits.
pub(crate) fn invalid(window: &Window) -> Error {
    Error::malformed("window is not possible")
        .expected("a kernel, stride and dilation from 1 that fit in memory", format_args!("{window:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_gives_the_plane_divided_by_the_stride() {
        for plane in 1..12 {
            for kernel in 1..6 {
                for stride in 1..4 {
                    let window = Window { stride: [stride; 2], ..Window::new(kernel, kernel) };
                    let upper = Padding::SameUpper.apply(window, [plane; 2]).expect("a small window");
                    assert_eq!(upper.output([plane; 2]), Some([plane.div_ceil(stride); 2]));
                    assert!(upper.after[0] - upper.before[0] <= 1, "{upper:?}");
                    let lower = Padding::SameLower.apply(window, [plane; 2]).expect("a small window");
                    assert_eq!((lower.before, lower.after), (upper.after, upper.before));
                }
            }
        }
    }

    #[test]
    fn impossible_windows_are_refused_however_they_are_padded() {
        let wide = Window { dilation: [usize::MAX; 2], ..Window::new(2, 2) };
        let still = Window { stride: [0, 1], ..Window::new(1, 1) };
        for window in [Window::new(0, 1), still, wide] {
            for padding in [Padding::Explicit, Padding::SameUpper, Padding::SameLower] {
                assert!(padding.apply(window, [4; 2]).is_err(), "{window:?}");
            }
        }
    }
}
