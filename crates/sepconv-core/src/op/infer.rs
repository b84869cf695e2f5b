use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Display;

use sepconv_kernels::{Window, pool::PoolKind, resize::Taps};

use super::{Conv2d, ConvTranspose, Op, Pool, QAverage};
use crate::{DType, Error, Result, Shape, Value};

impl Op {
    /// The shape and type of the result for these operands.
    ///
    /// # Errors
    /// A mismatch names what was expected and found; the caller adds the node.
    pub fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        self.check_arity(inputs.len())?;
        let dtype = self.check_types(inputs)?;
        self.check_parameters(inputs)?;
        let shapes: Vec<&Shape> = inputs.iter().map(|value| &value.shape).collect();
        let x = shapes[0];
        let shape = match self {
            Self::Conv2d(conv) => conv.infer(&shapes)?,
            Self::ConvTranspose(conv) => conv.infer(&shapes)?,
            Self::Dense { .. } => dense(&shapes)?,
            Self::MatMul => matmul(x, shapes[1])?,
            Self::BatchNorm { .. } => {
                for (name, shape) in ["scale", "shift", "mean", "variance"].iter().zip(&shapes[1..]) {
                    expect_shape(name, shape, &[x.last()])?;
                }
                x.clone()
            }
            Self::QConv2d(conv) => conv.infer(&shapes)?,
            Self::QBinary(_) => broadcast(x, shapes[1])?,
            Self::Pool(pool) | Self::QAverage(QAverage { pool, .. }) => pool.infer(x)?,
            Self::Reduce { axes, keep_axes, .. } => reduce(x, axes, *keep_axes)?,
            Self::Unary(_) | Self::Quantize(_) | Self::Dequantize(_) | Self::Lookup(_) => x.clone(),
            Self::Binary { .. } => broadcast(x, shapes[1])?,
            Self::Softmax { axis, .. } => {
                expect_axis(*axis, x)?;
                x.clone()
            }
            Self::Resize(super::Resize { plane, .. }) => {
                let [n, _, _, c] = nhwc(x)?;
                if plane.contains(&0) {
                    return Err(Error::mismatch("resize to an empty plane")
                        .expected("sizes from 1", format_args!("{}x{}", plane[0], plane[1])));
                }
                Shape::new([n, plane[0], plane[1], c])?
            }
            Self::Reshape { shape } => {
                if shape.elements() != x.elements() {
                    return Err(Error::mismatch("reshape changes the number of elements").expected(
                        format_args!("{} elements of {x}", x.elements()),
                        format_args!("{} of {shape}", shape.elements()),
                    ));
                }
                shape.clone()
            }
            Self::Transpose { order } => transpose(x, order)?,
            Self::Concat { axis } => concat(&shapes, *axis)?,
            Self::Slice { starts, steps, sizes } => slice(x, starts, steps, sizes)?,
            Self::Pad { before, after, fill } => pad(x, before, after, *fill)?,
            Self::Gather { axis } => {
                expect_axis(*axis, x)?;
                Shape::new([&x[..*axis], &shapes[1][..], &x[axis + 1..]].concat())?
            }
            Self::Broadcast { shape } => {
                if broadcast(x, shape)? != *shape {
                    return Err(Error::mismatch("operand does not broadcast to the shape").expected(shape, x));
                }
                shape.clone()
            }
        };
        Ok((shape, dtype))
    }

    /// What planning or running needs besides operands and result, as a tensor of at least that size: the plane `[h,w,c]` that a
    /// window slides over, with its padding (of a transposed convolution the result before it is cropped); the taps of a resize;
    /// the moves of a gather; where the matrices of a product begin. `out` is the shape of the result.
    ///
    /// # Errors
    /// When it is larger than the address space.
    pub(crate) fn workspace(&self, inputs: &[&Value], out: &Shape) -> Result<Option<Shape>> {
        /// Numbers of 8 bytes that a [`Move`](super::Move) takes, its lists included.
        const MOVE: usize = 32;
        /// Where two matrices begin.
        const OFFSETS: usize = 2;
        const TAPS: usize = size_of::<Taps>().div_ceil(8);
        let x = &inputs[0].shape;
        let dims = match self {
            Self::Conv2d(conv) => padded(&conv.window, x)?,
            Self::QConv2d(conv) => padded(&conv.window, x)?,
            Self::Pool(pool) | Self::QAverage(QAverage { pool, .. }) => padded(&pool.window, x)?,
            Self::ConvTranspose(conv) => {
                let [_, h, w, _] = nhwc(x)?;
                let [h, w] = conv.whole([h, w]).ok_or_else(|| no_output(&conv.window, [h, w]))?;
                vec![h, w, inputs[1].shape[0]]
            }
            // Passes make two gathers of one that only picks pixels.
            Self::Resize(resize) => vec![resize.plane[0].saturating_add(resize.plane[1]), TAPS.max(MOVE)],
            Self::Gather { .. } => vec![inputs[1].shape.elements(), MOVE],
            Self::MatMul => [&out[..out.len() - 2], &[OFFSETS]].concat(),
            _ => return Ok(None),
        };
        Shape::new(dims).map(Some)
    }

    /// How many operands the operator takes.
    fn check_arity(&self, count: usize) -> Result<()> {
        let range = match self {
            Self::Conv2d(_) => 3..=4,
            Self::QConv2d(conv) => conv.operands()..=conv.operands(),
            Self::ConvTranspose(_) | Self::Dense { .. } => 3..=3,
            Self::BatchNorm { .. } => 5..=5,
            Self::MatMul | Self::Binary { .. } | Self::QBinary(_) | Self::Gather { .. } => 2..=2,
            Self::Concat { .. } => 1..=usize::MAX,
            _ => 1..=1,
        };
        if range.contains(&count) {
            return Ok(());
        }
        Err(Error::mismatch("wrong number of operands").expected(format_args!("{range:?}"), count))
    }

    /// The type of the result; arithmetic other than elementwise and reductions is for floats.
    fn check_types(&self, inputs: &[&Value]) -> Result<DType> {
        let first = inputs[0].dtype;
        let expect = |value: &Value, expected: &[DType]| {
            if expected.contains(&value.dtype) {
                return Ok(());
            }
            let names: Vec<_> = expected.iter().map(DType::to_string).collect();
            Err(Error::mismatch("operand has the wrong element type")
                .expected(names.join(" or "), format_args!("{} {:?}", value.dtype, value.name)))
        };
        match self {
            Self::Gather { .. } => expect(inputs[1], &[DType::I64])?,
            Self::Reshape { .. }
            | Self::Transpose { .. }
            | Self::Slice { .. }
            | Self::Pad { .. }
            | Self::Broadcast { .. } => {}
            Self::Concat { .. } => inputs.iter().try_for_each(|value| expect(value, &[first]))?,
            Self::Binary { .. } | Self::Reduce { .. } | Self::Unary(_) => {
                expect(inputs[0], &[DType::F32, DType::I64])?;
                inputs.iter().try_for_each(|value| expect(value, &[first]))?;
            }
            Self::Pool(Pool { kind: PoolKind::Max, .. }) => expect(inputs[0], &[DType::F32, DType::U8, DType::I8])?,
            Self::Quantize(quantization) => {
                expect(inputs[0], &[DType::F32])?;
                return Ok(quantization.dtype);
            }
            Self::Dequantize(quantization) => {
                expect(inputs[0], &[quantization.dtype])?;
                return Ok(DType::F32);
            }
            Self::Lookup(lookup) => {
                expect(inputs[0], &[DType::U8, DType::I8])?;
                return Ok(lookup.output);
            }
            Self::QConv2d(conv) => {
                let expected: [&[DType]; 5] =
                    [&[DType::U8], &[DType::U8, DType::I8], &[DType::I64], &[DType::F32], &[DType::U8]];
                inputs.iter().zip(expected).try_for_each(|(value, expected)| expect(value, expected))?;
                return Ok(conv.dtype());
            }
            Self::QBinary(_) | Self::QAverage(_) => {
                inputs.iter().try_for_each(|value| expect(value, &[DType::U8]))?;
            }
            _ => inputs.iter().try_for_each(|value| expect(value, &[DType::F32]))?,
        }
        Ok(first)
    }

    /// Numbers that an operator carries must make sense, wherever they come from.
    fn check_parameters(&self, inputs: &[&Value]) -> Result<()> {
        match self {
            Self::Quantize(quantization) => {
                if !quantization.dtype.is_byte() {
                    return Err(Error::unsupported("result of a quantisation has the wrong type")
                        .expected("u8 or i8", quantization.dtype));
                }
                quantization.check(&inputs[0].shape).and_then(|()| quantization.check_positive())
            }
            Self::Dequantize(quantization) => {
                quantization.check(&inputs[0].shape)?;
                if inputs[0].constant.is_some() { Ok(()) } else { quantization.check_positive() }
            }
            Self::QConv2d(conv) => conv.check(inputs),
            Self::QBinary(binary) => binary.check(),
            Self::QAverage(average) => average.check(),
            _ => Ok(()),
        }
    }
}

