use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::pool::{self, PoolKind};
use sepconv_kernels::{ConvGeometry, Window};

use super::check::{self, expect_dtype, expect_f32, f32_elements, image, nhwc, no_output, padded};
use super::names::WindowName;
use super::{Cost, Op, Operator};
use crate::{DType, Data, Result, Shape, Tensor, Value};

/// Largest or mean value under a window of `x[n,h,w,c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Taps, strides, dilation and padding.
    pub window: Window,
    /// Maximum or mean.
    pub kind: PoolKind,
    /// Whether windows that start inside but end beyond the padded feature map count (ONNX `ceil_mode`).
    pub ceil_mode: bool,
}

impl Operator for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "max_pool",
            PoolKind::Average { .. } => "average_pool",
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), WindowName(self.window))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = match self.kind {
            PoolKind::Max => {
                expect_dtype(inputs[0], &[DType::F32, DType::U8, DType::I8])?;
                inputs[0].dtype
            }
            PoolKind::Average { .. } => expect_f32(inputs)?,
        };
        Ok((self.output_shape(&inputs[0].shape)?, dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost { taps: check::taps(&self.window), ..Cost::ONE_PASS }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        padded(&self.window, &inputs[0].shape)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        // f32 holds every 8-bit integer exactly.
        Ok(match inputs[0].data() {
            Data::U8(x) => {
                let x: Vec<f32> = x.iter().map(|&q| q.into()).collect();
                let result = self.reference(&x, inputs[0].shape(), output)?;
                Tensor::u8(output.to_vec(), result.into_iter().map(|q| q as u8).collect::<Vec<_>>())?
            }
            Data::I8(x) => {
                let x: Vec<f32> = x.iter().map(|&q| q.into()).collect();
                let result = self.reference(&x, inputs[0].shape(), output)?;
                Tensor::i8(output.to_vec(), result.into_iter().map(|q| q as i8).collect::<Vec<_>>())?
            }
            Data::F32(_) | Data::I64(_) => {
                let x = f32_elements(inputs)?;
                Tensor::f32(output.to_vec(), self.reference(x[0], inputs[0].shape(), output)?)?
            }
        })
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        (self.kind == PoolKind::Max).then(|| self.clone().into())
    }
}

impl Pool {
    pub(super) fn output_shape(&self, x: &Shape) -> Result<Shape> {
        let [n, h, w, c] = nhwc(x)?;
        let none = || no_output(&self.window, [h, w]);
        let extent = self.window.extent().ok_or_else(none)?;
        let axis = |axis: usize, size: usize| {
            let (before, after) = (self.window.before[axis], self.window.after[axis]);
            let (stride, extent) = (self.window.stride[axis], extent[axis]);
            // A window on nothing but padding has neither a maximum nor a mean.
            if before >= extent || after >= extent {
                return None;
            }
            let room = size.checked_add(before)?.checked_add(after)?.checked_sub(extent)?;
            let last = if self.ceil_mode { room.div_ceil(stride) } else { room / stride };
            let starts_inside = last.checked_mul(stride)? < size + before;
            Some(if starts_inside { last + 1 } else { last })
        };
        let (rows, columns) = axis(0, h).zip(axis(1, w)).ok_or_else(none)?;
        Shape::new([n, rows, columns, c])
    }

    /// The kernel's view of this operator on one image.
    pub(crate) fn geometry(&self, x: &Shape, output: &Shape) -> ConvGeometry {
        ConvGeometry::depthwise(self.window, image(x), image(output))
    }

    fn reference(&self, x: &[f32], shape: &Shape, output: &Shape) -> Result<Vec<f32>> {
        let geometry = self.geometry(shape, output);
        let mut result = vec![0.0; output.elements()];
        if !result.is_empty() {
            let images =
                x.chunks_exact(x.len() / output[0]).zip(result.chunks_exact_mut(output.elements() / output[0]));
            images.for_each(|(image, result)| pool::reference(self.kind, &geometry, image, result));
        }
        Ok(result)
    }
}
