use alloc::vec::Vec;

use sepconv_kernels::{
    AddResidual, Epilogue, Filters, Requantize, Term, Window,
    elementwise::Binary,
    pool::{self, PoolKind},
    quantized::Pair,
};

use super::infer::{convolved, expect_shape};
use super::reference::image;
use super::{Lookup, Pool};
use crate::{DType, Data, Error, Result, Shape, Tensor, Value};

/// See [`Op::QConv2d`](super::Op::QConv2d): exact sums of `(x - x_zero)·(w - w_zero)`, then [`Requantize`].
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

/// See [`Op::QBinary`](super::Op::QBinary). Sum and difference: `output(a(x) ± b(y))`; product:
/// `output((x - a.zero_point)·(y - b.zero_point) · scale)` with the rounded product of both scales.
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

/// See [`Op::QAverage`](super::Op::QAverage): `output(Σ (x - x_zero) · (scale / count))`, where the count is of taps inside the plane.
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
        if taps > Filters::MOST_PRODUCTS {
            return Err(Error::unsupported("sums of bytes may leave 32 bits")
                .expected(format_args!("at most {} weights in a filter", Filters::MOST_PRODUCTS), taps));
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
        let shape = convolved(&self.window, self.groups, shapes)?;
        expect_shape("scale", shapes[3], &[shape.last()])?;
        match shapes.get(4) {
            Some(residual) => expect_shape("residual", residual, &shape).map(|()| shape),
            None => Ok(shape),
        }
    }

    /// The loops that define it: `(image, y, x, filter)` in order.
    pub(super) fn evaluate(&self, inputs: &[&Tensor], out: &Shape) -> Option<Data> {
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

    pub(super) fn evaluate(&self, x: &Tensor, out: &Shape) -> Option<Data> {
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
