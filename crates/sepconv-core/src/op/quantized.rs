use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use sepconv_kernels::{
    AddResidual, Epilogue, Requantize, Term, Window,
    elementwise::Binary,
    pool::{self, PoolKind},
    quantized::Pair,
};

use super::infer::{check_groups, expect_axis, expect_shape, filters, nhwc, no_output};
use super::reference::{each_pair, image};
use super::{Op, Pool};
use crate::{DType, Data, Error, Result, Shape, Tensor, Value};

/// How integers stand for real numbers: `(q - zero_point) · scale`, for the whole tensor or for each index along an axis (TensorFlow
/// Lite's quantisation specification, ONNX QuantizeLinear).
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// The integers: `U8` or `I8`; `I64` for the wide ones of a bias.
    pub dtype: DType,
    /// One scale, or one for each index along `axis`.
    pub scale: Vec<f32>,
    /// As many integers that stand for zero.
    pub zero_point: Vec<i32>,
    /// The axis that several scales belong to.
    pub axis: usize,
}

impl Quantization {
    /// One scale and zero point for a whole tensor of bytes.
    pub fn per_tensor(dtype: DType, scale: f32, zero_point: i32) -> Self {
        Self { dtype, scale: vec![scale], zero_point: vec![zero_point], axis: 0 }
    }

    /// The scale and zero point of a whole tensor of unsigned bytes.
    pub(crate) fn whole_unsigned(&self) -> Option<(f32, u8)> {
        let (scale, zero_point) = self.whole().filter(|_| self.dtype == DType::U8)?;
        Some((scale, u8::try_from(zero_point).ok()?))
    }

    /// The scale and zero point of the whole tensor, where there is only one.
    pub fn whole(&self) -> Option<(f32, i32)> {
        match (&self.scale[..], &self.zero_point[..]) {
            (&[scale], &[zero_point]) => Some((scale, zero_point)),
            _ => None,
        }
    }

    /// The least and the greatest integer.
    pub fn range(&self) -> (i32, i32) {
        match self.dtype {
            DType::I8 => (i8::MIN.into(), i8::MAX.into()),
            _ => (u8::MIN.into(), u8::MAX.into()),
        }
    }

    /// Checks that scales are finite and not zero, zero points within the type, and that their number fits a tensor. Weights may
    /// have negative scales: batch normalisation that was folded into them leaves some.
    ///
    /// # Errors
    /// Malformed for numbers that make no sense or do not fit, a mismatch for an axis that the tensor has not.
    pub fn check(&self, shape: &Shape) -> Result<()> {
        if self.dtype == DType::F32 {
            return Err(Error::mismatch("integers of a quantisation are none").expected("u8, i8 or i64", self.dtype));
        }
        self.check_scales(|scale| scale != 0.0 && scale.is_finite(), "a finite number other than zero")?;
        let (low, high) = self.range();
        let outside = |zero: &&i32| self.dtype.is_byte() && !(low..=high).contains(zero);
        if let Some(zero) = self.zero_point.iter().find(outside) {
            return Err(Error::malformed("zero point of a quantisation is outside its type")
                .expected(format_args!("{low} to {high} ({})", self.dtype), zero));
        }
        let count = self.scale.len();
        if count == 1 && self.zero_point.len() == 1 {
            return Ok(());
        }
        expect_axis(self.axis, shape)?;
        if count != shape[self.axis] || self.zero_point.len() != count {
            return Err(Error::malformed("quantisation does not fit its tensor").expected(
                format_args!(
                    "one scale and zero point, or {} of each for axis {} of {shape}",
                    shape[self.axis], self.axis
                ),
                format_args!("{count} scales and {} zero points", self.zero_point.len()),
            ));
        }
        Ok(())
    }

    /// What is computed has positive scales: its bytes are ordered as the real numbers are.
    pub(super) fn check_positive(&self) -> Result<()> {
        self.check_scales(|scale| scale > 0.0, "a positive number")
    }

