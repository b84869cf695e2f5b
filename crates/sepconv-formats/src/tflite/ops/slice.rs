use sepconv_core::op::Slice;
use sepconv_core::{Error, Result, Shape, ValueId};

use super::axes;
use super::shape::reshaped;
use crate::dims::{axis, size, sizes};
use crate::tflite::node::Node;

/// `sizes` elements from `begin` on; -1 stands for the rest.
pub(super) fn slice(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(3..=3)?;
    let x = node.moved(0)?;
    let (begin, counts, shape) = (node.integers(1)?, node.integers(2)?, node.shape(x));
    expect_rank(&shape, &[begin.len(), counts.len()])?;
    let starts = sizes(&begin)?;
    let sizes = counts.into_iter().enumerate().map(|(axis, count)| match count {
        -1 => Ok(shape[axis].saturating_sub(starts[axis])),
        count => size(count),
    });
    let sizes: Vec<usize> = sizes.collect::<Result<_>>()?;
    node.apply(Slice { steps: vec![1; starts.len()], starts, sizes }, &[x])
}

/// NumPy's `x[begin:end:step, ...]`. Bits of the masks say of each entry that begin or end is left out, that it is an
/// index whose axis disappears, that it stands for as many axes as the others leave, or that it makes a new axis.
pub(super) fn strided_slice(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(4..=4)?;
    let x = node.moved(0)?;
    let (begins, ends, steps) = (node.integers(1)?, node.integers(2)?, node.integers(3)?);
    let (shape, count) = (node.shape(x), begins.len());
    let mask = |field: usize| node.option(field, 0i32);
    let (begin_mask, end_mask, ellipsis_mask, new_mask, shrink_mask) =
        (mask(0)?, mask(1)?, mask(2)?, mask(3)?, mask(4)?);
    let ends_are_relative = node.option(5, false)?;
    let bit = |mask: i32, entry: usize| entry < 32 && mask >> entry & 1 != 0;
    let is_ellipsis = |entry: &usize| bit(ellipsis_mask, *entry);
    let named = (0..count).filter(|entry| !is_ellipsis(entry) && !bit(new_mask, *entry)).count();
    let contradicts = ends.len() != count || steps.len() != count || named > shape.len();
    if contradicts || count > 2 * Shape::MAX_RANK || (0..count).filter(is_ellipsis).count() > 1 {
        return Err(Error::malformed("slice contradicts itself").expected(
            format_args!("at most {} begins, ends and strides", shape.len()),
            format_args!("{}, {} and {}", begins.len(), ends.len(), steps.len()),
        ));
    }
    let (mut ranges, mut dims, mut axis) = (Ranges::whole(&shape), vec![], 0);
    for entry in 0..count {
        if is_ellipsis(&entry) {
            let behind = axis + shape.len() - named;
            dims.extend(&shape[axis..behind]);
            axis = behind;
            continue;
        }
        if bit(new_mask, entry) {
            dims.push(1);
            continue;
        }
        let begin = (!bit(begin_mask, entry)).then_some(begins[entry]);
        let end = (!bit(end_mask, entry)).then_some(ends[entry]);
        let end = end.map(|end| if ends_are_relative { begins[entry].saturating_add(end) } else { end });
        let is_index = bit(shrink_mask, entry);
        ranges.set(axis, shape[axis], begin, end, steps[entry], is_index)?;
        dims.extend((!is_index).then_some(ranges.sizes[axis]));
        axis += 1;
    }
    dims.extend(&shape[axis..]);
    let Ranges { starts, steps, sizes } = ranges;
    let part = node.apply(Slice { starts, steps, sizes }, &[x])?;
    reshaped(node, part, dims)
}

/// What is taken along each axis.
struct Ranges {
    starts: Vec<usize>,
    steps: Vec<isize>,
    sizes: Vec<usize>,
}

impl Ranges {
    fn whole(shape: &Shape) -> Self {
        let rank = shape.len();
        Self { starts: vec![0; rank], steps: vec![1; rank], sizes: shape.to_vec() }
    }

