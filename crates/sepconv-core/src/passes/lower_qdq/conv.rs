use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::QuantizedConvParams;

use super::{FusedClamps, QuantizedValue, U8Params, kernel_scale};
use crate::op::{Activation, Binary, BinaryFunction, Dense, Dequantize, QConv2d, QConvOutput, Window};
use crate::passes::fold::ChannelAffine;
use crate::{Data, Node, Op, Result, Rewriter, Shape, Tensor, ValueId};

/// A convolution or fully connected layer with quantized input and weights: it computes `unit[o] · (accumulator[o] +
/// bias[o])`.
struct QuantizedLinear {
    name: String,
    x: QuantizedValue,
    /// u8 or i8, `[o,kh,kw,c/groups]` or `[n,k]`.
    weights: ValueId,
    weight_zero_point: i32,
    /// Products in an accumulator.
    taps: usize,
    window: Window,
    groups: usize,
    /// Applied to the real numbers.
    activation: Activation,
    /// The real number that 1 in each accumulator represents.
    unit: Vec<f64>,
    /// Not rounded yet, as more may be added.
    bias: Vec<f64>,
    /// The result's shape, where the layer is fully connected.
    flat: Option<Shape>,
}

/// How many functions of each channel after a layer join it: a batch normalization, or a product and a sum.
const AFFINES: usize = 4;

/// A layer and the operators up to its quantization: functions of each channel, then clamps.
pub(super) fn quantized(
    rewriter: &mut Rewriter<'_>,
    mut x: ValueId,
    params: U8Params,
    mut clamps: FusedClamps,
) -> Result<Option<ValueId>> {
    let mut affines: Vec<ChannelAffine> = vec![];
    // Only the last function may clamp.
    let mut takes = |activation, last| activation == Activation::Identity || last && clamps.push(activation);
    let mut layer = loop {
        let Some(node) = rewriter.sole_producer(x) else { return Ok(None) };
        if let Some(layer) = QuantizedLinear::of(rewriter, node) {
            break layer;
        }
        let Some(affine) = ChannelAffine::of(rewriter, node) else { return Ok(None) };
        if affines.len() == AFFINES || !takes(affine.activation, affines.is_empty()) {
            return Ok(None);
        }
        x = affine.x;
        affines.push(affine);
    };
    if !takes(layer.activation, affines.is_empty()) {
        return Ok(None);
    }
    affines.iter().rev().for_each(|affine| layer.then(affine));
    let step = f64::from(params.scale);
    // Rounding the bias may change the result by no more than rounding the result does.
    let within = |o: usize, error: f64| (error * layer.unit[o] / step).abs() <= 0.5;
    let (Some(scale), Some(bias)) = (layer.scale(step), layer.bias(within)) else { return Ok(None) };
    let output = QConvOutput::U8 { requantize: clamps.requantize(params), lut: None, residual: None };
    layer.build(rewriter, scale, bias, output).map(Some)
}

