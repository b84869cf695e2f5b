use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::Requantize;
use sepconv_kernels::pool::{Mean, PoolKind};

use super::check::{self, expect_same_dtype, image, padded};
use super::names::WindowName;
use super::qconv2d::check_clamp;
use super::{Cost, Op, Operator, Pool};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// Taps of u8 whose sum fits 32 bits.
const MAX_TAPS: u64 = i32::MAX as u64 / 255;

/// Mean under a window of u8 `x[n,h,w,c]`: `output(Σ (x - input_zero_point) · (scale / count))`, where the count is of
/// taps inside the feature map.
#[derive(Clone, Debug, PartialEq)]
pub struct QAveragePool {
    /// The window; its kind is an average.
    pub pool: Pool,
    /// The value of `x` that represents zero.
    pub input_zero_point: u8,
    /// Units of the result in a unit of `x`.
    pub scale: f32,
    /// How means become u8.
    pub output: Requantize,
}

impl Operator for QAveragePool {
    fn name(&self) -> &'static str {
        "qaverage_pool"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), WindowName(self.pool.window))
    }

    fn operands(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_same_dtype(inputs, &[DType::U8])?;
        let taps = check::taps(&self.pool.window);
        if taps > MAX_TAPS {
            return Err(Error::unsupported("the int32 accumulator may overflow")
                .expected(format_args!("a window of at most {MAX_TAPS} taps"), taps));
        }
        if self.pool.kind != (PoolKind::Average { count_padding: false }) {
            return Err(Error::unsupported("int8 pooling is of another kind")
                .expected("the mean of taps inside the feature map", format_args!("{:?}", self.pool.kind)));
        }
        check_clamp(self.output)?;
        Ok((self.pool.output_shape(&inputs[0].shape)?, dtype))
    }

    fn cost(&self, _: &[&Value], _: &Shape) -> Cost {
        Cost { taps: check::taps(&self.pool.window), ..Cost::ONE_PASS }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        padded(&self.pool.window, &inputs[0].shape)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let wrong = || Error::unsupported("operand has the wrong dtype").expected("u8", inputs[0].dtype());
        let x = inputs[0].as_u8().ok_or_else(wrong)?;
        let ([h, w, c], [oh, ow, _]) = (image(inputs[0].shape()), image(output));
        let (window, mean) = (&self.pool.window, self.mean());
        let result = |i: usize| {
            let (n, y, px, channel) = (i / (oh * ow * c), i / (ow * c) % oh, i / c % ow, i % c);
            let (mut sum, mut count) = (0i32, 0usize);
            for ky in window.taps(0, y, h) {
                for kx in window.taps(1, px, w) {
                    let pixel = (n * h + window.source(0, y, ky)) * w + window.source(1, px, kx);
                    sum += i32::from(x[pixel * c + channel]);
                    count += 1;
                }
            }
            mean.apply(sum, count)
        };
        Tensor::u8(output.to_vec(), (0..output.elements()).map(result).collect::<Vec<_>>())
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }
}

impl QAveragePool {
    /// The kernel's view of what follows the sums.
    pub(crate) fn mean(&self) -> Mean {
        Mean { zero_point: self.input_zero_point, scale: self.scale, output: self.output }
    }
}
