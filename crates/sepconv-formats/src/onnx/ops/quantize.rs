//! Quantization: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear and casts.

use sepconv_core::op::{BinaryFunction, Dequantize, QuantParams, Quantize, Reduce, UnaryFunction};
use sepconv_core::{DType, Data, Error, Result, Shape, Tensor, ValueId};
use sepconv_kernels::reduce::Reduction;

use super::constant::{bytes, numbers};
use crate::dims;
use crate::element::ElementType;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;
use crate::onnx::tensor::element;
use crate::wide::WideQuantization;

/// The type of the result is that of the zero point; without one an attribute may name it.
pub(super) fn quantize_linear(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    node.attributes.ignore(&["saturate", "precision"]);
    let named = match node.attributes.int_or("output_dtype", 0)? {
        0 => ElementType::U8,
        code => element(i32::try_from(code).unwrap_or(0))?,
    };
    let (dtype, to) = match node.optional(2) {
        Some(zero) => (node.dtype(zero), node.element(2).unwrap_or(node.dtype(zero).into())),
        None => (named.dtype(), named),
    };
    let axis = axis(node)?;
    let scheme = Scheme::read(node, dtype, x, [1, 2], axis)?;
    scheme.quantize_to(node, x, to)
}

/// Integers of 8 bits, wider ones that are known (the sums of a bias), and wider ones of one scale.
pub(super) fn dequantize_linear(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    node.attributes.ignore(&["output_dtype"]);
    let dtype = node.dtype(x);
    if dtype == DType::F32 {
        return Err(Error::mismatch("only integers are dequantized").expected("an integer type", dtype));
    }
    let axis = axis(node)?;
    let scheme = Scheme::read(node, dtype, x, [1, 2], axis)?;
    if dtype.is_int8() || node.constant_of(x).is_some() {
        return scheme.dequantize(node, x);
    }
    // Dequantizing is the same for every width.
    match scheme.wide(ElementType::I32)? {
        Some(wide) => node.dequantize_wide(wide, x),
        None => Err(Error::unsupported("computed integers of more than 8 bits have several scales, or an unknown one")
            .expected("one known scale", "another")),
    }
}

/// Bytes from 0 to 255 for the range of the operand and zero, with the scale and zero point that were found as further
/// outputs.
pub(super) fn dynamic_quantize_linear(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let axes: Vec<usize> = (0..node.rank(x)).collect();
    let end = |node: &mut Node<'_>, reduction, function| {
        let end = node.emit(Reduce { reduction, axes: axes.clone(), keep_dims: false }, &[x])?;
        let zero = node.scalar(0.0)?;
        node.binary(function, end, zero)
    };
    let low = end(node, Reduction::Min, BinaryFunction::Min)?;
    let high = end(node, Reduction::Max, BinaryFunction::Max)?;
    let range = node.binary(BinaryFunction::Sub, high, low)?;
    let most = node.scalar(255.0)?;
    let scale = node.binary(BinaryFunction::Div, range, most)?;
    let steps = node.binary(BinaryFunction::Div, low, scale)?;
    let zero = node.emit(UnaryFunction::Neg, &[steps])?;
    let zero = bytes(node, zero, DType::U8)?;
    let y = Scheme::Computed { dtype: DType::U8, scale: Some(scale), zero: Some(zero) }.quantize(node, x)?;
    node.add_output(scale);
    node.add_output(zero);
    Ok(y)
}

/// The axis that several scales belong to, as an attribute names it.
fn axis(node: &Node<'_>) -> Result<i64> {
    match node.attributes.int_or("block_size", 0)? {
        0 => node.attributes.int_or("axis", 1),
        size => Err(unsupported_value("block_size", size, "0: one scale, or one for each index along an axis")),
    }
}

/// Scale and zero point: known when the network is loaded, or computed while it runs.
pub(super) enum Scheme {
    Known(QuantParams),
    Computed {
        dtype: DType,
        /// Shaped so that it broadcasts; 1 where there is none.
        scale: Option<ValueId>,
        /// The same, of bytes; 0 where there is none.
        zero: Option<ValueId>,
    },
}

impl Scheme {
    /// That of the integers `x` of type `dtype`, with operands for scale and zero point; several belong to `axis` of
    /// `x`.
    pub(super) fn read(
        node: &mut Node<'_>,
        dtype: DType,
        x: ValueId,
        [scale, zero]: [usize; 2],
        axis: i64,
    ) -> Result<Self> {
        let scale = node.input(scale)?;
        let zero = node.optional(zero);
        Self::new(node, dtype, x, Some(scale), zero, axis)
    }

    /// That of the integers `x` themselves, but for a zero point.
    pub(super) fn of_integers(node: &mut Node<'_>, x: ValueId, zero: usize, axis: i64) -> Result<Self> {
        let (dtype, zero) = (node.dtype(x), node.optional(zero));
        Self::new(node, dtype, x, None, zero, axis)
    }

