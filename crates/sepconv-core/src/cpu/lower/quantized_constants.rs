use alloc::vec::Vec;

use sepconv_kernels::{AddResidual, Epilogue, QuantizedConvParams, QuantizedWeights, Requantize, ZeroPoints};

use super::Lowering;
use crate::op::{Lut, QConv2d, QuantizedConv};
use crate::{Data, Error, Result, Tensor};

/// The constants of an int8 convolution.
pub(super) struct QuantizedConstants<'g> {
    weights: QuantizedWeights<'g>,
    input_zero_point: u8,
    bias: Vec<i32>,
    scale: &'g [f32],
}

/// What turns accumulators into u8 results.
#[derive(Debug)]
pub(crate) struct QuantizedEpilogue {
    pub(super) zero_points: ZeroPoints,
    requantize: Requantize,
    lut: Option<Lut>,
    residual: Option<AddResidual>,
}

impl<'g> QuantizedConstants<'g> {
    /// # Errors
    /// When they depend on an input, or are out of a kernel's range.
    pub(super) fn new(conv: &QConv2d, lowering: &Lowering<'_, 'g>) -> Result<Self> {
        let (weights, bias, scale) = (lowering.constant(1)?, lowering.constant(2)?, lowering.constant(3)?);
        let scale = scale.as_f32().unwrap_or_default();
        if let Some(scale) = scale.iter().find(|scale| !scale.is_finite()) {
            return Err(Error::malformed("scale of an int8 layer is not finite").expected("finite numbers", scale));
        }
        let products = weights.shape()[1..].iter().product::<usize>();
        if products > QuantizedConvParams::MAX_PRODUCTS {
            return Err(Error::unsupported("the int32 accumulator may overflow").expected(
                format_args!("at most {} weights in a filter", QuantizedConvParams::MAX_PRODUCTS),
                products,
            ));
        }
        // The builder let none pass that does not fit.
        let bias = bias.as_i64().unwrap_or_default().iter().map(|&bias| bias as i32).collect();
        let weights = centered(weights, conv.weight_zero_point)?;
        Ok(Self { weights, input_zero_point: conv.input_zero_point, bias, scale })
    }

    /// The kernels' view.
    pub(super) fn params(&self) -> QuantizedConvParams<'_> {
        let Self { weights, input_zero_point, ref bias, scale } = *self;
        QuantizedConvParams { weights, x_zero_point: input_zero_point, bias, scale }
    }
}

/// Weights with their zero point.
fn centered(weights: &Tensor, zero_point: i32) -> Result<QuantizedWeights<'_>> {
    let outside =
        |range: &str| Error::malformed("zero point of the weights is outside their dtype").expected(range, zero_point);
    match weights.data() {
        Data::U8(weights) => {
            u8::try_from(zero_point).map(|zero| QuantizedWeights::U8(weights, zero)).map_err(|_| outside("0 to 255"))
        }
        Data::I8(weights) => {
            i8::try_from(zero_point).map(|zero| QuantizedWeights::I8(weights, zero)).map_err(|_| outside("-128 to 127"))
        }
        Data::F32(_) | Data::I64(_) => {
            Err(Error::mismatch("weights have the wrong dtype").expected("u8 or i8", weights.dtype()))
        }
    }
}

impl QuantizedEpilogue {
    pub(super) fn new(conv: &QuantizedConv<'_>, zero_points: ZeroPoints) -> Self {
        let QuantizedConv { requantize, lut, residual, .. } = *conv;
        Self { zero_points, requantize, lut: lut.cloned(), residual }
    }

    /// The kernels' view.
    pub(super) fn epilogue(&self) -> Epilogue<'_> {
        let lut = self.lut.as_ref().map(|lut| &*lut.table);
        Epilogue { output: self.requantize, lut, residual: self.residual }
    }
}
