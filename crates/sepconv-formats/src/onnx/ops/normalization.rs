//! Normalization.

use sepconv_core::op::{
    BatchNorm, BinaryFunction, Broadcast, LayerNorm, Pool, PoolKind, Reduce, UnaryFunction, Window,
};
use sepconv_core::{Error, Op, Result, ValueId};
use sepconv_kernels::reduce::Reduction;

use crate::dims;
use crate::onnx::attributes::unsupported_value;
use crate::onnx::node::Node;

/// `(x - mean) / sqrt(variance + epsilon) · scale + shift` per channel, with statistics from training.
pub(super) fn batch(node: &mut Node<'_>) -> Result<ValueId> {
    let epsilon = node.attributes.float_or("epsilon", 1e-5)?;
    node.attributes.ignore(&["momentum"]);
    let training = match node.opset {
        ..7 => !node.attributes.flag("is_test", false)?,
        7..14 => node.output_count() > 1,
        _ => node.attributes.flag("training_mode", false)?,
    };
    if training {
        return Err(Error::unsupported("batch normalization with statistics of the batch is not supported")
            .help("export the network for inference, e.g. after model.eval()"));
    }
    if node.opset < 9 && !node.attributes.flag("spatial", true)? {
        return Err(unsupported_value("spatial", 0, "1: statistics per channel"));
    }
    let x = node.input(0)?;
    let parameters = [node.input(1)?, node.input(2)?, node.input(3)?, node.input(4)?];
    let x = node.channels_last(x)?;
    let y = node.emit(BatchNorm { epsilon }, &[&[x], &parameters[..]].concat())?;
    node.channels_first(y)
}

/// Each channel of each image by its own mean and variance.
pub(super) fn instance(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, scale, shift) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let epsilon = node.attributes.float_or("epsilon", 1e-5)?;
    if let Some(whole) = one_channel(node, x) {
        // How exporters write a normalization of all channels together.
        let axes = (1..node.rank(whole)).collect();
        let y = Normalized::new(node, whole, axes, epsilon)?.value;
        let scaled = node.binary(BinaryFunction::Mul, y, scale)?;
        let y = node.binary(BinaryFunction::Add, scaled, shift)?;
        return node.reshape(y, &node.shape(x)[..]);
    }
    let y = Normalized::new(node, x, (2..node.rank(x)).collect(), epsilon)?.value;
    per_channel(node, y, scale, shift)
}

/// What a feature map of one channel was before it was made one, image by image.
fn one_channel(node: &Node<'_>, x: ValueId) -> Option<ValueId> {
    let source = node.reshaped_from(x)?;
    let (shape, before) = (node.shape(x), node.shape(source));
    (shape.get(1) == Some(&1) && before.len() > 1 && shape.first() == before.first()).then_some(source)
}

/// Each group of channels of each image by its own mean and variance.
pub(super) fn group(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, mut scale, mut shift) = (node.input(0)?, node.input(1)?, node.input(2)?);
    let epsilon = node.attributes.float_or("epsilon", 1e-5)?;
    node.attributes.ignore(&["stash_type"]);
    let groups = node.attributes.int_or("num_groups", 0)?;
    let shape = node.shape(x);
    let (images, channels) = (shape.first().copied().unwrap_or(1), shape.get(1).copied().unwrap_or(1));
    let divides = |groups: &usize| *groups > 0 && channels.is_multiple_of(*groups) && channels > 0;
    let groups = usize::try_from(groups)
        .ok()
        .filter(divides)
        .ok_or_else(|| unsupported_value("num_groups", groups, &format!("a divisor of {channels} channels")))?;
    let y = if groups == 1 {
        Normalized::new(node, x, (1..shape.len()).collect(), epsilon)?.value
    } else {
        let rest = shape.elements().checked_div(images * groups).unwrap_or(0);
        let grouped = node.reshape(x, [images, groups, rest])?;
        let y = Normalized::new(node, grouped, vec![2], epsilon)?.value;
        node.reshape(y, &shape[..])?
    };
    if node.opset < 21 {
        // One entry per group; one per channel since.
        scale = repeat(node, scale, channels / groups)?;
        shift = repeat(node, shift, channels / groups)?;
    }
    per_channel(node, y, scale, shift)
}