/// A layer whose result is read in f32.
pub(super) fn with_f32_result(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<ValueId>> {
    let Some(mut layer) = QuantizedLinear::of(rewriter, node) else { return Ok(None) };
    let Some(scale) = layer.scale(1.0) else { return Ok(None) };
    // A bias that is not a whole number of units is added in f32 instead.
    const WHOLE: f64 = 1.0 / 1024.0;
    let (whole, bias) = match layer.bias(|_, error| error.abs() <= WHOLE) {
        Some(whole) => (whole, None),
        None => {
            let bias = layer.bias.iter_mut().zip(&layer.unit).map(|(bias, unit)| (core::mem::take(bias) * unit) as f32);
            let bias: Vec<f32> = bias.collect();
            let Some(none) = layer.bias(|_, _| true) else { return Ok(None) };
            (none, Some(bias))
        }
    };
    let activation = layer.activation;
    let result = layer.build(rewriter, scale, whole, QConvOutput::F32)?;
    match (bias, activation) {
        (Some(bias), activation) => {
            let bias = rewriter.add_f32(&node.name, &[bias.len()], bias)?;
            let op = Binary { function: BinaryFunction::Add, activation };
            rewriter.builder.node(&node.name, op, &[result, bias]).map(Some)
        }
        (None, Activation::Identity) => Ok(Some(result)),
        (None, activation) => rewriter.builder.node(&node.name, activation, &[result]).map(Some),
    }
}

impl QuantizedLinear {
    /// `None` where `node` is no such layer, or the weights of different filters have different zero points.
    fn of(rewriter: &Rewriter<'_>, node: &Node) -> Option<Self> {
        let (window, groups, activation) = match &node.op {
            Op::Conv2d(conv) => (conv.window, conv.groups, conv.activation),
            Op::Dense(Dense { activation }) => (Window::new(1, 1), 1, *activation),
            _ => return None,
        };
        let &[x, w, b] = &node.inputs[..] else { return None };
        let quantized = QuantizedValue::before(rewriter, x)?;
        let Node { op: Op::Dequantize(Dequantize(params)), inputs, .. } = rewriter.producer(w)? else { return None };
        let weights = inputs[0];
        let (constant, shape) = (rewriter.builder.constant_of(weights)?, rewriter.builder.shape(weights));
        let per_filter = params.as_per_tensor().is_some() || params.axis == 0;
        let &weight_zero_point = params.zero_point.first()?;
        let same_zero = params.zero_point.iter().all(|&zero| zero == weight_zero_point);
        let taps = shape[1..].iter().product();
        if !constant.dtype().is_int8() || !per_filter || !same_zero || taps > QuantizedConvParams::MAX_PRODUCTS {
            return None;
        }
        let w_scale = |o: usize| f64::from(params.scale[o % params.scale.len()]);
        let unit: Vec<f64> = (0..shape[0]).map(|o| f64::from(quantized.params.scale) * w_scale(o)).collect();
        let flat = match &node.op {
            Op::Dense(_) => {
                let x = rewriter.builder.shape(x);
                Some(Shape::new([&x[..x.len() - 1], &[shape[0]]].concat()).ok().filter(|flat| flat.elements() > 0)?)
            }
            _ => None,
        };
        let bias = bias(rewriter, b, &unit)?;
        Some(Self {
            name: node.name.clone(),
            x: quantized,
            weights,
            weight_zero_point,
            taps,
            window,
            groups,
            activation,
            unit,
            bias,
            flat,
        })
    }

    /// Appends a function of each channel.
    fn then(&mut self, affine: &ChannelAffine) {
        for (o, (unit, bias)) in self.unit.iter_mut().zip(&mut self.bias).enumerate() {
            *unit *= affine.scale[o];
            *bias += affine.shift[o] / *unit;
        }
    }

    /// Steps of the result in a unit of each accumulator.
    fn scale(&self, step: f64) -> Option<Vec<f32>> {
        self.unit.iter().map(|unit| kernel_scale(unit / step)).collect()
    }

    /// The bias in whole units, where its rounding is `within` bounds and no accumulator can overflow 32 bits.
    fn bias(&self, within: impl Fn(usize, f64) -> bool) -> Option<Vec<i64>> {
        const PRODUCT: f64 = 255.0 * 255.0;
        let most = f64::from(i32::MAX) - PRODUCT * self.taps as f64;
        let round = |(o, &bias): (usize, &f64)| {
            let rounded = libm::rint(bias);
            (rounded.abs() <= most && within(o, bias - rounded)).then_some(rounded as i64)
        };
        self.bias.iter().enumerate().map(round).collect()
    }

    fn build(
        self,
        rewriter: &mut Rewriter<'_>,
        scale: Vec<f32>,
        bias: Vec<i64>,
        output: QConvOutput,
    ) -> Result<ValueId> {
        let (mut x, mut weights) = (self.x.id, self.weights);
        let filters = bias.len();
        if self.flat.is_some() {
            // Rows of a matrix are rows of pixels.
            let [m, k] = [rewriter.builder.shape(x).elements() / self.taps, self.taps];
            x = rewriter.reshape(&self.name, x, Shape::new([1, m, 1, k])?)?;
            weights = rewriter.reshape(&self.name, weights, Shape::new([filters, 1, 1, k])?)?;
        }
        let bias = rewriter.builder.constant(&self.name, Tensor::i64([filters], bias)?)?;
        let scale = rewriter.add_f32(&self.name, &[filters], scale)?;
        let Self { window, groups, weight_zero_point, .. } = self;
        let op = QConv2d { window, groups, input_zero_point: self.x.params.zero_point, weight_zero_point, output };
        let result = rewriter.builder.node(&self.name, op, &[x, weights, bias, scale])?;
        match self.flat {
            Some(flat) => rewriter.reshape(&self.name, result, flat),
            None => Ok(result),
        }
    }
}

/// A bias in units of the accumulators: the integers of the file where these have the same units, as scales are
/// rounded.
fn bias(rewriter: &Rewriter<'_>, id: ValueId, unit: &[f64]) -> Option<Vec<f64>> {
    const ROUNDED: f64 = 1.0 / (1 << 20) as f64;
    if let Some(dequantized) = rewriter.f32_constant(id) {
        return Some(dequantized.iter().zip(unit).map(|(&real, unit)| f64::from(real) / unit).collect());
    }
    let Node { op: Op::Dequantize(Dequantize(params)), inputs, .. } = rewriter.producer(id)? else { return None };
    let integers: Vec<i64> = match rewriter.builder.constant_of(inputs[0])?.data() {
        Data::I64(data) => data.clone(),
        Data::I8(data) => data.iter().map(|&q| q.into()).collect(),
        Data::U8(data) => data.iter().map(|&q| q.into()).collect(),
        Data::F32(_) => return None,
    };
    let in_units = |(o, &q): (usize, &i64)| {
        let o_or_all = o % params.scale.len();
        let ratio = f64::from(params.scale[o_or_all]) / unit[o];
        let integer = q.wrapping_sub(params.zero_point[o_or_all].into()) as f64;
        if (ratio - 1.0).abs() <= ROUNDED { integer } else { integer * ratio }
    };
    Some(integers.iter().enumerate().map(in_units).collect())
}
