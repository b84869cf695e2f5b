use alloc::vec;
use alloc::vec::Vec;

use sepconv_kernels::{
    Activation, conv_transpose, conv2d,
    elementwise::{Binary, Unary},
    layout::Element,
    pointwise, pool, reduce, resize, softmax,
};

use super::{Conv2d, ConvTranspose, Fill, Op, Pool, Resize};
use crate::{Data, Error, Result, Shape, Tensor};

impl Op {
    /// The definition: the result for known operands, where `out` is the shape that [`infer`](Self::infer) gave. Sums are kept in
    /// f64, so this is also close to exact.
    ///
    /// # Errors
    /// For integer arithmetic that overflows or has no meaning, and indices out of range.
    pub fn evaluate(&self, inputs: &[&Tensor], out: &Shape) -> Result<Tensor> {
        if let Some(result) = self.moved(inputs, out)? {
            return Ok(result);
        }
        if let Some(data) = self.on_bytes(inputs, out) {
            return Tensor::new(out.clone(), data);
        }
        if let Some(result) = self.on_integers(inputs, out) {
            return Tensor::new(out.clone(), Data::I64(result?));
        }
        let operands = inputs.iter().map(|tensor| {
            let error = || Error::unsupported("operator is for floats only").expected("f32", tensor.dtype());
            tensor.as_f32().ok_or_else(error)
        });
        let operands: Vec<&[f32]> = operands.collect::<Result<_>>()?;
        let shapes: Vec<&Shape> = inputs.iter().map(|tensor| tensor.shape()).collect();
        let mut result = vec![0.0; out.elements()];
        if !result.is_empty() {
            self.on_floats(&shapes, &operands, out, &mut result);
        }
        Tensor::f32(out.to_vec(), result)
    }

    fn on_floats(&self, shapes: &[&Shape], x: &[&[f32]], out: &Shape, result: &mut [f32]) {
        match self {
            Self::Conv2d(conv) => conv.reference(shapes, x, out, result),
            Self::ConvTranspose(conv) => conv.reference(shapes, x, out, result),
            Self::Dense { activation } => {
                pointwise::reference(shapes[0].last(), out.last(), x[0], x[1], x[2], None, *activation, result);
            }
            Self::MatMul => matmul(shapes, x, out, result),
            Self::BatchNorm { epsilon } => {
                let channels = out.last();
                for (i, (result, value)) in result.iter_mut().zip(x[0]).enumerate() {
                    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|p| f64::from(x[p][i % channels]));
                    let deviation = libm::sqrt(variance + f64::from(*epsilon));
                    *result = ((f64::from(*value) - mean) / deviation * scale + shift) as f32;
                }
            }
            Self::Pool(pool) => pool.reference(shapes[0], x[0], out, result),
            Self::Reduce { reduction, axes, .. } => {
                let reduced: Vec<bool> = (0..shapes[0].len()).map(|axis| axes.contains(&axis)).collect();
                reduce::reduce(*reduction, shapes[0], &reduced, x[0], result);
            }
            Self::Unary(function) => {
                result.iter_mut().zip(x[0]).for_each(|(result, &x)| *result = function.apply(x));
            }
            Self::Binary { function, activation } => {
                each_pair(shapes, x, out, |i, a, b| result[i] = activation.apply(function.apply(a, b)));
            }
            Self::Softmax { axis, log } => {
                let extents = split_at(shapes[0], *axis);
                softmax::reference(extents, *log, x[0], result);
            }
            Self::Resize(resize) => resize.reference(shapes[0], x[0], out, result),
            Self::Reshape { .. }
            | Self::Transpose { .. }
            | Self::Concat { .. }
            | Self::Slice { .. }
            | Self::Pad { .. }
            | Self::Gather { .. }
            | Self::Broadcast { .. }
            | Self::Quantize(_)
            | Self::Dequantize(_)
            | Self::Lookup(_)
            | Self::QConv2d(_)
            | Self::QBinary(_)
            | Self::QAverage(_) => unreachable!("moves and what bytes take part in were carried out before"),
        }
    }

    /// Carries out the moves of an operator that computes nothing, on any element type.
    fn moved(&self, inputs: &[&Tensor], out: &Shape) -> Result<Option<Tensor>> {
        let stay = match self {
            Self::Reshape { .. } => true,
            // Axes of one element may stand anywhere: those of 1x1 and of depthwise weights.
            Self::Transpose { order } => order.iter().filter(|&&axis| inputs[0].shape()[axis] != 1).is_sorted(),
            _ => false,
        };
        if stay {
            return inputs[0].share(out.clone()).map(Some);
        }
        let shapes: Vec<&Shape> = inputs.iter().map(|tensor| tensor.shape()).collect();
        let indices = inputs.get(1).and_then(|tensor| tensor.as_i64());
        let Some(moves) = self.moves(&shapes, indices, out)? else { return Ok(None) };
        let fill = match self {
            Self::Pad { fill: Fill::Constant(fill), .. } => *fill,
            _ => 0.0,
        };
        let data = match inputs[0].data() {
            Data::F32(_) => Data::F32(carry_out(&moves, inputs, Tensor::as_f32, fill, out)),
            Data::I64(_) => Data::I64(carry_out(&moves, inputs, Tensor::as_i64, fill as i64, out)),
            Data::U8(_) => Data::U8(carry_out(&moves, inputs, Tensor::as_u8, fill as u8, out)),
            Data::I8(_) => Data::I8(carry_out(&moves, inputs, Tensor::as_i8, fill as i8, out)),
        };
        Tensor::new(out.clone(), data).map(Some)
    }

    /// Integer arithmetic, as shapes and indices need it. `None` where the operands are not integers or the operator has no such form.
    fn on_integers(&self, inputs: &[&Tensor], out: &Shape) -> Option<Result<Vec<i64>>> {
        let operands: Vec<&[i64]> = inputs.iter().map(|tensor| tensor.as_i64()).collect::<Option<_>>()?;
        match self {
            Self::Unary(function) => {
                let function: fn(i64) -> Option<i64> = match function {
                    Unary::Neg => i64::checked_neg,
                    Unary::Abs => i64::checked_abs,
                    Unary::Sign => |x| Some(x.signum()),
                    Unary::Activation(Activation::Relu) => |x| Some(x.max(0)),
                    _ => return None,
                };
                Some(operands[0].iter().map(|&x| function(x).ok_or_else(integer_error)).collect())
            }
            Self::Binary { function, activation: Activation::Identity } => {
                let shapes: Vec<&Shape> = inputs.iter().map(|tensor| tensor.shape()).collect();
                let mut result = vec![Some(0); out.elements()];
                each_pair(&shapes, &operands, out, |i, a, b| result[i] = integer_binary(*function, a, b));
                Some(result.into_iter().map(|x| x.ok_or_else(integer_error)).collect())
            }
            _ => None,
        }
    }
}