    fn set(
        &mut self,
        axis: usize,
        size: usize,
        begin: Option<i64>,
        end: Option<i64>,
        step: i64,
        index: bool,
    ) -> Result<()> {
        // Sizes fit in an `isize`: see `Shape`.
        let len = size as i64;
        let from_end = |place: i64| if place < 0 { place.saturating_add(len) } else { place };
        if index {
            let place = begin.map_or(0, from_end);
            if !(0..len).contains(&place) {
                return Err(Error::mismatch("slice leaves the operand")
                    .expected(format_args!("an index below {size} along axis {axis}"), place));
            }
            (self.starts[axis], self.sizes[axis]) = (place as usize, 1);
            return Ok(());
        }
        let (least, most, first, last) = match step {
            1.. => (0, len, 0, len),
            0 => return Err(Error::malformed("slice has a step of zero or one too large").at(format!("axis {axis}"))),
            _ => (-1, len - 1, len - 1, -1),
        };
        let begin = begin.map_or(first, |begin| from_end(begin).clamp(least, most));
        let end = end.map_or(last, |end| from_end(end).clamp(least, most));
        let distance = if step > 0 { end - begin } else { begin - end };
        let count = if distance > 0 { distance.unsigned_abs().div_ceil(step.unsigned_abs()) } else { 0 };
        self.sizes[axis] = count as usize;
        self.starts[axis] = if count > 0 { begin as usize } else { 0 };
        self.steps[axis] = if count > 1 { step as isize } else { 1 };
        Ok(())
    }
}

/// The operand backwards along some axes.
pub(super) fn reverse(node: &mut Node) -> Result<ValueId> {
    node.expect_operands(2..=2)?;
    let x = node.moved(0)?;
    let shape = node.shape(x);
    let (mut starts, mut steps) = (vec![0; shape.len()], vec![1; shape.len()]);
    for axis in axes(&node.integers(1)?, shape.len())? {
        (starts[axis], steps[axis]) = (shape[axis].saturating_sub(1), -1);
    }
    node.apply(Slice { starts, steps, sizes: shape.to_vec() }, &[x])
}

/// Equal parts along an axis, which is the first operand.
pub(super) fn split(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(2..=2)?;
    let x = node.moved(1)?;
    let shape = node.shape(x);
    let axis = axis(node.integer(0)?, shape.len())?;
    let count = node.option_size(0, 0)?;
    let part = shape[axis].checked_div(count).filter(|part| part * count == shape[axis] && *part > 0);
    let part = part.ok_or_else(|| {
        Error::mismatch("split does not divide the axis")
            .expected(format_args!("{count} parts along axis {axis}"), &shape)
    })?;
    parts(node, x, axis, std::iter::repeat_n(part, count))
}

/// Parts of given sizes along an axis; one may be -1 for the rest.
pub(super) fn split_v(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(3..=3)?;
    let x = node.moved(0)?;
    let shape = node.shape(x);
    let sizes = node.integers(1)?;
    let axis = axis(node.integer(2)?, shape.len())?;
    let known = sizes.iter().filter(|&&size| size != -1).try_fold(0i64, |sum, &size| sum.checked_add(size));
    let open = sizes.iter().filter(|&&size| size == -1).count() as i64;
    let rest = known.and_then(|known| usize::try_from((shape[axis] as i64).checked_sub(known)?).ok());
    let rest = rest.filter(|&rest| open == 1 || (open == 0 && rest == 0)).ok_or_else(|| {
        Error::mismatch("split does not divide the axis")
            .expected(format_args!("{shape} along axis {axis}"), format_args!("{sizes:?}"))
    })?;
    let sizes: Vec<usize> =
        sizes.iter().map(|&part| if part == -1 { Ok(rest) } else { size(part) }).collect::<Result<_>>()?;
    parts(node, x, axis, sizes.into_iter())
}

/// Slices of size 1 along an axis, without that axis.
pub(super) fn unpack(node: &mut Node) -> Result<Vec<ValueId>> {
    node.expect_operands(1..=1)?;
    let x = node.moved(0)?;
    let mut dims = node.shape(x).to_vec();
    let axis = axis(node.option(1, 0i32)?.into(), dims.len())?;
    let count = dims.remove(axis);
    let slices = parts(node, x, axis, std::iter::repeat_n(1, count))?;
    slices.into_iter().map(|slice| reshaped(node, slice, dims.clone())).collect()
}

/// Parts of `sizes` along an axis, one after the other.
fn parts(
    node: &mut Node,
    x: ValueId,
    axis: usize,
    sizes: impl ExactSizeIterator<Item = usize>,
) -> Result<Vec<ValueId>> {
    node.expect_results(sizes.len())?;
    let shape = node.shape(x);
    let mut start = 0;
    let slices = sizes.map(|size| {
        let (mut starts, mut sizes) = (vec![0; shape.len()], shape.to_vec());
        (starts[axis], sizes[axis]) = (if size > 0 { start } else { 0 }, size);
        start += size;
        node.apply(Slice { starts, steps: vec![1; shape.len()], sizes }, &[x])
    });
    slices.collect()
}

fn expect_rank(shape: &Shape, lens: &[usize]) -> Result<()> {
    match lens.iter().find(|&&len| len != shape.len()) {
        None => Ok(()),
        Some(len) => {
            Err(Error::malformed("slice contradicts itself").expected(format_args!("{} numbers", shape.len()), len))
        }
    }
}
