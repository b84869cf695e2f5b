use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::{Activation, Filters, Window, elementwise::Binary};

use super::{Clips, Coded, Coding, scale};
use crate::passes::{fold::Affine, rewrite::Rewriter};
use crate::{
    Data, Node, Op, Result, Shape, Tensor, ValueId,
    op::{QConv2d, QOutput},
};

/// A convolution or fully connected layer whose input and weights are bytes: in real numbers it computes `unit[o] · (sum[o] + bias[o])`.
struct Sums {
    name: String,
    x: Coded,
    /// Bytes, `[o,kh,kw,c/groups]` or `[n,k]`.
    weights: ValueId,
    w_zero: i32,
    /// Products in a sum.
    taps: usize,
    window: Window,
    groups: usize,
    /// Applied to the real numbers.
    activation: Activation,
    unit: Vec<f64>,
    /// Not rounded yet, as more may be added.
    bias: Vec<f64>,
    /// The result's shape, where the layer is fully connected.
    flat: Option<Shape>,
}

/// How many functions of each channel after a layer join it: a batch normalisation, or a product and a sum.
const AFFINES: usize = 4;

/// A layer and what follows it up to a quantisation: functions of each channel, then clips.
pub(super) fn bytes(
    rewriter: &mut Rewriter,
    mut x: ValueId,
    coding: Coding,
    mut clips: Clips,
) -> Result<Option<ValueId>> {
    let mut affines: Vec<Affine> = vec![];
    // Clips come after everything else.
    let mut takes = |activation, last| activation == Activation::Identity || last && clips.push(activation);
    let mut sums = loop {
        let Some(node) = rewriter.sole_producer(x) else { return Ok(None) };
        if let Some(sums) = Sums::of(rewriter, node) {
            break sums;
        }
        let Some(affine) = Affine::of(rewriter, node) else { return Ok(None) };
        if affines.len() == AFFINES || !takes(affine.activation, affines.is_empty()) {
            return Ok(None);
        }
        x = affine.x;
        affines.push(affine);
    };
    if !takes(sums.activation, affines.is_empty()) {
        return Ok(None);
    }
    affines.iter().rev().for_each(|affine| sums.then(affine));
    let step = f64::from(coding.scale);
    // A bias may be rounded by no more than what rounding the result changes anyway.
    let within = |o: usize, error: f64| (error * sums.unit[o] / step).abs() <= 0.5;
    let (Some(scale), Some(bias)) = (sums.scale(step), sums.bias(within)) else { return Ok(None) };
    let output = QOutput::Bytes { requantize: clips.requantize(coding), table: None, residual: None };
    sums.build(rewriter, scale, bias, output).map(Some)
}

/// A layer whose result is wanted in real numbers.
pub(super) fn reals(rewriter: &mut Rewriter, node: &Node) -> Result<Option<ValueId>> {
    let Some(mut sums) = Sums::of(rewriter, node) else { return Ok(None) };
    let Some(scale) = sums.scale(1.0) else { return Ok(None) };
    // A bias that is not whole is added to the real numbers instead.
    const WHOLE: f64 = 1.0 / 1024.0;
    let (whole, bias) = match sums.bias(|_, error| error.abs() <= WHOLE) {
        Some(whole) => (whole, None),
        None => {
            let bias = sums.bias.iter_mut().zip(&sums.unit).map(|(bias, unit)| (core::mem::take(bias) * unit) as f32);
            let bias: Vec<f32> = bias.collect();
            let Some(none) = sums.bias(|_, _| true) else { return Ok(None) };
            (none, Some(bias))
        }
    };
    let activation = sums.activation;
    let result = sums.build(rewriter, scale, whole, QOutput::Float)?;
    match (bias, activation) {
        (Some(bias), activation) => {
            let bias = rewriter.constant(&node.name, &[bias.len()], bias)?;
            let op = Op::Binary { function: Binary::Add, activation };
            rewriter.builder.node(&node.name, op, &[result, bias]).map(Some)
        }
        (None, Activation::Identity) => Ok(Some(result)),
        (None, activation) => rewriter.builder.node(&node.name, Op::activation(activation), &[result]).map(Some),
    }
}

