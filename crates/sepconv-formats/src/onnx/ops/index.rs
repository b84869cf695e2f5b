//! Parts of tensors.

use sepconv_core::op::{Gather, Slice};
use sepconv_core::{Error, Result, Tensor, ValueId};

use crate::dims;
use crate::dims::sizes;
use crate::lacks_input;
use crate::onnx::node::Node;

/// A part of one axis: `size` elements from `start` on, `step` apart.
struct Part {
    axis: usize,
    start: usize,
    step: isize,
    size: usize,
}

/// Cuts along some axes and keeps the others whole.
pub(super) fn cut(node: &mut Node<'_>, x: ValueId, parts: &[(usize, usize, usize)]) -> Result<ValueId> {
    let parts = parts.iter().map(|&(axis, start, size)| Part { axis, start, step: 1, size });
    emit(node, x, parts)
}

fn emit(node: &mut Node<'_>, x: ValueId, parts: impl Iterator<Item = Part>) -> Result<ValueId> {
    let mut sizes = node.shape(x).to_vec();
    let (mut starts, mut steps) = (vec![0; sizes.len()], vec![1; sizes.len()]);
    for part in parts {
        (starts[part.axis], steps[part.axis], sizes[part.axis]) = (part.start, part.step, part.size);
    }
    node.emit(Slice { starts, steps, sizes }, &[x])
}

/// Starts and ends are attributes up to opset 9, inputs from 10 on; both count from the end where negative and may lie
/// far outside.
pub(super) fn slice(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let shape = node.shape(x);
    let missing = |what| lacks_input(what);
    let starts = node.ints("starts", 1)?.ok_or_else(|| missing("starts"))?;
    let ends = node.ints("ends", 2)?.ok_or_else(|| missing("ends"))?;
    let axes = match node.ints("axes", 3)? {
        Some(list) => dims::axes(&list, shape.len())?,
        None => (0..starts.len()).collect(),
    };
    let steps = node.known_ints(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let counts = [starts.len(), ends.len(), axes.len(), steps.len()];
    if counts.iter().any(|&count| count != counts[0]) || axes.iter().any(|&axis| axis >= shape.len()) {
        return Err(Error::malformed("slice contradicts itself").expected(
            format_args!("as many starts, ends, axes and steps, at most {}", shape.len()),
            format_args!("{counts:?}"),
        ));
    }
    let parts: Result<Vec<Part>> =
        (0..axes.len()).map(|i| part(axes[i], shape[axes[i]], starts[i], ends[i], steps[i])).collect();
    emit(node, x, parts?.into_iter())
}

fn part(axis: usize, size: usize, start: i64, end: i64, step: i64) -> Result<Part> {
    let step = isize::try_from(step).ok().filter(|&step| step != 0);
    let step =
        step.ok_or_else(|| Error::malformed("slice has a step of zero or one too large").at(format!("axis {axis}")))?;
    let length = size as i64;
    let from_end = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    // Backwards the first element is at most the last one, and the end may lie before the first.
    let (start, way) = if step > 0 {
        let start = from_end(start).clamp(0, length);
        (start, from_end(end).clamp(0, length) - start)
    } else {
        let start = from_end(start).clamp(0, (length - 1).max(0));
        (start, start - from_end(end).clamp(-1, length - 1))
    };
    let count = usize::try_from(way).unwrap_or(0).div_ceil(step.unsigned_abs()).min(size);
    let start = if count == 0 { 0 } else { start as usize };
    // A step that is never made may be as large as it likes.
    Ok(Part { axis, start, step: if count > 1 { step } else { 1 }, size: count })
}

/// Sizes are an attribute up to opset 12, an input from 13 on; without them the parts are equal, and the last may be
/// smaller.
pub(super) fn split(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let shape = node.shape(x);
    let axis = dims::axis(node.attributes.int_or("axis", 0)?, shape.len())?;
    let outputs = node.output_count();
    let count = node.attributes.int_or("num_outputs", outputs as i64)?;
    let given = match node.attributes.ints("split")? {
        Some(list) => Some(list.to_vec()),
        None => node.known_ints(1, "split")?,
    };
    let parts = match given {
        Some(list) => sizes(&list)?,
        None => {
            let each = shape[axis].div_ceil(outputs.max(1));
            (0..outputs).map(|i| shape[axis].saturating_sub(i.saturating_mul(each)).min(each)).collect()
        }
    };
    let total = parts.iter().try_fold(0usize, |sum, &part| sum.checked_add(part));
    if usize::try_from(count) != Ok(outputs) || parts.len() != outputs || total != Some(shape[axis]) || outputs == 0 {
        return Err(Error::mismatch("split does not divide the axis")
            .expected(format_args!("{outputs} sizes that add up to {}", shape[axis]), format_args!("{parts:?}")));
    }
    let first = cut(node, x, &[(axis, 0, parts[0])])?;
    let mut start = parts[0];
    for &size in &parts[1..] {
        let part = cut(node, x, &[(axis, start, size)])?;
        node.add_output(part);
        start += size;
    }
    Ok(first)
}

/// Indices that are known are made to count from the start.
pub(super) fn gather(node: &mut Node<'_>) -> Result<ValueId> {
    let x = node.input(0)?;
    let shape = node.shape(x);
    let axis = dims::axis(node.attributes.int_or("axis", 0)?, shape.len())?;
    let Some(indices) = node.constant_of(node.input(1)?).cloned() else {
        return node.emit(Gather { axis }, &[x, node.input(1)?]);
    };
    let list = indices.as_i64().ok_or_else(|| Error::malformed("indices are not integers"))?;
    let normal = list.iter().map(|&index| {
        let place = dims::axis(index, shape[axis]).map_err(|_| {
            Error::mismatch("index is out of range")
                .expected(format_args!("an index into {} along axis {axis}", shape[axis]), index)
        })?;
        Ok(place as i64)
    });
    let indices = Tensor::i64(indices.shape().to_vec(), normal.collect::<Result<Vec<_>>>()?)?;
    let indices = node.constant(indices)?;
    node.emit(Gather { axis }, &[x, indices])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_from_the_end_and_stop_at_the_edges() {
        let cases = [
            ((0, i64::MAX, 1), (0, 5)),
            ((-3, -1, 1), (2, 2)),
            ((i64::MIN, i64::MAX, 2), (0, 3)),
            ((4, 1, 1), (0, 0)),
            ((-1, i64::MIN, -1), (4, 5)),
            ((i64::MAX, 0, -2), (4, 2)),
            // Backwards a start before the first element is the first element, unlike in NumPy.
            ((-100, i64::MIN, -2), (0, 1)),
        ];
        for ((start, end, step), expected) in cases {
            let part = part(0, 5, start, end, step).expect("a slice of five elements");
            assert_eq!((part.start, part.size), expected, "{start}:{end}:{step}");
        }
        for step in [-1, 1] {
            assert_eq!(part(0, 0, 0, i64::MIN, step).expect("a slice of nothing").size, 0);
        }
        assert!(part(0, 5, 0, 5, 0).is_err());
    }
}