/// The result's shape of a convolution of floats or bytes on an input, weights and a bias, which come first.
pub(super) fn convolved(window: &Window, groups: usize, shapes: &[&Shape]) -> Result<Shape> {
    let [n, h, w, c] = nhwc(shapes[0])?;
    let [o, kh, kw, per_group] = filters(shapes[1])?;
    check_groups(groups, c, o)?;
    let expected = [o, window.kernel[0], window.kernel[1], c / groups];
    if [o, kh, kw, per_group] != expected {
        return Err(Error::mismatch("weights do not match the input channels")
            .expected(format_args!("weights {expected:?}"), shapes[1])
            .help(alloc::format!("{c} input channels in {groups} group(s)")));
    }
    expect_shape("bias", shapes[2], &[o])?;
    let plane = window.output([h, w]).ok_or_else(|| no_output(window, [h, w]))?;
    Shape::new([n, plane[0], plane[1], o])
}

impl Conv2d {
    fn infer(&self, shapes: &[&Shape]) -> Result<Shape> {
        let shape = convolved(&self.window, self.groups, shapes)?;
        if let Some(residual) = shapes.get(3) {
            expect_shape("residual", residual, &shape)?;
        }
        Ok(shape)
    }
}

impl ConvTranspose {
    fn infer(&self, shapes: &[&Shape]) -> Result<Shape> {
        let [n, h, w, c] = nhwc(shapes[0])?;
        let [o, _, _, per_group] = filters(shapes[1])?;
        check_groups(self.groups, c, o)?;
        let expected = [o, self.window.kernel[0], self.window.kernel[1], c / self.groups];
        if shapes[1][..] != expected || per_group == 0 {
            return Err(Error::mismatch("weights do not match the input channels")
                .expected(format_args!("weights {expected:?}"), shapes[1]));
        }
        expect_shape("bias", shapes[2], &[o])?;
        let window = &self.window;
        let whole = self.whole([h, w]).ok_or_else(|| no_output(window, [h, w]))?;
        let size = |axis: usize| {
            let cropped = window.before[axis].checked_add(window.after[axis])?;
            whole[axis].checked_sub(cropped).filter(|&size| size > 0)
        };
        let plane = size(0).zip(size(1)).ok_or_else(|| no_output(window, [h, w]))?;
        Shape::new([n, plane.0, plane.1, o])
    }