    fn check_scales(&self, valid: impl Fn(f32) -> bool, expected: &str) -> Result<()> {
        match self.scale.iter().find(|&&scale| !valid(scale)) {
            Some(scale) => Err(Error::malformed("scale of a quantisation makes no sense").expected(expected, scale)),
            None => Ok(()),
        }
    }

    /// How many neighbours in a tensor of this shape share a scale.
    pub(crate) fn inner(&self, shape: &Shape) -> usize {
        if self.scale.len() == 1 { 1 } else { shape[self.axis + 1..].iter().product::<usize>().max(1) }
    }

    /// The scale and zero point of each element from `first` on, where `inner` neighbours share them; without end.
    pub(crate) fn parameters(&self, inner: usize, first: usize) -> impl Iterator<Item = (f32, i32)> {
        (first..).map(move |i| {
            let channel = i / inner % self.scale.len();
            (self.scale[channel], self.zero_point[channel])
        })
    }

    /// The integer for `x`: `clamp(round(x / scale) + zero_point)`, halves to even; NaN gives the least.
    pub fn quantize(&self, x: f32, scale: f32, zero_point: i32) -> i32 {
        let (low, high) = self.range();
        let x = x / scale;
        let (low, high) = ((low - zero_point) as f32, (high - zero_point) as f32);
        let x = if x > low { x } else { low };
        libm::rintf(if x < high { x } else { high }) as i32 + zero_point
    }
}

impl fmt::Display for Quantization {
    /// `u8 0.0235 - 128`, `i8 x32`: the type, then the scale and zero point or how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole() {
            Some((scale, zero_point)) => write!(f, "{} {scale} zero {zero_point}", self.dtype),
            None => write!(f, "{} x{}", self.dtype, self.scale.len()),
        }
    }
}

/// See [`Op::Lookup`].
#[derive(Clone, PartialEq)]
pub struct Lookup {
    /// The result for each byte; the bits of signed ones count as unsigned, in and out.
    pub table: Arc<[u8; 256]>,
    /// `U8` or `I8`.
    pub output: DType,
}

impl Lookup {
    /// The table of a function.
    pub fn new(output: DType, function: impl Fn(u8) -> u8) -> Self {
        Self { table: Arc::new(core::array::from_fn(|q| function(q as u8))), output }
    }

    /// The result for a byte.
    pub fn get(&self, q: u8) -> u8 {
        self.table[usize::from(q)]
    }

    /// Whether the table is of that function.
    pub(crate) fn is(&self, function: impl Fn(u8) -> u8) -> bool {
        (0..=u8::MAX).all(|q| self.get(q) == function(q))
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("output", &self.output).finish_non_exhaustive()
    }
}

/// See [`Op::QConv2d`]: exact sums of `(x - x_zero)·(w - w_zero)`, then [`Requantize`].
#[derive(Clone, Debug, PartialEq)]
pub struct QConv2d {
    /// Taps, strides, dilation and padding.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// The byte of `x` that stands for zero; padding is made of it.
    pub x_zero: u8,
    /// The integer of the weights that stands for zero.
    pub w_zero: i32,
    /// What becomes of the sums.
    pub output: QOutput,
}

/// What an int8 layer makes of its sums.
#[derive(Clone, Debug, PartialEq)]
pub enum QOutput {
    /// The real numbers `sum · scale[o]`.
    Float,
    /// Bytes; see [`Epilogue`](sepconv_kernels::Epilogue).
    Bytes {
        /// How sums become bytes.
        requantize: Requantize,
        /// A function of each byte.
        table: Option<Lookup>,
        /// How the fifth operand is added.
        residual: Option<AddResidual>,
    },
}

/// See [`Op::QBinary`]. Sum and difference: `output(a(x) ± b(y))`; product: `output((x - a.zero_point)·(y - b.zero_point) · scale)` with the
/// rounded product of both scales.
#[derive(Clone, Debug, PartialEq)]
pub struct QBinary {
    /// `Add`, `Sub` or `Mul`.
    pub function: Binary,
    /// How bytes of the first operand count.
    pub a: Term,
    /// How bytes of the second operand count.
    pub b: Term,
    /// How the result becomes a byte.
    pub output: Requantize,
}

