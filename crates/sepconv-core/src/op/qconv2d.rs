use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::{AddResidual, Epilogue, QuantizedConvParams, Requantize, Window};

use super::check::{expect_dtype, expect_shape, image, padded};
use super::conv_kind::ConvKind;
use super::conv2d::{macs_of_conv, output_shape};
use super::names::{ConvName, Groups, WindowName};
#[cfg(feature = "int8")]
use super::{Convolution, QuantizedConv};
use super::{Cost, Lut, Op, Operator};
use crate::{DType, Data, Error, Result, Shape, Tensor, Value};

/// Convolution of u8 `x[n,h,w,c]` with `weights[o,kh,kw,c/groups]` of u8 or i8, `bias[o]` in units of the accumulators
/// (i64), the units of the result in a unit of the accumulators as `scale[o]`, and optionally a u8
/// `residual[n,oh,ow,o]`: exact int32 accumulators of `(x - input_zero_point)·(w - weight_zero_point)`, then
/// [`Requantize`].
#[derive(Clone, Debug, PartialEq)]
pub struct QConv2d {
    /// Taps, strides, dilation and padding.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// The value of `x` that represents zero; padding consists of it.
    pub input_zero_point: u8,
    /// The value of the weights that represents zero.
    pub weight_zero_point: i32,
    /// How accumulators become results.
    pub output: QConvOutput,
}

/// How an int8 convolution turns accumulators into results.
#[derive(Clone, Debug, PartialEq)]
pub enum QConvOutput {
    /// The real numbers `accumulator · scale[o]`.
    F32,
    /// 8-bit integers; see [`Epilogue`].
    U8 {
        /// How accumulators become u8.
        requantize: Requantize,
        /// A function of each result.
        lut: Option<Lut>,
        /// How the fifth operand is added.
        residual: Option<AddResidual>,
    },
}

impl Operator for QConv2d {
    fn name(&self) -> &'static str {
        "qconv2d"
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, groups, output, .. } = self;
        write!(f, "{} {}{}{}", self.name(), WindowName(*window), Groups(*groups), output)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        let operands = if matches!(self.output, QConvOutput::U8 { residual: Some(_), .. }) { 5 } else { 4 };
        operands..=operands
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let expected: [&[DType]; 5] =
            [&[DType::U8], &[DType::U8, DType::I8], &[DType::I64], &[DType::F32], &[DType::U8]];
        inputs.iter().zip(expected).try_for_each(|(value, expected)| expect_dtype(value, expected))?;
        self.check(inputs)?;
        let shapes: Vec<&Shape> = inputs.iter().map(|value| &value.shape).collect();
        let shape = output_shape(&self.window, self.groups, &shapes)?;
        expect_shape("scale", shapes[3], &[shape.last()])?;
        if let Some(residual) = shapes.get(4) {
            expect_shape("residual", residual, &shape)?;
        }
        let dtype = match self.output {
            QConvOutput::F32 => DType::F32,
            QConvOutput::U8 { .. } => DType::U8,
        };
        Ok((shape, dtype))
    }

    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost {
        Cost { macs: macs_of_conv(&inputs[1].shape, output), ..Cost::ONE_PASS }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        padded(&self.window, &inputs[0].shape)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let operands = || Some((inputs[0].as_u8()?, inputs[2].as_i64()?, inputs[3].as_f32()?));
        let wrong = || Error::unsupported("operand has the wrong dtype").expected("u8, u8 or i8, i64, f32", "another");
        let (x, bias, scale) = operands().ok_or_else(wrong)?;
        let centered = |w: i32| w - self.weight_zero_point;
        let weights: Vec<i32> = match inputs[1].data() {
            Data::U8(weights) => weights.iter().map(|&w| centered(w.into())).collect(),
            Data::I8(weights) => weights.iter().map(|&w| centered(w.into())).collect(),
            Data::F32(_) | Data::I64(_) => return Err(wrong()),
        };
        let accumulator = self.accumulators(inputs[0].shape(), x, &weights, bias, output);
        let o = output.last();
        match &self.output {
            QConvOutput::F32 => {
                let dequantized = (0..output.elements()).map(|i| accumulator(i) as f32 * scale[i % o]);
                Tensor::f32(output.to_vec(), dequantized.collect::<Vec<_>>())
            }
            QConvOutput::U8 { requantize, lut, residual } => {
                let lut = lut.as_ref().map(|lut| &*lut.table);
                let epilogue = Epilogue { output: *requantize, lut, residual: *residual };
                let other = inputs.get(4).and_then(|tensor| tensor.as_u8());
                let result = |i: usize| epilogue.apply(accumulator(i), scale[i % o], other.map(|other| other[i]));
                Tensor::u8(output.to_vec(), (0..output.elements()).map(result).collect::<Vec<_>>())
            }
        }
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, i: usize, _: &Value) -> bool {
        i == 1 || i == 2
    }

    fn describe_layer(&self, f: &mut fmt::Formatter<'_>, channels: usize) -> fmt::Result {
        write!(f, "{} u8{}", ConvName(self.kind(channels), self.window, self.groups), self.output)
    }

    /// A layer with an f32 result belongs to no block.
    fn conv_kind(&self, channels: usize) -> Option<ConvKind> {
        match self.output {
            QConvOutput::F32 => None,
            QConvOutput::U8 { .. } => Some(self.kind(channels)),
        }
    }

    #[cfg(feature = "int8")]
    fn as_convolution(&self) -> Option<Convolution<'_>> {
        self.quantized().map(Convolution::Int8)
    }
}