    /// The result's plane for one of the input, padding not yet cut off.
    fn whole(&self, plane: [usize; 2]) -> Option<[usize; 2]> {
        let extent = self.window.extent()?;
        let size = |axis: usize| {
            let last = plane[axis].checked_sub(1)?.checked_mul(self.window.stride[axis])?;
            last.checked_add(extent[axis])?.checked_add(self.extra[axis])
        };
        Some([size(0)?, size(1)?])
    }
}

impl Pool {
    fn infer(&self, x: &Shape) -> Result<Shape> {
        let [n, h, w, c] = nhwc(x)?;
        let none = || no_output(&self.window, [h, w]);
        let extent = self.window.extent().ok_or_else(none)?;
        let axis = |axis: usize, size: usize| {
            let (before, after) = (self.window.before[axis], self.window.after[axis]);
            let (stride, extent) = (self.window.stride[axis], extent[axis]);
            // A window that sees nothing but padding has no largest value and no mean.
            if before >= extent || after >= extent {
                return None;
            }
            let room = size.checked_add(before)?.checked_add(after)?.checked_sub(extent)?;
            let last = if self.ceil { room.div_ceil(stride) } else { room / stride };
            let starts_inside = last.checked_mul(stride)? < size + before;
            Some(if starts_inside { last + 1 } else { last })
        };
        let plane = axis(0, h).zip(axis(1, w)).ok_or_else(none)?;
        Shape::new([n, plane.0, plane.1, c])
    }
}

