use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytemuck::cast_slice_mut;
#[cfg(feature = "int8")]
use sepconv_kernels::quantized;
use sepconv_kernels::{Activation, Isa, elementwise};

use super::rows::take_front;
use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::Shape;
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
#[cfg(feature = "int8")]
use crate::op::QBinary;
use crate::op::{self, BinaryFunction, UnaryFunction, broadcast_strides};

/// A function of two f32 operands.
#[derive(Debug)]
pub(crate) struct Binary {
    function: BinaryFunction,
    activation: Activation,
    broadcast: Broadcast,
}

/// A function of two u8 operands.
#[cfg(feature = "int8")]
#[derive(Debug)]
pub(crate) struct BinaryInt8 {
    pair: quantized::QuantizedBinary,
    broadcast: Broadcast,
}

/// How the operands of a binary function are broadcast.
#[derive(Debug)]
enum Broadcast {
    /// A short operand repeats.
    Periodic(PeriodicBroadcast),
    /// Any other case.
    Strided { dims: Vec<usize>, strides: [Vec<usize>; 2] },
}

/// Each operand has `periods[i]` elements for every `period` of the result, repeated as needed to fill it.
#[derive(Debug)]
struct PeriodicBroadcast {
    period: usize,
    periods: [usize; 2],
}

pub(super) fn select(op: &op::Binary, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let broadcast = Broadcast::new([0, 1].map(|i| lowering.shape(i)), lowering.output());
    let reason = broadcast.reason();
    let kernel = Binary { function: op.function, activation: op.activation, broadcast };
    lowering.choice(kernel.into(), "binary", &reason)
}

#[cfg(feature = "int8")]
pub(super) fn select_int8(op: &QBinary, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let broadcast = Broadcast::new([0, 1].map(|i| lowering.shape(i)), lowering.output());
    let reason = broadcast.reason();
    lowering.choice(BinaryInt8 { pair: op.pair(), broadcast }.into(), "binary_int8", &reason)
}

impl Kernel for Binary {
    fn work_item_len(&self, _: Isa, len: usize) -> usize {
        self.broadcast.work_item_len(len)
    }

    fn run(&self, task: Task<'_>) {
        let Self { function, activation, broadcast } = self;
        let Task { isa, operands, first, .. } = task;
        let (x, out) = ([0, 1].map(|i| operands.get(i)), cast_slice_mut(task.out));
        match broadcast {
            Broadcast::Periodic(periodic) => periodic.for_each_run(x, first, out, |a, b, out| {
                elementwise::binary(isa, *function, a, b, *activation, out);
            }),
            Broadcast::Strided { dims, strides: [a, b] } => {
                elementwise::binary_strided(*function, dims, x[0], a, x[1], b, out);
                if *activation != Activation::Identity {
                    elementwise::unary_in_place(isa, UnaryFunction::Activation(*activation), out);
                }
            }
        }
    }
}

#[cfg(feature = "int8")]
impl BinaryInt8 {
    /// The call, where one does: operands that are as long as the result, or of which one repeats through all of it.
    pub(crate) fn call(&self, len: usize) -> Option<KernelCall<'_>> {
        match self.broadcast {
            Broadcast::Periodic(PeriodicBroadcast { period, periods: [a, b] })
                if period == len || (a == period && b == period) =>
            {
                Some(KernelCall::Binary(self.pair))
            }
            Broadcast::Periodic(_) | Broadcast::Strided { .. } => None,
        }
    }
}

#[cfg(feature = "int8")]
impl Kernel for BinaryInt8 {
    fn work_item_len(&self, _: Isa, len: usize) -> usize {
        self.broadcast.work_item_len(len)
    }

    fn run(&self, task: Task<'_>) {
        let Self { pair, broadcast } = self;
        let Task { isa, operands, first, out, .. } = task;
        let x = [0, 1].map(|i| operands.get(i));
        match broadcast {
            Broadcast::Periodic(periodic) => {
                periodic.for_each_run(x, first, out, |a, b, out| quantized::binary(isa, pair, a, b, out));
            }
            Broadcast::Strided { dims, strides } => for_each_strided(dims, strides, x, out, |a, b| pair.apply(a, b)),
        }
    }
}

