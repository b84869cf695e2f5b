use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::Activation;

use super::{ConvKind, Convolution, Op};
use crate::{DType, Result, Shape, Tensor, Value};

/// What defines an operator; how it runs fast is decided by [`Plan`](crate::Plan).
///
/// The questions above the line have no default: an operator that does not answer them does not compile. Those below
/// concern single passes, and "no" is always a correct answer.
pub(crate) trait Operator {
    /// The name, as it is printed: `conv2d`.
    fn name(&self) -> &'static str;

    /// Writes the operator with its parameters in short: `conv2d 3x3/2 relu6`, `mean [1,2]`.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// How many operands it takes.
    fn operands(&self) -> RangeInclusive<usize>;

    /// The shape and dtype of the result. Checks dtypes and shapes of the operands and the operator's own parameters;
    /// the number of operands is checked before.
    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)>;

    /// What one evaluation costs; `output` is the shape of the result.
    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost;

    /// Memory that planning or running needs beside operands and result, as the shape of a tensor that is at least as
    /// large.
    ///
    /// # Errors
    /// When it is larger than the address space.
    fn workspace(&self, inputs: &[&Value], output: &Shape) -> Result<Option<Shape>>;

    /// The definition: the result for known operands, where `output` is the shape that [`infer`](Self::infer) gave.
    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor>;

    /// The layout rule: the same operator on operands whose axis `i` is stored as axis `order[i]`, and the order of the
    /// result's axes then. `rank` is that of the result. `None` where the axes must stay in place.
    fn permuted(&self, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)>;

    /// Whether training changes operand `i`, if `operand` is a constant.
    fn is_parameter(&self, i: usize, operand: &Value) -> bool;

    // ----------------------------------------------------------------------------------------------------------------------

    /// As [`describe`](Self::describe), as a layer on that many input channels: convolutions are named by their kind,
    /// as `depthwise 3x3/2 relu6`.
    fn describe_layer(&self, f: &mut fmt::Formatter<'_>, channels: usize) -> fmt::Result {
        let _ = channels;
        self.describe(f)
    }

    /// The kind of a convolution of that many input channels.
    fn conv_kind(&self, channels: usize) -> Option<ConvKind> {
        let _ = channels;
        None
    }

    /// The operator as a convolution whose result has the dtype of its input.
    fn as_convolution(&self) -> Option<Convolution<'_>> {
        None
    }

    /// Whether this is the mean over height and width of NHWC feature maps.
    fn is_global_mean(&self) -> bool {
        false
    }

    /// Whether the result may be stored where the first operand is.
    fn aliasing(&self) -> Aliasing {
        Aliasing::Never
    }

    /// Whether the result equals the first operand.
    fn is_identity(&self, inputs: &[&Value]) -> bool {
        let _ = inputs;
        false
    }

    /// The axis of a result of integers of which only a first part is used, as much as the data says; what is left over
    /// is -1.
    fn open_axis(&self) -> Option<usize> {
        None
    }

    /// The operator on elements in another encoding that keeps their order, where each element of the result is one of
    /// the operand's or `encode` of a constant.
    #[cfg_attr(not(feature = "int8"), expect(dead_code, reason = "only lowering to int8 asks"))]
    fn recoded(&self, encode: &dyn Fn(f32) -> Option<f32>) -> Option<Op> {
        let _ = encode;
        None
    }

    /// The operator with an activation as its last step, where it has that step and does not use it yet.
    fn with_activation(&self, activation: Activation) -> Option<Op> {
        let _ = activation;
        None
    }
}

/// Whether a result may be stored where its first operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aliasing {
    Never,
    /// Each element can replace the one that it is computed from.
    InPlace,
    /// The bytes are those of the operand: there is nothing to compute.
    Always,
}

/// The cost of one evaluation.
pub(crate) struct Cost {
    /// Multiply-accumulates, as papers count them: those of convolutions, fully connected layers and matrix products.
    pub(crate) macs: u64,
    /// Elements read for one element of the result, as limits count them: the taps of a window, 1 without a window.
    pub(crate) taps: u64,
}

impl Cost {
    /// One pass over the operands.
    pub(super) const ONE_PASS: Self = Self { macs: 0, taps: 1 };
}

/// No workspace beside operands and result.
pub(super) const NO_WORKSPACE: Result<Option<Shape>> = Ok(None);

/// The layout rule of operators that treat all axes alike: the order stays, unless an operand is broadcast to a higher
/// rank.
pub(super) fn any_order(op: impl Into<Op>, order: &[usize], rank: usize) -> Option<(Op, Vec<usize>)> {
    (rank == order.len()).then(|| (op.into(), order.to_vec()))
}

/// Entries for each axis of a value as entries for each axis of what stores it in `order`.
pub(super) fn reordered<T: Copy>(entries: &[T], order: &[usize]) -> Vec<T> {
    crate::interpret::inverse(order).iter().map(|&axis| entries[axis]).collect()
}
