use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use sepconv_kernels::pool::{self, PoolKind};

use super::infer::expect_axis;
use super::reference::each_pair;
use super::{Op, Pool};
use crate::{DType, Data, Error, Result, Shape, Tensor};

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
    #[cfg(feature = "int8")]
    pub(crate) fn is(&self, function: impl Fn(u8) -> u8) -> bool {
        (0..=u8::MAX).all(|q| self.get(q) == function(q))
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("output", &self.output).finish_non_exhaustive()
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
        if !result.is_empty() {
            let geometry = pool.geometry(x.shape(), out);
            let images = floats.chunks_exact(floats.len() / out[0]);
            let results = result.chunks_exact_mut(out.elements() / out[0]);
            images.zip(results).for_each(|(image, result)| pool::reference(&geometry, image, result));
        }
        Some(match x.dtype() {
            DType::I8 => Data::I8(result.into_iter().map(|q| q as i8).collect()),
            _ => Data::U8(result.into_iter().map(|q| q as u8).collect()),
        })
    }
}
