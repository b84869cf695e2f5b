//! Indices that the data decides, and what is moved by them.

use sepconv_core::op::{
    ArgExtreme, BinaryFunction, Broadcast, CumSum, Detections, GatherElements, GatherNd, NonZero, Reduce, Reduction,
    ScatterNd, Slice, TopK, Transpose,
};
use sepconv_core::{DType, Error, Result, Shape, Tensor, ValueId};

use super::shape::reshaped;
use crate::dims::{axis, size, sizes};
use crate::tflite::flexbuffer::Flexbuffer;
use crate::tflite::node::Node;

/// Bytes have the order of what they stand for.
pub(super) fn arg(node: &mut Node, largest: bool) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.stored(0)?;
    let axis = axis(node.integer(1)?, node.shape(x).len())?;
    node.apply(ArgExtreme { axis, keep_dims: false, largest, last: false }, &[x])
}

pub(super) fn top_k(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(2..=2)?;
    let x = node.operand(0)?;
    let axis = axis(-1, node.shape(x).len())?;
    let indices = node.integer(1).and_then(size)?;
    let indices = node.apply(TopK { axis, k: indices, largest: true }, &[x])?;
    Ok(vec![node.apply(GatherElements { axis }, &[x, indices])?, indices])
}

pub(super) fn cum_sum(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.operand(0)?;
    let axis = axis(node.integer(1)?, node.shape(x).len())?;
    let (exclusive, reverse) = (node.option(0, false)?, node.option(1, false)?);
    node.apply(CumSum { axis, exclusive, reverse }, &[x])
}

pub(super) fn gather_nd(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let (x, indices) = (node.moved(0)?, node.stored(1)?);
    node.apply(GatherNd { batch_dims: 0 }, &[x, indices])
}

/// Updates of the same place are added.
pub(super) fn scatter_nd(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let (indices, updates) = (node.stored(0)?, node.operand(1)?);
    let shape = Shape::new(sizes(&node.integers(2)?)?)?;
    let zero = match node.dtype(updates) {
        DType::F32 => Tensor::f32([], [0.0])?,
        DType::I64 | DType::U8 | DType::I8 => Tensor::i64([], [0])?,
    };
    let zero = node.constant(zero)?;
    let zeros = node.apply(Broadcast { shape }, &[zero])?;
    node.apply(ScatterNd { reduction: Some(BinaryFunction::Add) }, &[zeros, indices, updates])
}

/// The indices of elements that are not zero, a row each.
pub(super) fn non_zero(node: &mut Node) -> Result<ValueId> {
    let [x] = node.operands()?;
    if node.constant_of(x).is_some() {
        return Err(Error::unsupported("indices of a tensor that is known are not supported"));
    }
    let columns = node.apply(NonZero, &[x])?;
    node.apply(Transpose { order: vec![1, 0] }, &[columns])
}

/// Every axis a number of times.
pub(super) fn tile(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let mut x = node.moved(0)?;
    let times = sizes(&node.integers(1)?)?;
    if times.len() != node.shape(x).len() {
        return Err(Error::mismatch("repetitions do not match the axes").expected(node.shape(x).len(), times.len()));
    }
    for (axis, &times) in times.iter().enumerate().filter(|(_, times)| **times != 1) {
        let shape = node.shape(x);
        let [outer, inner] = [&shape[..axis], &shape[axis..]].map(|dims| dims.iter().product::<usize>());
        let apart = reshaped(node, x, vec![outer, 1, inner])?;
        let repeated = node.apply(Broadcast { shape: Shape::new([outer, times, inner])? }, &[apart])?;
        let mut dims = shape.to_vec();
        dims[axis] = dims[axis].saturating_mul(times);
        x = reshaped(node, repeated, dims)?;
    }
    Ok(x)
}

/// `TFLite_Detection_PostProcess`: boxes, classes, scores, and how many there are.
pub(super) fn detections(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(3..=3)?;
    let operands = node.all()?;
    let options = Flexbuffer::read(node.custom_options)?;
    let number = |name: &str, default: Option<f64>| {
        let missing = || Error::malformed(format!("detection post-processing lacks the option {name:?}"));
        options.number(name).or(default).ok_or_else(missing)
    };
    let count = |name: &str, default: Option<f64>| number(name, default).and_then(|x| size(x as i64));
    let scale = |name: &str| number(name, None).map(|x| x as f32);
    let by_class = number("use_regular_nms", Some(0.0))? != 0.0;
    let (max_detections, classes) = (count("max_detections", None)?, count("num_classes", None)?);
    let op = Detections {
        max_detections,
        classes_per_box: if by_class { 1 } else { count("max_classes_per_detection", None)?.min(classes) },
        per_class: if by_class { Some(count("detections_per_class", Some(100.0))?) } else { None },
        classes,
        min_score: scale("nms_score_threshold")?,
        max_overlap: scale("nms_iou_threshold")?,
        scale: [scale("y_scale")?, scale("x_scale")?, scale("h_scale")?, scale("w_scale")?],
    };
    let rows = node.apply(op, &operands)?;
    let count = node.shape(rows)[0];
    let mut columns = |first: usize, width: usize| {
        node.apply(Slice { starts: vec![0, first], steps: vec![1; 2], sizes: vec![count, width] }, &[rows])
    };
    let [boxes, classes, scores, first] = [columns(0, 4)?, columns(4, 1)?, columns(5, 1)?, columns(6, 1)?];
    let total = node.apply(Reduce { reduction: Reduction::Sum, axes: vec![0], keep_dims: false }, &[first])?;
    Ok(vec![
        reshaped(node, boxes, vec![1, count, 4])?,
        reshaped(node, classes, vec![1, count])?,
        reshaped(node, scores, vec![1, count])?,
        total,
    ])
}