impl QConv2d {
    /// The kind of this convolution on `channels` input channels; see [`Conv2d::kind`](super::Conv2d::kind).
    pub fn kind(&self, channels: usize) -> ConvKind {
        ConvKind::new(&self.window, self.groups, channels)
    }

    /// This convolution with its u8 result; `None` where the result is f32.
    #[cfg(feature = "int8")]
    pub(crate) fn quantized(&self) -> Option<QuantizedConv<'_>> {
        match &self.output {
            QConvOutput::F32 => None,
            QConvOutput::U8 { requantize, lut, residual } => {
                Some(QuantizedConv { conv: self, requantize: *requantize, lut: lut.as_ref(), residual: *residual })
            }
        }
    }

    /// Checks that accumulators fit 32 bits and parameters their dtypes.
    fn check(&self, inputs: &[&Value]) -> Result<()> {
        if !(-128..=255).contains(&self.weight_zero_point) {
            return Err(Error::mismatch("zero point of the weights is outside their dtype")
                .expected("-128 to 255", self.weight_zero_point));
        }
        let overflow = || Error::unsupported("the int32 accumulator may overflow");
        let taps = inputs[1].shape.iter().skip(1).fold(1, |taps: usize, &size| taps.saturating_mul(size));
        if taps > QuantizedConvParams::MAX_PRODUCTS {
            return Err(overflow()
                .expected(format_args!("at most {} weights in a filter", QuantizedConvParams::MAX_PRODUCTS), taps));
        }
        let room = i64::from(i32::MAX) - taps as i64 * (255 * 255);
        let bias = inputs[2].constant.as_deref().and_then(Tensor::as_i64).unwrap_or_default();
        if let Some(bias) = bias.iter().find(|bias| bias.unsigned_abs() > room.unsigned_abs()) {
            return Err(overflow().expected(format_args!("a bias of at most {room} beside {taps} products"), bias));
        }
        match &self.output {
            QConvOutput::F32 => Ok(()),
            QConvOutput::U8 { requantize, lut, residual } => {
                check_clamp(*requantize)?;
                residual.map_or(Ok(()), |residual| check_clamp(residual.output))?;
                match lut {
                    Some(lut) if lut.output != DType::U8 => {
                        Err(Error::mismatch("table after a layer has the wrong dtype").expected("u8", lut.output))
                    }
                    Some(_) | None => Ok(()),
                }
            }
        }
    }

    /// The loops that define the accumulators: `(image, y, x, filter)` in order, each by its index in the result.
    /// `weights` are centered.
    fn accumulators<'a>(
        &'a self,
        shape: &Shape,
        x: &'a [u8],
        weights: &'a [i32],
        bias: &'a [i64],
        output: &Shape,
    ) -> impl Fn(usize) -> i32 + 'a {
        let ([h, w, c], [oh, ow, o]) = (image(shape), image(output));
        let (per_group, filters) = (c / self.groups, o / self.groups);
        let [kh, kw] = self.window.kernel;
        move |i| {
            let (n, y, px, f) = (i / (oh * ow * o), i / (ow * o) % oh, i / o % ow, i % o);
            let mut sum = bias[f];
            for ky in self.window.taps(0, y, h) {
                for kx in self.window.taps(1, px, w) {
                    let (sy, sx) = (self.window.source(0, y, ky), self.window.source(1, px, kx));
                    let pixel = ((n * h + sy) * w + sx) * c + f / filters * per_group;
                    let filter = ((f * kh + ky) * kw + kx) * per_group;
                    let centered = |i: usize| i32::from(x[pixel + i]) - i32::from(self.input_zero_point);
                    let product = |i: usize| i64::from(centered(i) * weights[filter + i]);
                    sum = sum.wrapping_add((0..per_group).map(product).sum());
                }
            }
            sum as i32
        }
    }
}

impl fmt::Display for QConvOutput {
    /// The steps between accumulator and store: ` lut +residual`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str(" to f32"),
            Self::U8 { lut, residual, .. } => {
                f.write_str(if lut.is_some() { " lut" } else { "" })?;
                f.write_str(if residual.is_some() { " +residual" } else { "" })
            }
        }
    }
}

/// Checks that a clamp leaves something.
pub(super) fn check_clamp(output: Requantize) -> Result<()> {
    if output.low <= output.high {
        return Ok(());
    }
    Err(Error::mismatch("clamp of a requantization is empty").expected("low <= high", format_args!("{output:?}")))
}