/// See [`Op::QAverage`]: `output(Σ (x - x_zero) · (scale / count))`, where the count is of taps inside the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct QAverage {
    /// Window and plane; its kind is an average.
    pub pool: Pool,
    /// The byte of `x` that stands for zero.
    pub x_zero: u8,
    /// Units of the result in a unit of `x`.
    pub scale: f32,
    /// How the mean becomes a byte.
    pub output: Requantize,
}

/// Products of two bytes that a sum of 32 bits has room for.
const PRODUCTS: usize = i32::MAX as usize / (255 * 255);

fn check_range(output: Requantize) -> Result<()> {
    if output.low <= output.high {
        return Ok(());
    }
    Err(Error::mismatch("range of bytes is empty").expected("low <= high", format_args!("{output:?}")))
}

impl QConv2d {
    /// Sums must fit 32 bits and parameters their types.
    pub(super) fn check(&self, inputs: &[&Value]) -> Result<()> {
        if !(-128..=255).contains(&self.w_zero) {
            return Err(Error::mismatch("zero point of the weights is no byte").expected("-128 to 255", self.w_zero));
        }
        let taps = inputs[1].shape.iter().skip(1).fold(1, |taps: usize, &size| taps.saturating_mul(size));
        if taps > PRODUCTS {
            return Err(Error::unsupported("sums of bytes may leave 32 bits")
                .expected(format_args!("at most {PRODUCTS} weights in a filter"), taps));
        }
        let room = i64::from(i32::MAX) - taps as i64 * (255 * 255);
        let bias = inputs[2].constant.as_deref().and_then(Tensor::as_i64).unwrap_or_default();
        if let Some(bias) = bias.iter().find(|bias| bias.unsigned_abs() > room.unsigned_abs()) {
            return Err(Error::unsupported("sums of bytes may leave 32 bits")
                .expected(format_args!("a bias of at most {room} beside {taps} products"), bias));
        }
        match &self.output {
            QOutput::Float => Ok(()),
            QOutput::Bytes { requantize, table, residual } => {
                check_range(*requantize)?;
                residual.map_or(Ok(()), |residual| check_range(residual.output))?;
                match table {
                    Some(lookup) if lookup.output != DType::U8 => {
                        Err(Error::mismatch("table after a layer has the wrong type").expected("u8", lookup.output))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// How many operands there are.
    pub(super) fn operands(&self) -> usize {
        if matches!(self.output, QOutput::Bytes { residual: Some(_), .. }) { 5 } else { 4 }
    }

    /// The type of the result.
    pub(super) fn dtype(&self) -> DType {
        match self.output {
            QOutput::Float => DType::F32,
            QOutput::Bytes { .. } => DType::U8,
        }
    }

    pub(super) fn infer(&self, shapes: &[&Shape]) -> Result<Shape> {
        let [n, h, w, c] = nhwc(shapes[0])?;
        let [o, kh, kw, per_group] = filters(shapes[1])?;
        check_groups(self.groups, c, o)?;
        let expected = [o, self.window.kernel[0], self.window.kernel[1], c / self.groups];
        if [o, kh, kw, per_group] != expected {
            return Err(Error::mismatch("weights do not match the input channels")
                .expected(format_args!("weights {expected:?}"), shapes[1]));
        }
        expect_shape("bias", shapes[2], &[o])?;
        expect_shape("scale", shapes[3], &[o])?;
        let plane = self.window.output([h, w]).ok_or_else(|| no_output(&self.window, [h, w]))?;
        let shape = Shape::new([n, plane[0], plane[1], o])?;
        match shapes.get(4) {
            Some(residual) => expect_shape("residual", residual, &shape).map(|()| shape),
            None => Ok(shape),
        }
    }

    /// The loops that define it: `(image, y, x, filter)` in order.
    fn evaluate(&self, inputs: &[&Tensor], out: &Shape) -> Option<Data> {
        let (x, bias, scale) = (inputs[0].as_u8()?, inputs[2].as_i64()?, inputs[3].as_f32()?);
        let weights: Vec<i32> = match inputs[1].data() {
            Data::U8(weights) => weights.iter().map(|&w| i32::from(w) - self.w_zero).collect(),
            Data::I8(weights) => weights.iter().map(|&w| i32::from(w) - self.w_zero).collect(),
            _ => return None,
        };
        let [h, w, c] = image(inputs[0].shape());
        let [_, oh, ow, o] = out[..] else { return None };
        let (per_group, filters) = (c / self.groups, o / self.groups);
        let [_, kw] = self.window.kernel;
        let sum = |i: usize| -> i32 {
            let (n, y, px, f) = (i / (oh * ow * o), i / (ow * o) % oh, i / o % ow, i % o);
            let mut sum = bias[f];
            for ky in self.window.taps(0, y, h) {
                for kx in self.window.taps(1, px, w) {
                    let (sy, sx) = (self.window.source(0, y, ky), self.window.source(1, px, kx));
                    let pixel = ((n * h + sy) * w + sx) * c + f / filters * per_group;
                    let filter = ((f * self.window.kernel[0] + ky) * kw + kx) * per_group;
                    let product = |i: usize| (i32::from(x[pixel + i]) - i32::from(self.x_zero)) * weights[filter + i];
                    sum = sum.wrapping_add((0..per_group).map(product).map(i64::from).sum());
                }
            }
            sum as i32
        };
        Some(match &self.output {
            QOutput::Float => Data::F32((0..out.elements()).map(|i| sum(i) as f32 * scale[i % o]).collect()),
            QOutput::Bytes { requantize, table, residual } => {
                let table = table.as_ref().map(|lookup| &*lookup.table);
                let epilogue = Epilogue { output: *requantize, table, residual: *residual };
                let other = inputs.get(4).and_then(|tensor| tensor.as_u8());
                let byte = |i: usize| epilogue.apply(sum(i), scale[i % o], other.map(|other| other[i]));
                Data::U8((0..out.elements()).map(byte).collect())
            }
        })
    }
}

impl QBinary {
    pub(super) fn check(&self) -> Result<()> {
        if !matches!(self.function, Binary::Add | Binary::Sub | Binary::Mul) {
            return Err(Error::unsupported("function of two bytes is not supported")
                .expected("Add, Sub or Mul", format_args!("{:?}", self.function)));
        }
        check_range(self.output)
    }

    /// The kernel's view of this operator.
    pub(crate) fn pair(&self) -> Pair {
        Pair { function: self.function, a: self.a, b: self.b, output: self.output }
    }
}

impl QAverage {
    pub(super) fn check(&self) -> Result<()> {
        let Window { kernel: [h, w], .. } = self.pool.window;
        let taps = h.saturating_mul(w);
        if taps > i32::MAX as usize / 255 {
            return Err(Error::unsupported("sums of bytes may leave 32 bits")
                .expected(format_args!("a window of at most {} taps", i32::MAX / 255), taps));
        }
        if self.pool.kind != (PoolKind::Average { count_padding: false }) {
            return Err(Error::unsupported("mean of bytes is of another kind")
                .expected("taps inside the plane", format_args!("{:?}", self.pool.kind)));
        }
        check_range(self.output)
    }

    /// The kernel's view of what becomes of sums.
    pub(crate) fn mean(&self) -> pool::Mean {
        pool::Mean { zero_point: self.x_zero, scale: self.scale, output: self.output }
    }

    fn evaluate(&self, x: &Tensor, out: &Shape) -> Option<Data> {
        let bytes = x.as_u8()?;
        let ([h, w, c], [_, oh, ow, _]) = (image(x.shape()), out[..].try_into().ok()?);
        let window = &self.pool.window;
        let byte = |i: usize| {
            let (n, y, px, channel) = (i / (oh * ow * c), i / (ow * c) % oh, i / c % ow, i % c);
            let (mut sum, mut count) = (0i32, 0usize);
            for ky in window.taps(0, y, h) {
                for kx in window.taps(1, px, w) {
                    let pixel = (n * h + window.source(0, y, ky)) * w + window.source(1, px, kx);
                    sum += i32::from(bytes[pixel * c + channel]);
                    count += 1;
                }
            }
            self.mean().apply(sum, count)
        };
        Some(Data::U8((0..out.elements()).map(byte).collect()))
    }
}

impl Op {
    /// What bytes take part in; `None` for every other operator.
    pub(super) fn on_bytes(&self, inputs: &[&Tensor], out: &Shape) -> Option<Data> {
        let x = inputs[0];
        match self {
            Self::Quantize(quantization) => {
                let pairs = x.as_f32()?.iter().zip(quantization.parameters(quantization.inner(out), 0));
                let integers = pairs.map(|(&x, (scale, zero))| quantization.quantize(x, scale, zero));
                Some(match quantization.dtype {
                    DType::I8 => Data::I8(integers.map(|q| q as i8).collect()),
                    _ => Data::U8(integers.map(|q| q as u8).collect()),
                })
            }
            Self::Dequantize(quantization) => {
                let real = |(q, (scale, zero)): (i64, (f32, i32))| q.wrapping_sub(zero.into()) as f32 * scale;
                let parameters = quantization.parameters(quantization.inner(out), 0);
                Some(Data::F32(match x.data() {
                    Data::U8(x) => x.iter().map(|&q| q.into()).zip(parameters).map(real).collect(),
                    Data::I8(x) => x.iter().map(|&q| q.into()).zip(parameters).map(real).collect(),
                    Data::I64(x) => x.iter().copied().zip(parameters).map(real).collect(),
                    Data::F32(_) => return None,
                }))
            }
            Self::Lookup(lookup) => {
                let bytes: Vec<u8> = match x.data() {
                    Data::U8(x) => x.iter().map(|&q| lookup.get(q)).collect(),
                    Data::I8(x) => x.iter().map(|&q| lookup.get(q as u8)).collect(),
                    _ => return None,
                };
                Some(match lookup.output {
                    DType::I8 => Data::I8(bytes.into_iter().map(|q| q as i8).collect()),
                    _ => Data::U8(bytes),
                })
            }
            Self::QConv2d(conv) => conv.evaluate(inputs, out),
            Self::QBinary(binary) => {
                let pair = binary.pair();
                let mut result = vec![0; out.elements()];
                let shapes = [x.shape(), inputs[1].shape()];
                let operands = [x.as_u8()?, inputs[1].as_u8()?];
                each_pair(&shapes, &operands, out, |i, x, y| result[i] = pair.apply(x, y));
                Some(Data::U8(result))
            }
            Self::QAverage(average) => average.evaluate(x, out),
            Self::Pool(Pool { kind: PoolKind::Max, .. }) if x.dtype().is_byte() => self.max_of_bytes(x, out),
            _ => None,
        }
    }

    /// The greatest byte under each window: floats hold bytes exactly.
    fn max_of_bytes(&self, x: &Tensor, out: &Shape) -> Option<Data> {
        let Self::Pool(pool) = self else { return None };
        let floats: Vec<f32> = match x.data() {
            Data::U8(x) => x.iter().map(|&q| q.into()).collect(),
            Data::I8(x) => x.iter().map(|&q| q.into()).collect(),
            _ => return None,
        };
        let mut result = vec![0.0; out.elements()];
        let geometry = pool.geometry(x.shape(), out);
        let images = floats.chunks_exact(floats.len() / out[0]).zip(result.chunks_exact_mut(out.elements() / out[0]));
        images.for_each(|(image, result)| pool::reference(&geometry, image, result));
        Some(match x.dtype() {
            DType::I8 => Data::I8(result.into_iter().map(|q| q as i8).collect()),
            _ => Data::U8(result.into_iter().map(|q| q as u8).collect()),
        })
    }
}
