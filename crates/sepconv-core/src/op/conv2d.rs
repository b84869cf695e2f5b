use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::{Activation, ConvGeometry, Window, conv2d};

use super::check::{
    check_groups, expect_f32, expect_shape, f32_elements, f32_tensor, image, nhwc, no_output, ohwi, padded,
};
use super::conv_kind::ConvKind;
use super::names::{ConvName, Groups, Then, WindowName};
use super::{Convolution, Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Convolution of `x[n,h,w,c]` with `weights[o,kh,kw,c/groups]` and `bias[o]`, optionally plus `residual[n,oh,ow,o]`,
/// then the activation. Depthwise (`groups == c`), pointwise and stem are kinds of it: see [`ConvKind`].
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Taps, strides, dilation and padding.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Applied last, after the residual.
    pub activation: Activation,
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, groups, activation } = self;
        write!(f, "{} {}{}{}", self.name(), WindowName(*window), Groups(*groups), Then(*activation))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        3..=4
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let shapes: Vec<&Shape> = inputs.iter().map(|value| &value.shape).collect();
        let shape = output_shape(&self.window, self.groups, &shapes)?;
        if let Some(residual) = shapes.get(3) {
            expect_shape("residual", residual, &shape)?;
        }
        Ok((shape, dtype))
    }

    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost {
        Cost { macs: macs_of_conv(&inputs[1].shape, output), ..Cost::ONE_PASS }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        padded(&self.window, &inputs[0].shape)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        f32_tensor(output, |result| {
            let geometry = self.geometry(inputs[0].shape(), output);
            let size = output.elements() / output[0];
            let images = x[0].chunks_exact(x[0].len() / output[0]).zip(result.chunks_exact_mut(size)).enumerate();
            for (i, (image, result)) in images {
                let residual = x.get(3).map(|residual| &residual[i * size..][..size]);
                conv2d::reference(&geometry, image, x[1], x[2], residual, self.activation, result);
            }
        })
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, i: usize, _: &Value) -> bool {
        i == 1 || i == 2
    }

    fn describe_layer(&self, f: &mut fmt::Formatter<'_>, channels: usize) -> fmt::Result {
        write!(f, "{}{}", ConvName(self.kind(channels), self.window, self.groups), Then(self.activation))
    }

    fn conv_kind(&self, channels: usize) -> Option<ConvKind> {
        Some(self.kind(channels))
    }

    fn as_convolution(&self) -> Option<Convolution<'_>> {
        Some(Convolution::F32(self))
    }

    fn with_activation(&self, activation: Activation) -> Option<Op> {
        (self.activation == Activation::Identity).then(|| Self { activation, ..self.clone() }.into())
    }
}

impl Conv2d {
    /// The kind of this convolution on `channels` input channels. A single channel in one group is a standard
    /// convolution (or a stem), not a depthwise one.
    pub fn kind(&self, channels: usize) -> ConvKind {
        ConvKind::new(&self.window, self.groups, channels)
    }

    /// The kernel's view of this operator on one image.
    pub(crate) fn geometry(&self, x: &Shape, output: &Shape) -> ConvGeometry {
        ConvGeometry { window: self.window, input: image(x), output: image(output), groups: self.groups }
    }
}

/// The shape of a convolution's result, f32 or int8, on an input, weights and a bias, which come first.
pub(super) fn output_shape(window: &Window, groups: usize, shapes: &[&Shape]) -> Result<Shape> {
    let [n, h, w, c] = nhwc(shapes[0])?;
    let [o, kh, kw, per_group] = ohwi(shapes[1])?;
    check_groups(groups, c, o)?;
    let expected = [o, window.kernel[0], window.kernel[1], c / groups];
    if [o, kh, kw, per_group] != expected {
        return Err(Error::mismatch("weights do not match the input channels")
            .expected(format_args!("weights {expected:?}"), shapes[1])
            .help(alloc::format!("{c} input channels in {groups} group(s)")));
    }
    expect_shape("bias", shapes[2], &[o])?;
    let [rows, columns] = window.output([h, w]).ok_or_else(|| no_output(window, [h, w]))?;
    Shape::new([n, rows, columns, o])
}

/// Multiply-accumulates of a convolution, f32 or int8.
pub(super) fn macs_of_conv(weights: &Shape, output: &Shape) -> u64 {
    (output.elements() as u64).saturating_mul(weights[1..].iter().product::<usize>() as u64)
}
