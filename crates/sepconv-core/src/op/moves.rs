use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::layout;

use super::{Fill, Op};
use crate::{Error, Result, Shape};

/// A block of elements that goes from an operand to the result as it is.
///
/// Transposing, slicing, concatenating, padding, gathering and broadcasting are nothing but lists of these; the interpreter and
/// the plan carry out the same lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// Which operand is read.
    pub(crate) operand: usize,
    /// The block's size along each axis of the result.
    pub(crate) dims: Vec<usize>,
    /// Where the first element is read, and how far apart neighbours along each axis are.
    pub(crate) from: usize,
    pub(crate) from_strides: Vec<isize>,
    /// Where the first element is written, and how far apart neighbours along each axis are.
    pub(crate) to: usize,
    pub(crate) to_strides: Vec<usize>,
}

impl Move {
    /// Copies the block from operand `x` into the result.
    pub(crate) fn carry_out<T: layout::Element>(&self, x: &[T], out: &mut [T]) {
        layout::copy_strided(&self.dims, x, self.from, &self.from_strides, out, self.to, &self.to_strides);
    }
}

/// Along one axis of the result: where a block starts, its size, and what it reads.
#[derive(Clone, Copy)]
struct Span {
    to: usize,
    size: usize,
    from: usize,
    step: isize,
}

impl Op {
    /// The moves that make the result of shape `out` from operands of these shapes; `indices` are those of a gather. `None` for
    /// operators that compute.
    ///
    /// # Errors
    /// When an index of a gather is out of range.
    pub(crate) fn moves(&self, shapes: &[&Shape], indices: Option<&[i64]>, out: &Shape) -> Result<Option<Vec<Move>>> {
        let Some(x) = shapes.first() else { return Ok(None) };
        let whole = |size: usize| Span { to: 0, size, from: 0, step: 1 };
        let own_axes: Vec<Option<usize>> = (0..out.len()).map(Some).collect();
        Ok(Some(match self {
            Self::Reshape { .. } => {
                let flat = Shape::new([x.elements()])?;
                vec![block(0, &flat, &flat, &[Some(0)], &[whole(x.elements())])]
            }
            Self::Transpose { order } => {
                let axes: Vec<Option<usize>> = order.iter().copied().map(Some).collect();
                let spans: Vec<Span> = out.iter().map(|&size| whole(size)).collect();
                vec![block(0, x, out, &axes, &spans)]
            }
            Self::Broadcast { .. } => {
                let missing = out.len() - x.len();
                let axis = |i: usize| i.checked_sub(missing).filter(|&axis| x[axis] != 1);
                let axes: Vec<Option<usize>> = (0..out.len()).map(axis).collect();
                let spans: Vec<Span> = out.iter().map(|&size| whole(size)).collect();
                vec![block(0, x, out, &axes, &spans)]
            }
            Self::Slice { starts, steps, sizes } => {
                // A start that no element follows, or a step that no second one does, may be too large for addresses.
                let from = |i: usize| if sizes[i] > 0 { starts[i] } else { 0 };
                let step = |i: usize| if sizes[i] > 1 { steps[i] } else { 0 };
                let span = |i: usize| Span { to: 0, size: sizes[i], from: from(i), step: step(i) };
                vec![block(0, x, out, &own_axes, &(0..out.len()).map(span).collect::<Vec<_>>())]
            }
            Self::Concat { axis } => concat(shapes, *axis, out, &own_axes),
            Self::Pad { before, after, fill } => pad(x, before, after, *fill, out, &own_axes),
            Self::Gather { axis } => gather(x, *axis, indices.unwrap_or_default(), out)?,
            _ => return Ok(None),
        }))
    }
}