/// `[h,w,c]` with the window's padding.
fn padded(window: &Window, x: &Shape) -> Result<Vec<usize>> {
    let [_, h, w, c] = nhwc(x)?;
    let size = |axis: usize, size: usize| size.checked_add(window.before[axis])?.checked_add(window.after[axis]);
    let (rows, columns) = size(0, h).zip(size(1, w)).ok_or_else(|| no_output(window, [h, w]))?;
    Ok(vec![rows, columns, c])
}

fn no_output(window: &Window, plane: [usize; 2]) -> Error {
    Error::mismatch("window does not fit on the padded plane").expected(
        "a kernel, stride and dilation of at least 1 and an extent within the padded plane",
        format_args!("{window:?} on {}x{}", plane[0], plane[1]),
    )
}

fn check_groups(groups: usize, channels: usize, filters: usize) -> Result<()> {
    if groups > 0 && channels > 0 && filters > 0 && channels.is_multiple_of(groups) && filters.is_multiple_of(groups) {
        return Ok(());
    }
    Err(Error::mismatch("groups do not divide the channels").expected(
        "a divisor of input and output channels",
        format_args!("{groups} groups for {channels} -> {filters} channels"),
    ))
}

/// The sizes of planes in NHWC, none of which is empty.
fn nhwc(shape: &Shape) -> Result<[usize; 4]> {
    match **shape {
        [n, h, w, c] if h > 0 && w > 0 => Ok([n, h, w, c]),
        _ => Err(Error::mismatch("operand is not a plane").expected("4 axes (NHWC), height and width from 1", shape)),
    }
}

fn filters(shape: &Shape) -> Result<[usize; 4]> {
    (**shape).try_into().map_err(|_| Error::mismatch("weights have the wrong rank").expected("4 axes (OHWI)", shape))
}

pub(super) fn expect_shape(name: impl Display, shape: &Shape, expected: &[usize]) -> Result<()> {
    if **shape == *expected {
        return Ok(());
    }
    Err(Error::mismatch(alloc::format!("{name} has the wrong shape")).expected(format_args!("{expected:?}"), shape))
}

pub(super) fn expect_axis(axis: usize, shape: &Shape) -> Result<()> {
    if axis < shape.len() {
        return Ok(());
    }
    Err(Error::mismatch("axis is out of range").expected(format_args!("an axis of {shape}"), axis))
}

fn expect_rank(name: &str, len: usize, shape: &Shape) -> Result<()> {
    if len == shape.len() {
        return Ok(());
    }
    Err(Error::mismatch(alloc::format!("{name} does not match the rank"))
        .expected(format_args!("{} entries for {shape}", shape.len()), len))
}

fn dense(shapes: &[&Shape]) -> Result<Shape> {
    let (x, weights) = (shapes[0], shapes[1]);
    let [n, k] = (**weights)
        .try_into()
        .map_err(|_| Error::mismatch("weights have the wrong rank").expected("2 axes", weights))?;
    if x.is_empty() || x.last() != k || k == 0 {
        return Err(Error::mismatch("weights do not match the input").expected(format_args!("[..,{}]", k.max(1)), x));
    }
    expect_shape("bias", shapes[2], &[n])?;
    Shape::new([&x[..x.len() - 1], &[n]].concat())
}

fn matmul(a: &Shape, b: &Shape) -> Result<Shape> {
    let inner = |a: &Shape, b: &Shape| -> Option<Shape> {
        let ([batch_a @ .., m, k], [batch_b @ .., k2, n]) = (&**a, &**b) else { return None };
        let batch = broadcast(&Shape::new(batch_a).ok()?, &Shape::new(batch_b).ok()?).ok()?;
        (k == k2).then(|| Shape::new([&batch[..], &[*m, *n]].concat()).ok())?
    };
    inner(a, b).ok_or_else(|| {
        Error::mismatch("matrices do not fit").expected("[..,m,k] and [..,k,n]", format_args!("{a} and {b}"))
    })
}