fn integer_error() -> Error {
    Error::malformed("integer arithmetic overflows or divides by zero")
}

fn integer_binary(function: Binary, a: i64, b: i64) -> Option<i64> {
    match function {
        Binary::Add => a.checked_add(b),
        Binary::Sub => a.checked_sub(b),
        Binary::Mul => a.checked_mul(b),
        Binary::Div => a.checked_div(b),
        Binary::Min => Some(a.min(b)),
        Binary::Max => Some(a.max(b)),
        Binary::Pow => a.checked_pow(u32::try_from(b).ok()?),
        Binary::PRelu => {
            if a < 0 {
                a.checked_mul(b)
            } else {
                Some(a)
            }
        }
    }
}

fn carry_out<'a, T: Element + 'a>(
    moves: &[super::Move],
    inputs: &[&'a Tensor],
    elements: impl Fn(&'a Tensor) -> Option<&'a [T]>,
    fill: T,
    out: &Shape,
) -> Vec<T> {
    let mut result = vec![fill; out.elements()];
    for m in moves {
        let x = elements(inputs[m.operand]).expect("operands of one type");
        m.carry_out(x, &mut result);
    }
    result
}

/// Calls `f` with each result index and the pair of elements that broadcasting puts there.
pub(super) fn each_pair<T: Copy>(shapes: &[&Shape], x: &[&[T]], out: &Shape, mut f: impl FnMut(usize, T, T)) {
    let strides = [broadcast_strides(shapes[0], out), broadcast_strides(shapes[1], out)];
    let out_strides = out.strides();
    for i in 0..out.elements() {
        let at = |operand: usize| -> usize {
            (0..out.len()).map(|axis| i / out_strides[axis] % out[axis] * strides[operand][axis]).sum()
        };
        f(i, x[0][at(0)], x[1][at(1)]);
    }
}

/// The distance between an operand's elements along each axis of the result; zero where it repeats.
pub(crate) fn broadcast_strides(x: &Shape, out: &Shape) -> Vec<usize> {
    let (strides, missing) = (x.strides(), out.len() - x.len());
    let stride = |axis: usize| axis.checked_sub(missing).filter(|&axis| x[axis] != 1).map_or(0, |axis| strides[axis]);
    (0..out.len()).map(stride).collect()
}

/// A shape seen from one axis: elements before it, along it, after it.
pub(crate) fn split_at(shape: &Shape, axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

fn matmul(shapes: &[&Shape], x: &[&[f32]], out: &Shape, result: &mut [f32]) {
    let [m, n] = [out[out.len() - 2], out[out.len() - 1]];
    let k = shapes[0].last();
    for (batch, result) in result.chunks_exact_mut(m * n).enumerate() {
        let [a, b] = [0, 1].map(|i| batch_offset(shapes[i], out, batch));
        for (i, result) in result.iter_mut().enumerate() {
            let product = |p: usize| f64::from(x[0][a + i / n * k + p]) * f64::from(x[1][b + p * n + i % n]);
            *result = (0..k).map(product).sum::<f64>() as f32;
        }
    }
}

/// Where matrix `batch` of a product's result finds its operand: leading axes broadcast.
pub(crate) fn batch_offset(x: &Shape, out: &Shape, batch: usize) -> usize {
    let lead = |shape: &Shape| Shape::new(&shape[..shape.len() - 2]).expect("part of a valid shape");
    let (x_lead, out_lead) = (lead(x), lead(out));
    let (strides, out_strides) = (broadcast_strides(&x_lead, &out_lead), out_lead.strides());
    let matrix = x[x.len() - 2] * x.last();
    (0..out_lead.len()).map(|axis| batch / out_strides[axis] % out_lead[axis] * strides[axis]).sum::<usize>() * matrix
}

/// The sizes `[h, w, c]` of each image of an NHWC batch.
pub(crate) fn image(shape: &Shape) -> [usize; 3] {
    [shape[1], shape[2], shape[3]]
}

impl Conv2d {
    /// The kernel's view of this operator on one image.
    pub(crate) fn geometry(&self, x: &Shape, out: &Shape) -> conv2d::Conv2d {
        conv2d::Conv2d { window: self.window, input: image(x), output: image(out), groups: self.groups }
    }

    fn reference(&self, shapes: &[&Shape], x: &[&[f32]], out: &Shape, result: &mut [f32]) {
        let geometry = self.geometry(shapes[0], out);
        let size = out.elements() / out[0];
        let images = x[0].chunks_exact(x[0].len() / out[0]).zip(result.chunks_exact_mut(size)).enumerate();
        for (i, (image, result)) in images {
            let residual = x.get(3).map(|residual| &residual[i * size..][..size]);
            conv2d::reference(&geometry, image, x[1], x[2], residual, self.activation, result);
        }
    }
}

impl ConvTranspose {
    /// The kernel's view of this operator on one image.
    pub(crate) fn geometry(&self, x: &Shape, out: &Shape) -> conv_transpose::ConvTranspose {
        conv_transpose::ConvTranspose { window: self.window, input: image(x), output: image(out), groups: self.groups }
    }

    fn reference(&self, shapes: &[&Shape], x: &[&[f32]], out: &Shape, result: &mut [f32]) {
        let geometry = self.geometry(shapes[0], out);
        let images = x[0].chunks_exact(x[0].len() / out[0]).zip(result.chunks_exact_mut(out.elements() / out[0]));
        for (image, result) in images {
            conv_transpose::reference(&geometry, image, x[1], x[2], self.activation, result);
        }
    }
}

impl Pool {
    /// The kernel's view of this operator on one image.
    pub(crate) fn geometry(&self, x: &Shape, out: &Shape) -> pool::Pool {
        pool::Pool { window: self.window, input: image(x), output: image(out), kind: self.kind }
    }

    fn reference(&self, shape: &Shape, x: &[f32], out: &Shape, result: &mut [f32]) {
        let geometry = self.geometry(shape, out);
        let images = x.chunks_exact(x.len() / out[0]).zip(result.chunks_exact_mut(out.elements() / out[0]));
        images.for_each(|(image, result)| pool::reference(&geometry, image, result));
    }
}

impl Resize {
    /// The tap tables of rows and columns.
    pub(crate) fn taps(&self, x: &Shape) -> [Vec<resize::Taps>; 2] {
        [0, 1].map(|axis| {
            let mut taps = vec![resize::Taps::default(); self.plane[axis]];
            resize::taps(&self.maps[axis], x[axis + 1], self.plane[axis], &mut taps);
            taps
        })
    }

    fn reference(&self, shape: &Shape, x: &[f32], out: &Shape, result: &mut [f32]) {
        let [rows, columns] = self.taps(shape);
        let images = x.chunks_exact(x.len() / out[0]).zip(result.chunks_exact_mut(out.elements() / out[0]));
        images.for_each(|(x, result)| resize::reference(image(shape), &rows, &columns, x, result));
    }
}
