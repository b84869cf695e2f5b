use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::operator::NO_WORKSPACE;
use super::{Cost, Op, Operator};
use crate::{DType, Result, Shape, Tensor, TensorView, TensorViewMut, Value};

/// A definition that a plan runs as it is.
pub(crate) trait Compute: fmt::Debug + Send + Sync {
    /// Fills `output` and allocates nothing. `scratch` has at least [`scratch_words`](Self::scratch_words).
    fn compute(&self, inputs: &[TensorView<'_>], output: &mut TensorViewMut<'_>, scratch: &mut [u64]);

    /// Words of 8 bytes that one evaluation needs.
    fn scratch_words(&self, shapes: &[&Shape]) -> usize {
        let _ = shapes;
        0
    }
}

/// An operator on few elements: indices, comparisons, selections.
pub(crate) trait Loops: Compute {
    /// See [`Operator::name`].
    fn name(&self) -> &'static str;

    /// See [`Operator::describe`].
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// See [`Operator::operands`].
    fn operands(&self) -> RangeInclusive<usize>;

    /// See [`Operator::infer`].
    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)>;

    /// See [`Operator::permuted`].
    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)>;

    // ----------------------------------------------------------------------------------------------------------------------

    /// See [`Cost::taps`].
    fn taps(&self, inputs: &[&Value]) -> u64 {
        let _ = inputs;
        1
    }

    /// See [`Operator::open_axis`].
    fn open_axis(&self) -> Option<usize> {
        None
    }

    /// See [`Operator::recoded`].
    fn recoded(&self) -> Option<Op> {
        None
    }
}

impl<T: Loops> Operator for T {
    fn name(&self) -> &'static str {
        Loops::name(self)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Loops::describe(self, f)
    }

    fn operands(&self) -> RangeInclusive<usize> {
        Loops::operands(self)
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        Loops::infer(self, inputs)
    }

    fn cost(&self, inputs: &[&Value], _: &Shape) -> Cost {
        Cost { macs: 0, taps: self.taps(inputs) }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        let shapes: Vec<&Shape> = inputs.iter().map(|value| &value.shape).collect();
        match self.scratch_words(&shapes) {
            0 => NO_WORKSPACE,
            words => Shape::new([words]).map(Some),
        }
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let values = inputs.iter().map(|tensor| Value {
            name: Default::default(),
            shape: tensor.shape().clone(),
            dtype: tensor.dtype(),
            constant: None,
        });
        let values: Vec<Value> = values.collect();
        let (_, dtype) = Loops::infer(self, &values.iter().collect::<Vec<_>>())?;
        let mut result = Tensor::zeros(output.clone(), dtype);
        let shapes: Vec<&Shape> = inputs.iter().map(|tensor| tensor.shape()).collect();
        let mut scratch = vec![0; self.scratch_words(&shapes)];
        let views: Vec<TensorView<'_>> = inputs.iter().map(|&tensor| tensor.into()).collect();
        if output.elements() > 0 {
            self.compute(&views, &mut (&mut result).into(), &mut scratch);
        }
        Ok(result)
    }

    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
        Loops::permuted(self, order, rank)
    }

    fn is_parameter(&self, _: usize, _: &Value) -> bool {
        false
    }

    fn open_axis(&self) -> Option<usize> {
        Loops::open_axis(self)
    }

    fn recoded(&self, _: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        Loops::recoded(self)
    }
}

/// A run of elements of an operand: the index of the first, and the distance to the next.
pub(super) type Run = (usize, usize);

/// Calls `f` for each run of the result that is contiguous in it, with its first index and its length, and with what
/// each operand broadcasts to it.
pub(super) fn for_each_run<const N: usize>(
    shapes: [&[usize]; N],
    output: &[usize],
    f: &mut dyn FnMut(usize, usize, [Run; N]),
) {
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let elements = count(output);
    if elements == 0 {
        return;
    }
    if shapes.iter().all(|shape| count(shape) == elements || count(shape) == 1) {
        return f(0, elements, shapes.map(|shape| (0, usize::from(count(shape) > 1))));
    }
    let strides = shapes.map(|shape| strides_in(shape, output));
    let last = output.len() - 1;
    let mut index = [0; Shape::MAX_RANK];
    for first in (0..elements).step_by(output[last]) {
        let start = |strides: &[usize; Shape::MAX_RANK]| index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
        f(first, output[last], strides.map(|strides| (start(&strides), strides[last])));
        for axis in (0..last).rev() {
            index[axis] += 1;
            if index[axis] < output[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// The distance between an operand's elements along each axis of the result; zero where it repeats.
fn strides_in(shape: &[usize], output: &[usize]) -> [usize; Shape::MAX_RANK] {
    let (mut strides, mut stride) = ([0; Shape::MAX_RANK], 1);
    for (axis, &size) in (0..output.len()).rev().zip(shape.iter().rev()) {
        if size != 1 {
            strides[axis] = stride;
        }
        stride *= size;
    }
    strides
}

/// An integer that is as an element of any dtype is to others. NaN is greater than every number, or less.
pub(super) fn order_key(x: &TensorView<'_>, i: usize) -> i64 {
    match x.dtype() {
        DType::F32 => f32_key(x.elements::<f32>()[i]),
        DType::I64 => x.elements::<i64>()[i],
        DType::U8 => x.bytes()[i].into(),
        DType::I8 => (x.bytes()[i] as i8).into(),
    }
}

/// An integer that is as `x` is to other numbers; both zeros are one.
pub(super) fn f32_key(x: f32) -> i64 {
    let bits = (x + 0.0).to_bits() as i32;
    (bits ^ (((bits >> 31) as u32) >> 1) as i32).into()
}