/// The shape of an elementwise result: sizes equal, or one of them 1, aligned at the last axis.
pub(crate) fn broadcast(a: &Shape, b: &Shape) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let size = |shape: &Shape, axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let dims: Option<Vec<usize>> = (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (a, b) if a == b => Some(a),
            (1, size) | (size, 1) => Some(size),
            _ => None,
        })
        .collect();
    Shape::new(dims.ok_or_else(|| {
        Error::mismatch("shapes do not broadcast").expected("equal sizes or 1", format_args!("{a} and {b}"))
    })?)
}

fn reduce(x: &Shape, axes: &[usize], keep: bool) -> Result<Shape> {
    axes.iter().try_for_each(|&axis| expect_axis(axis, x))?;
    let dims = x.iter().enumerate().filter_map(|(axis, &size)| match axes.contains(&axis) {
        true => keep.then_some(1),
        false => Some(size),
    });
    Shape::new(dims.collect::<Vec<_>>())
}

fn transpose(x: &Shape, order: &[usize]) -> Result<Shape> {
    expect_rank("order", order.len(), x)?;
    if (0..x.len()).any(|axis| !order.contains(&axis)) {
        return Err(Error::mismatch("order is not a permutation of the axes")
            .expected(format_args!("0..{}", x.len()), format_args!("{order:?}")));
    }
    Shape::new(order.iter().map(|&axis| x[axis]).collect::<Vec<_>>())
}

fn concat(shapes: &[&Shape], axis: usize) -> Result<Shape> {
    let first = shapes[0];
    expect_axis(axis, first)?;
    let mut dims = first.to_vec();
    for shape in &shapes[1..] {
        let fits = shape.len() == first.len() && (0..first.len()).all(|i| i == axis || shape[i] == first[i]);
        let total = fits.then(|| dims[axis].checked_add(shape[axis])).flatten();
        dims[axis] = total.ok_or_else(|| {
            Error::mismatch("operands differ off the concatenated axis")
                .expected(format_args!("like {first} but for axis {axis}"), shape)
        })?;
    }
    Shape::new(dims)
}

fn slice(x: &Shape, starts: &[usize], steps: &[isize], sizes: &[usize]) -> Result<Shape> {
    for (name, len) in [("starts", starts.len()), ("steps", steps.len()), ("sizes", sizes.len())] {
        expect_rank(name, len, x)?;
    }
    for (axis, &size) in x.iter().enumerate() {
        let inside = match sizes[axis].checked_sub(1) {
            // Nothing is taken, from somewhere up to the end.
            None => starts[axis] <= size,
            Some(hops) => {
                let last = isize::try_from(hops).ok().and_then(|hops| hops.checked_mul(steps[axis]));
                let last = last.and_then(|offset| starts[axis].checked_add_signed(offset));
                starts[axis] < size && last.is_some_and(|last| last < size)
            }
        };
        if !inside {
            return Err(Error::mismatch("slice leaves the operand").expected(
                format_args!("indices below {size} along axis {axis}"),
                format_args!("{} elements from {} by {}", sizes[axis], starts[axis], steps[axis]),
            ));
        }
    }
    Shape::new(sizes)
}

fn pad(x: &Shape, before: &[usize], after: &[usize], fill: super::Fill) -> Result<Shape> {
    expect_rank("padding before", before.len(), x)?;
    expect_rank("padding after", after.len(), x)?;
    let dims: Option<Vec<usize>> = (0..x.len())
        .map(|axis| {
            let (size, most) = (x[axis], before[axis].max(after[axis]));
            let possible = match fill {
                super::Fill::Constant(_) => true,
                super::Fill::Edge => size > 0 || most == 0,
                super::Fill::Reflect => most == 0 || most < size,
                super::Fill::Wrap => most <= size,
            };
            size.checked_add(before[axis])?.checked_add(after[axis]).filter(|_| possible)
        })
        .collect();
    Shape::new(dims.ok_or_else(|| {
        Error::mismatch("padding is larger than the operand allows")
            .expected(format_args!("{fill:?} padding within {x}"), format_args!("{before:?} and {after:?}"))
    })?)
}