impl Broadcast {
    fn new(shapes: [&Shape; 2], out: &Shape) -> Self {
        let strides = shapes.map(|shape| broadcast_strides(shape, out));
        let dense = out.strides();
        // Leading axes that both operands walk along, then axes that only one does, then axes that both do again: a
        // short operand repeats within each period.
        let runs_along = |operand: usize, axis: usize| out[axis] == 1 || strides[operand][axis] != 0;
        let both = |axis: &usize| runs_along(0, *axis) && runs_along(1, *axis);
        let shared = (0..out.len()).take_while(both).count();
        let elements = |operand: usize| {
            (shared..out.len()).filter(|&axis| runs_along(operand, axis)).map(|axis| out[axis]).product()
        };
        let repeats = |operand: usize| {
            let first = (shared..out.len()).find(|&axis| out[axis] > 1 && runs_along(operand, axis));
            (first.unwrap_or(out.len())..out.len()).all(|axis| runs_along(operand, axis))
        };
        let full = |operand: usize| (shared..out.len()).all(|axis| runs_along(operand, axis));
        let simple = (full(0) && repeats(1)) || (full(1) && repeats(0));
        let period = if shared == 0 { out.elements() } else { dense[shared - 1] };
        match simple {
            true => Self::Periodic(PeriodicBroadcast { period, periods: [elements(0), elements(1)] }),
            false => Self::Strided { dims: out.to_vec(), strides },
        }
    }

    /// The broadcast in words.
    fn reason(&self) -> String {
        match self {
            Self::Periodic(PeriodicBroadcast { period, periods: [a, b] }) if a == b && a == period => {
                "same shapes".to_string()
            }
            Self::Periodic(PeriodicBroadcast { period, periods: [a, b] }) => {
                format!("{a} and {b} elements repeat every {period}")
            }
            Self::Strided { .. } => "broadcast by strides".to_string(),
        }
    }

    /// Elements in a work item of a result of `len` elements.
    fn work_item_len(&self, len: usize) -> usize {
        match self {
            // The shorter operand begins with each item.
            Self::Periodic(PeriodicBroadcast { periods: [a, b], .. }) => {
                let short = *a.min(b).max(&1);
                short * BLOCK.div_ceil(short)
            }
            Self::Strided { .. } => len,
        }
    }
}

impl PeriodicBroadcast {
    /// Calls `f` with each run of the result, the first of which begins at element `first`, and its operands: runs of
    /// the same length, or shorter ones that repeat.
    fn for_each_run<T>(&self, x: [&[T]; 2], first: usize, mut out: &mut [T], mut f: impl FnMut(&[T], &[T], &mut [T])) {
        let Self { period, periods } = self;
        // Operands as long as the result run along with it; the others start again with each period.
        let operand = |i: usize, from: usize, len: usize| match periods[i] == *period {
            true => &x[i][from..][..len],
            false => &x[i][from / period * periods[i]..][..periods[i]],
        };
        let whole = periods.iter().all(|p| p == period);
        let mut from = first;
        while !out.is_empty() {
            let len = if whole { out.len() } else { out.len().min(period - from % period) };
            f(operand(0, from, len), operand(1, from, len), take_front(&mut out, len));
            from += len;
        }
    }
}

/// Calls `f` with the operands of each element of the result, by strides: for what is too rare to be fast.
#[cfg(feature = "int8")]
fn for_each_strided<T: Copy>(
    dims: &[usize],
    strides: &[Vec<usize>; 2],
    x: [&[T]; 2],
    out: &mut [T],
    f: impl Fn(T, T) -> T,
) {
    for (i, out) in out.iter_mut().enumerate() {
        let (mut rest, mut at) = (i, [0; 2]);
        for axis in (0..dims.len()).rev() {
            let index = rest % dims[axis];
            rest /= dims[axis];
            at = [0, 1].map(|operand| at[operand] + index * strides[operand][axis]);
        }
        *out = f(x[0][at[0]], x[1][at[1]]);
    }
}