impl Sums {
    /// `None` where `node` is no such layer, or the weights of different filters have different zero points.
    fn of(rewriter: &Rewriter, node: &Node) -> Option<Self> {
        let (window, groups, activation) = match &node.op {
            Op::Conv2d(conv) => (conv.window, conv.groups, conv.activation),
            Op::Dense { activation } => (Window::new(1, 1), 1, *activation),
            _ => return None,
        };
        let &[x, w, b] = &node.inputs[..] else { return None };
        let coded = Coded::behind(rewriter, x)?;
        let Node { op: Op::Dequantize(quantization), inputs, .. } = rewriter.producer(w)? else { return None };
        let weights = inputs[0];
        let (constant, shape) = (rewriter.builder.constant_of(weights)?, rewriter.builder.shape(weights));
        let per_filter = quantization.whole().is_some() || quantization.axis == 0;
        let &w_zero = quantization.zero_point.first()?;
        let same_zero = quantization.zero_point.iter().all(|&zero| zero == w_zero);
        let taps = shape[1..].iter().product();
        if !constant.dtype().is_byte() || !per_filter || !same_zero || taps > Filters::MOST_PRODUCTS {
            return None;
        }
        let w_scale = |o: usize| f64::from(quantization.scale[o % quantization.scale.len()]);
        let unit: Vec<f64> = (0..shape[0]).map(|o| f64::from(coded.coding.scale) * w_scale(o)).collect();
        let flat = match &node.op {
            Op::Dense { .. } => {
                let x = rewriter.builder.shape(x);
                Some(Shape::new([&x[..x.len() - 1], &[shape[0]]].concat()).ok().filter(|flat| flat.elements() > 0)?)
            }
            _ => None,
        };
        let bias = bias(rewriter, b, &unit)?;
        Some(Self {
            name: node.name.clone(),
            x: coded,
            weights,
            w_zero,
            taps,
            window,
            groups,
            activation,
            unit,
            bias,
            flat,
        })
    }

    /// Has a function of each channel follow.
    fn then(&mut self, affine: &Affine) {
        for (o, (unit, bias)) in self.unit.iter_mut().zip(&mut self.bias).enumerate() {
            *unit *= affine.scale[o];
            *bias += affine.shift[o] / *unit;
        }
    }

    /// Steps of a result in a unit of each sum.
    fn scale(&self, step: f64) -> Option<Vec<f32>> {
        self.unit.iter().map(|unit| scale(unit / step)).collect()
    }

    /// The bias in whole units, where its rounding is `within` bounds and no sum can leave 32 bits.
    fn bias(&self, within: impl Fn(usize, f64) -> bool) -> Option<Vec<i64>> {
        const PRODUCT: f64 = 255.0 * 255.0;
        let most = f64::from(i32::MAX) - PRODUCT * self.taps as f64;
        let round = |(o, &bias): (usize, &f64)| {
            let rounded = libm::rint(bias);
            (rounded.abs() <= most && within(o, bias - rounded)).then_some(rounded as i64)
        };
        self.bias.iter().enumerate().map(round).collect()
    }

    fn build(self, rewriter: &mut Rewriter, scale: Vec<f32>, bias: Vec<i64>, output: QOutput) -> Result<ValueId> {
        let (mut x, mut weights) = (self.x.id, self.weights);
        let filters = bias.len();
        if self.flat.is_some() {
            // Rows of a matrix are rows of pixels.
            let [m, k] = [rewriter.builder.shape(x).elements() / self.taps, self.taps];
            x = rewriter.reshape(&self.name, x, Shape::new([1, m, 1, k])?)?;
            weights = rewriter.reshape(&self.name, weights, Shape::new([filters, 1, 1, k])?)?;
        }
        let bias = rewriter.builder.constant(&self.name, Tensor::i64([filters], bias)?)?;
        let scale = rewriter.constant(&self.name, &[filters], scale)?;
        let Self { window, groups, w_zero, .. } = self;
        let op = Op::QConv2d(QConv2d { window, groups, x_zero: self.x.coding.zero_point, w_zero, output });
        let result = rewriter.builder.node(&self.name, op, &[x, weights, bias, scale])?;
        match self.flat {
            Some(flat) => rewriter.reshape(&self.name, result, flat),
            None => Ok(result),
        }
    }
}

/// A bias in units of the sums: the integers of the file where these are in the same units, scales being rounded.
fn bias(rewriter: &Rewriter, id: ValueId, unit: &[f64]) -> Option<Vec<f64>> {
    const ROUNDED: f64 = 1.0 / (1 << 20) as f64;
    if let Some(reals) = rewriter.floats(id) {
        return Some(reals.iter().zip(unit).map(|(&real, unit)| f64::from(real) / unit).collect());
    }
    let Node { op: Op::Dequantize(quantization), inputs, .. } = rewriter.producer(id)? else { return None };
    let integers: Vec<i64> = match rewriter.builder.constant_of(inputs[0])?.data() {
        Data::I64(data) => data.clone(),
        Data::I8(data) => data.iter().map(|&q| q.into()).collect(),
        Data::U8(data) => data.iter().map(|&q| q.into()).collect(),
        Data::F32(_) => return None,
    };
    let in_units = |(o, &q): (usize, &i64)| {
        let o_or_all = o % quantization.scale.len();
        let ratio = f64::from(quantization.scale[o_or_all]) / unit[o];
        let integer = q.wrapping_sub(quantization.zero_point[o_or_all].into()) as f64;
        if (ratio - 1.0).abs() <= ROUNDED { integer } else { integer * ratio }
    };
    Some(integers.iter().enumerate().map(in_units).collect())
}