    fn new(
        node: &mut Node<'_>,
        dtype: DType,
        x: ValueId,
        scale: Option<ValueId>,
        zero: Option<ValueId>,
        axis: i64,
    ) -> Result<Self> {
        if let Some(zero) = zero.filter(|&zero| node.dtype(zero) != dtype) {
            return Err(
                Error::mismatch("zero point is of another type than its integers").expected(dtype, node.dtype(zero))
            );
        }
        let shape = node.shape(x);
        let mut count = 1;
        for value in scale.into_iter().chain(zero) {
            count = count.max(entries(&shape, &node.shape(value))?);
        }
        let axis = if count > 1 { dims::axis(axis, shape.len())? } else { 0 };
        node.check_memory(count * size_of::<(f32, i32)>())?;
        if let Some((scale, zero_point)) = known(node, scale, zero) {
            let (scale, zero_point) = (spread(scale, count), spread(zero_point, count));
            return Ok(Self::Known(QuantParams { dtype, scale, zero_point, axis }));
        }
        let behind = if count > 1 { shape.len() - axis - 1 } else { 0 };
        let mut aligned = |value: ValueId| {
            let dims = [&node.shape(value)[..], &vec![1; behind]].concat();
            node.reshape(value, dims)
        };
        Ok(Self::Computed { dtype, scale: scale.map(&mut aligned).transpose()?, zero: zero.map(aligned).transpose()? })
    }

    /// That of integers of more than 8 bits; `None` unless it is one known scale.
    fn wide(&self, element: ElementType) -> Result<Option<WideQuantization>> {
        let one = match self {
            Self::Known(quantization) => quantization.as_per_tensor(),
            Self::Computed { .. } => None,
        };
        one.map_or(Ok(None), |(scale, zero_point)| WideQuantization::new(element, scale, zero_point))
    }

    /// The dequantized values of integers.
    pub(super) fn dequantize(self, node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
        let (scale, zero) = match self {
            Self::Known(quantization) => return node.emit(Dequantize(quantization), &[x]),
            Self::Computed { scale, zero, .. } => (scale, zero),
        };
        let mut dequantized = numbers(node, x)?;
        if let Some(zero) = zero {
            let zero = numbers(node, zero)?;
            dequantized = node.binary(BinaryFunction::Sub, dequantized, zero)?;
        }
        scale.map_or(Ok(dequantized), |scale| node.binary(BinaryFunction::Mul, dequantized, scale))
    }

    /// The quantized values.
    pub(super) fn quantize(self, node: &mut Node<'_>, x: ValueId) -> Result<ValueId> {
        let (Self::Known(QuantParams { dtype, .. }) | Self::Computed { dtype, .. }) = self;
        self.quantize_to(node, x, dtype.into())
    }

    /// The quantized values as integers of type `to`.
    fn quantize_to(self, node: &mut Node<'_>, x: ValueId, to: ElementType) -> Result<ValueId> {
        let refused = || {
            Error::unsupported("real numbers are quantized to 8 or 16 bits only")
                .expected("integers of 8 bits, or of 16 bits with one scale", format_args!("{to:?}"))
        };
        let (scale, zero) = match self {
            Self::Known(quantization) if to.dtype().is_int8() => return node.emit(Quantize(quantization), &[x]),
            Self::Known(_) => {
                let wide = self.wide(to)?.ok_or_else(refused)?;
                return node.quantize_wide(wide, x);
            }
            Self::Computed { scale, zero, .. } => (scale, zero),
        };
        let steps = scale.map_or(Ok(x), |scale| node.binary(BinaryFunction::Div, x, scale))?;
        let mut integers = node.emit(UnaryFunction::Round, &[steps])?;
        if let Some(zero) = zero {
            let zero = numbers(node, zero)?;
            integers = node.binary(BinaryFunction::Add, integers, zero)?;
        }
        if to.dtype().is_int8() {
            return bytes(node, integers, to.dtype());
        }
        let wide = WideQuantization::new(to, 1.0, 0)?.ok_or_else(refused)?;
        node.quantize_wide(wide, integers)
    }
}

/// How many scales or zero points there are.
fn entries(x: &Shape, parameters: &Shape) -> Result<usize> {
    match parameters[..] {
        [] => Ok(1),
        [count] => Ok(count),
        _ => Err(Error::unsupported("quantization by blocks is not supported").expected(
            format_args!("one scale for {x}, or one for each index along an axis"),
            format_args!("scales or zero points {parameters}"),
        )),
    }
}

/// Scales and zero points, where both are constants.
fn known(node: &Node<'_>, scale: Option<ValueId>, zero: Option<ValueId>) -> Option<(Vec<f32>, Vec<i32>)> {
    let scale = match scale {
        Some(scale) => node.constant_of(scale)?.as_f32()?.to_vec(),
        None => vec![1.0],
    };
    let zero = match zero {
        Some(zero) => integers(node.constant_of(zero)?)?,
        None => vec![0],
    };
    Some((scale, zero))
}

/// A single entry as often as there are others.
fn spread<T: Copy>(list: Vec<T>, count: usize) -> Vec<T> {
    if let [one] = list[..] { vec![one; count] } else { list }
}

/// The zero points that a constant holds; `None` for floats and what no zero point can be.
fn integers(tensor: &Tensor) -> Option<Vec<i32>> {
    match tensor.data() {
        Data::U8(list) => Some(list.iter().map(|&x| x.into()).collect()),
        Data::I8(list) => Some(list.iter().map(|&x| x.into()).collect()),
        Data::I64(list) => list.iter().map(|&x| i32::try_from(x).ok()).collect(),
        Data::F32(_) => None,
    }
}
