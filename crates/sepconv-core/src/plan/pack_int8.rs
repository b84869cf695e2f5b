use alloc::sync::Arc;
use alloc::vec::Vec;

use sepconv_kernels::{ConvGeometry, Isa, QuantizedConvParams, QuantizedWeights, Tile, conv2d, depthwise, pointwise};

use crate::{Data, Error, Graph, Node, Result, Tensor, op::QConv2d};

/// The constants of an int8 layer.
pub(super) struct Constants {
    weights: Arc<Tensor>,
    weight_zero_point: i32,
    input_zero_point: u8,
    bias: Vec<i32>,
    scale: Arc<Tensor>,
}

/// The kernel that they are packed for.
#[derive(Clone, Copy)]
pub(super) enum Layout {
    Matrix(Tile, usize),
    Conv2d(Tile, ConvGeometry),
    Depthwise(depthwise::Variant, ConvGeometry),
}

impl Constants {
    /// Those of `node`, which is `conv`.
    ///
    /// # Errors
    /// When they depend on an input, or are no numbers that a kernel takes.
    pub(super) fn new(graph: &Graph, node: &Node, conv: &QConv2d) -> Result<Self> {
        let constant = |i: usize| {
            graph.value(node.inputs[i]).constant.clone().ok_or_else(|| {
                Error::unsupported("weights must be known before running")
                    .help("bind the input that they come from to a constant")
            })
        };
        let (weights, bias, scale) = (constant(1)?, constant(2)?, constant(3)?);
        let floats = scale.as_f32().unwrap_or_default();
        if let Some(scale) = floats.iter().find(|scale| !scale.is_finite()) {
            return Err(Error::malformed("scale of an int8 layer makes no sense").expected("finite numbers", scale));
        }
        let (low, high) = match weights.data() {
            Data::U8(_) => (0, 255),
            _ => (-128, 127),
        };
        if !(low..=high).contains(&conv.weight_zero_point) {
            return Err(Error::malformed("zero point of weights is outside their type")
                .expected(format_args!("{low} to {high}"), conv.weight_zero_point));
        }
        let products = weights.shape()[1..].iter().product::<usize>();
        if products > QuantizedConvParams::MAX_PRODUCTS {
            return Err(Error::unsupported("sums of bytes may leave 32 bits").expected(
                format_args!("at most {} weights in a filter", QuantizedConvParams::MAX_PRODUCTS),
                products,
            ));
        }
        // The builder let none pass that does not fit.
        let bias = bias.as_i64().unwrap_or_default().iter().map(|&bias| bias as i32).collect();
        Ok(Self {
            weights,
            weight_zero_point: conv.weight_zero_point,
            input_zero_point: conv.input_zero_point,
            bias,
            scale,
        })
    }

    pub(super) fn filters(&self) -> QuantizedConvParams<'_> {
        let weights = match self.weights.data() {
            Data::U8(weights) => QuantizedWeights::U8(weights, self.weight_zero_point as u8),
            Data::I8(weights) => QuantizedWeights::I8(weights, self.weight_zero_point as i8),
            _ => unreachable!("weights are bytes"),
        };
        let scale = self.scale.as_f32().unwrap_or_default();
        QuantizedConvParams { weights, x_zero_point: self.input_zero_point, bias: &self.bias, scale }
    }
}

impl Layout {
    /// The bytes that the constants take.
    pub(super) fn len(&self, isa: Isa, constants: &Constants) -> usize {
        match self {
            Self::Matrix(tile, k) => pointwise::packed_len_int8(isa, *tile, *k, constants.bias.len()),
            Self::Conv2d(tile, conv) => conv2d::packed_len_int8(isa, *tile, conv),
            Self::Depthwise(variant, conv) => depthwise::packed_len_int8(isa, *variant, conv, &constants.filters()),
        }
    }

    /// Writes them in the order that the kernel wants.
    pub(super) fn pack(&self, isa: Isa, constants: &Constants, packed: &mut [i8]) {
        let filters = &constants.filters();
        match self {
            Self::Matrix(tile, k) => pointwise::pack_int8(isa, *tile, *k, filters, packed),
            Self::Conv2d(tile, conv) => conv2d::pack_int8(isa, *tile, conv, filters, packed),
            Self::Depthwise(variant, conv) => depthwise::pack_int8(isa, *variant, conv, &constants.filters(), packed),
        }
    }
}
