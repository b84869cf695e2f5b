use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::{Activation, ConvGeometry, Window, conv_transpose};

use super::check::{
    self, check_groups, expect_f32, expect_shape, f32_elements, f32_tensor, image, nhwc, no_output, ohwi,
};
use super::names::{Then, WindowName};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Transposed convolution of `x[n,h,w,c]` with `weights[o,kh,kw,c/groups]` and `bias[o]`, then the activation: input
/// pixel `(y, x)` contributes to output pixel `(y·stride + ky·dilation - before, …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose {
    /// Taps, strides, dilation and padding of the convolution that this one is the transpose of.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Rows and columns added below and to the right, where the output size is otherwise ambiguous.
    pub output_padding: [usize; 2],
    /// Applied last.
    pub activation: Activation,
}

impl Operator for ConvTranspose {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.name(), WindowName(self.window), Then(self.activation))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let (x, weights, window) = (&inputs[0].shape, &inputs[1].shape, &self.window);
        let [n, h, w, c] = nhwc(x)?;
        let [o, _, _, per_group] = ohwi(weights)?;
        check_groups(self.groups, c, o)?;
        let expected = [o, window.kernel[0], window.kernel[1], c / self.groups];
        if weights[..] != expected || per_group == 0 {
            return Err(Error::mismatch("weights do not match the input channels")
                .expected(format_args!("weights {expected:?}"), weights));
        }
        expect_shape("bias", &inputs[2].shape, &[o])?;
        let uncropped = self.uncropped([h, w]).ok_or_else(|| no_output(window, [h, w]))?;
        let size = |axis: usize| {
            let cropped = window.before[axis].checked_add(window.after[axis])?;
            uncropped[axis].checked_sub(cropped).filter(|&size| size > 0)
        };
        let (rows, columns) = size(0).zip(size(1)).ok_or_else(|| no_output(window, [h, w]))?;
        Ok((Shape::new([n, rows, columns, o])?, dtype))
    }

    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost {
        // Each input pixel contributes through every tap of every filter of its group.
        let per_input = check::taps(&self.window).saturating_mul((output.last() / self.groups) as u64);
        let macs = (inputs[0].shape.elements() as u64).saturating_mul(per_input);
        Cost { macs, taps: check::taps(&self.window) }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        let [_, h, w, _] = nhwc(&inputs[0].shape)?;
        let [h, w] = self.uncropped([h, w]).ok_or_else(|| no_output(&self.window, [h, w]))?;
        Shape::new([h, w, inputs[1].shape[0]]).map(Some)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        f32_tensor(output, |result| {
            let geometry = self.geometry(inputs[0].shape(), output);
            let images = x[0].chunks_exact(x[0].len() / output[0]);
            let results = result.chunks_exact_mut(output.elements() / output[0]);
            for (image, result) in images.zip(results) {
                conv_transpose::reference(&geometry, image, x[1], x[2], self.activation, result);
            }
        })
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, i: usize, _: &Value) -> bool {
        i == 1 || i == 2
    }

    fn with_activation(&self, activation: Activation) -> Option<Op> {
        (self.activation == Activation::Identity).then(|| Self { activation, ..self.clone() }.into())
    }
}

impl ConvTranspose {
    /// The size of the result for a feature map of size `[h, w]`, before padding is cut off.
    fn uncropped(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let extent = self.window.extent()?;
        let size = |axis: usize| {
            let last = size[axis].checked_sub(1)?.checked_mul(self.window.stride[axis])?;
            last.checked_add(extent[axis])?.checked_add(self.output_padding[axis])
        };
        Some([size(0)?, size(1)?])
    }

    /// The kernel's view of this operator on one image.
    pub(crate) fn geometry(&self, x: &Shape, output: &Shape) -> ConvGeometry {
        ConvGeometry { window: self.window, input: image(x), output: image(output), groups: self.groups }
    }
}