/// One move. `axes[i]` is the operand's axis that axis `i` of the result walks along; `None` stays in place.
fn block(operand: usize, x: &Shape, out: &Shape, axes: &[Option<usize>], spans: &[Span]) -> Move {
    let (from_strides, to_strides) = (x.strides(), out.strides());
    let stride = |axis: Option<usize>| axis.map_or(0, |axis| from_strides[axis]);
    Move {
        operand,
        dims: spans.iter().map(|span| span.size).collect(),
        from: axes.iter().zip(spans).map(|(&axis, span)| stride(axis) * span.from).sum(),
        from_strides: axes.iter().zip(spans).map(|(&axis, span)| stride(axis) as isize * span.step).collect(),
        to: to_strides.iter().zip(spans).map(|(stride, span)| stride * span.to).sum(),
        to_strides,
    }
}

fn concat(shapes: &[&Shape], axis: usize, out: &Shape, axes: &[Option<usize>]) -> Vec<Move> {
    let mut to = 0;
    let mut moves = Vec::with_capacity(shapes.len());
    for (operand, shape) in shapes.iter().enumerate() {
        let span = |i: usize| Span { to: if i == axis { to } else { 0 }, size: shape[i], from: 0, step: 1 };
        moves.push(block(operand, shape, out, axes, &(0..out.len()).map(span).collect::<Vec<_>>()));
        to += shape[axis];
    }
    moves
}

/// Along each axis the result is what precedes the operand, the operand, and what follows it; the moves are their combinations.
/// A constant fill is not a move: only the middle is.
fn pad(x: &Shape, before: &[usize], after: &[usize], fill: Fill, out: &Shape, axes: &[Option<usize>]) -> Vec<Move> {
    let mut combinations: Vec<Vec<Span>> = vec![vec![]];
    for (axis, &size) in x.iter().enumerate() {
        let (b, a) = (before[axis], after[axis]);
        let end = b + size;
        let middle = Span { to: b, size, from: 0, step: 1 };
        let edges = match fill {
            Fill::Constant(_) => [None, None],
            Fill::Edge => [
                Some(Span { to: 0, size: b, from: 0, step: 0 }),
                Some(Span { to: end, size: a, from: size.saturating_sub(1), step: 0 }),
            ],
            Fill::Reflect => [
                Some(Span { to: 0, size: b, from: b, step: -1 }),
                Some(Span { to: end, size: a, from: size.saturating_sub(2), step: -1 }),
            ],
            Fill::Wrap => [
                Some(Span { to: 0, size: b, from: size - b.min(size), step: 1 }),
                Some(Span { to: end, size: a, from: 0, step: 1 }),
            ],
        };
        let spans: Vec<Span> = edges.into_iter().flatten().filter(|s| s.size > 0).chain([middle]).collect();
        let longer = |prefix: &Vec<Span>| {
            let prefix = prefix.clone();
            spans.clone().into_iter().map(move |span| [prefix.clone(), vec![span]].concat())
        };
        combinations = combinations.iter().flat_map(longer).collect();
    }
    combinations.iter().map(|spans| block(0, x, out, axes, spans)).collect()
}

fn gather(x: &Shape, axis: usize, indices: &[i64], out: &Shape) -> Result<Vec<Move>> {
    let (size, inner) = (x[axis], x[axis + 1..].iter().product::<usize>());
    let outer: usize = x[..axis].iter().product();
    let chosen = indices.len();
    let place = |(to, &index): (usize, &i64)| {
        let index = if index < 0 { index.saturating_add_unsigned(size as u64) } else { index };
        let from = usize::try_from(index).ok().filter(|&from| from < size).ok_or_else(|| {
            Error::mismatch("index of a gather is out of range").expected(format_args!("an index into {size}"), index)
        })?;
        Ok(Move {
            operand: 0,
            dims: vec![outer, inner],
            from: from * inner,
            from_strides: vec![(size * inner) as isize, 1],
            to: to * inner,
            to_strides: vec![chosen * inner, 1],
        })
    };
    debug_assert_eq!(out.elements(), outer * chosen * inner);
    indices.iter().enumerate().map(place).collect()
}