/// All axes from `axis` on together.
pub(super) fn layer(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, scale, shift) = (node.input(0)?, node.input(1)?, node.optional(2));
    let epsilon = node.attributes.float_or("epsilon", 1e-5)?;
    let axis = node.attributes.int_or("axis", -1)?;
    node.attributes.ignore(&["stash_type"]);
    let rank = node.rank(x);
    let axes = dims::axis(axis, rank)?..rank;
    let channels = node.shape(x).last();
    let per_channel = |value: ValueId| node.shape(value)[..] == [channels];
    if node.output_count() == 1 && axes.len() == 1 && per_channel(scale) && shift.is_none_or(per_channel) {
        let shift = shift.map_or_else(|| node.filled(0.0, &[channels]), Ok)?;
        return node.emit(LayerNorm { axes: 1, epsilon }, &[x, scale, shift]);
    }
    let normalized = Normalized::new(node, x, axes.collect(), epsilon)?;
    node.add_output(normalized.mean);
    if node.output_count() > 2 {
        let inverse = node.emit(UnaryFunction::Reciprocal, &[normalized.deviation])?;
        node.add_output(inverse);
    }
    let y = node.binary(BinaryFunction::Mul, normalized.value, scale)?;
    shift.map_or(Ok(y), |shift| node.binary(BinaryFunction::Add, y, shift))
}

/// `(x - mean) / deviation` over some axes, which stay with size 1 in the latter two.
struct Normalized {
    value: ValueId,
    mean: ValueId,
    deviation: ValueId,
}

impl Normalized {
    fn new(node: &mut Node<'_>, x: ValueId, axes: Vec<usize>, epsilon: f32) -> Result<Self> {
        let average = Op::Reduce(Reduce { reduction: Reduction::Mean, axes, keep_dims: true });
        let mean = node.emit(average.clone(), &[x])?;
        let centered = node.binary(BinaryFunction::Sub, x, mean)?;
        let square = node.binary(BinaryFunction::Mul, centered, centered)?;
        let variance = node.emit(average, &[square])?;
        let epsilon = node.scalar(epsilon)?;
        let positive = node.binary(BinaryFunction::Add, variance, epsilon)?;
        let deviation = node.emit(UnaryFunction::Sqrt, &[positive])?;
        let value = node.binary(BinaryFunction::Div, centered, deviation)?;
        Ok(Self { value, mean, deviation })
    }
}

/// `x · scale + shift` with one entry for each channel of `x[n,c,..]`.
fn per_channel(node: &mut Node<'_>, x: ValueId, scale: ValueId, shift: ValueId) -> Result<ValueId> {
    let behind = vec![1; node.rank(x).saturating_sub(2)];
    let mut column = |value| node.reshape(value, [&node.shape(value)[..], &behind].concat());
    let (scale, shift) = (column(scale)?, column(shift)?);
    let scaled = node.binary(BinaryFunction::Mul, x, scale)?;
    node.binary(BinaryFunction::Add, scaled, shift)
}

/// Each entry of a list `times` in a row.
fn repeat(node: &mut Node<'_>, list: ValueId, times: usize) -> Result<ValueId> {
    let size = node.shape(list).elements();
    let column = node.reshape(list, [size, 1])?;
    let shape = sepconv_core::Shape::new([size, times])?;
    let repeated = node.emit(Broadcast { shape: shape.clone() }, &[column])?;
    node.reshape(repeated, [shape.elements()])
}

/// Vectors along an axis, divided by their length.
pub(super) fn lp(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let axis = dims::axis(node.attributes.int_or("axis", -1)?, node.rank(x))?;
    let reduction = match node.attributes.int_or("p", 2)? {
        1 => Reduction::L1,
        2 => Reduction::L2,
        other => return Err(unsupported_value("p", other, "1 or 2")),
    };
    let length = node.emit(Reduce { reduction, axes: vec![axis], keep_dims: true }, &[x])?;
    // Zeros stay zeros.
    let least = node.scalar(f32::MIN_POSITIVE)?;
    let length = node.binary(BinaryFunction::Max, length, least)?;
    node.binary(BinaryFunction::Div, x, length)
}

/// `x / (bias + alpha · mean)^beta`, the mean being that of squares over `size` channels, with zeros beyond the last.
pub(super) fn local_response(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let alpha = node.attributes.float_or("alpha", 1e-4)?;
    let beta = node.attributes.float_or("beta", 0.75)?;
    let bias = node.attributes.float_or("bias", 1.0)?;
    let size = node.attributes.int_or("size", 0)?;
    let (shape, count) = (node.shape(x), usize::try_from(size).ok().filter(|&size| size > 0));
    let (Some(count), [images, channels, ..]) = (count, &shape[..]) else {
        return Err(unsupported_value("size", size, "from 1, for an operand [n,c,..]"));
    };
    let square = node.binary(BinaryFunction::Mul, x, x)?;
    // Channels as the rows of a plane, whose pixels are what is behind them.
    let plane = node.reshape(square, [*images, *channels, 1, shape[2..].iter().product()])?;
    let window = Window { before: [(count - 1) / 2, 0], after: [count / 2, 0], ..Window::new(count, 1) };
    let pool = Pool { window, kind: PoolKind::Average { count_padding: true }, ceil_mode: false };
    let mean = node.emit(pool, &[plane])?;
    let mean = node.reshape(mean, &shape[..])?;
    let (alpha, bias, beta) = (node.scalar(alpha)?, node.scalar(bias)?, node.scalar(beta)?);
    let scaled = node.binary(BinaryFunction::Mul, mean, alpha)?;
    let sum = node.binary(BinaryFunction::Add, scaled, bias)?;
    let divisor = node.binary(BinaryFunction::Pow, sum, beta)?;
    node.binary(BinaryFunction::Div, x, divisor)
}

/// `(x - mean) / deviation` over some axes: all but the channels unless given.
pub(super) fn mean_variance(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let mut axes = dims::axes(node.attributes.ints("axes")?.unwrap_or(&[0, 2, 3]), node.rank(x))?;
    axes.sort_unstable();
    let average = Op::Reduce(Reduce { reduction: Reduction::Mean, axes, keep_dims: true });
    let mean = node.emit(average.clone(), &[x])?;
    let centered = node.binary(BinaryFunction::Sub, x, mean)?;
    let square = node.binary(BinaryFunction::Mul, centered, centered)?;
    let variance = node.emit(average, &[square])?;
    let deviation = node.emit(UnaryFunction::Sqrt, &[variance])?;
    let epsilon = node.scalar(1e-9)?;
    let positive = node.binary(BinaryFunction::Add, deviation, epsilon)?;
    node.binary(BinaryFunction::Div, centered, positive)
}

/// All axes from `axis` on together, divided by the root of the mean of their squares.
pub(super) fn rms(node: &mut Node<'_>) -> Result<ValueId> {
    let (x, scale) = (node.input(0)?, node.input(1)?);
    let epsilon = node.attributes.float_or("epsilon", 1e-5)?;
    let axis = node.attributes.int_or("axis", -1)?;
    node.attributes.ignore(&["stash_type"]);
    let axes = (dims::axis(axis, node.rank(x))?..node.rank(x)).collect();
    let square = node.binary(BinaryFunction::Mul, x, x)?;
    let mean = node.emit(Reduce { reduction: Reduction::Mean, axes, keep_dims: true }, &[square])?;
    let epsilon = node.scalar(epsilon)?;
    let positive = node.binary(BinaryFunction::Add, mean, epsilon)?;
    let root = node.emit(UnaryFunction::Sqrt, &[positive])?;
    let y = node.binary(BinaryFunction::Div, x, root)?;
    node.binary(BinaryFunction::Mul, y, scale)
}
