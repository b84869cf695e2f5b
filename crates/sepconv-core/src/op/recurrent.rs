use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use sepconv_kernels::recurrent::{Layer, reference};

pub use sepconv_kernels::recurrent::Cell;

use super::check::{expect_f32, expect_shape, f32_elements, f32_tensor};
use super::{Cost, Op, Operator};
use crate::{DType, Error, Result, Shape, Tensor, Value};

/// An LSTM or GRU in one direction: `x[t,n,k]` of `t` steps, `weights[g·h,k]` and recurrent ones `[g·h,h]` for `g`
/// gates in ONNX's order, the biases of both, `[2·g·h]`, the initial hidden state `[n,h]` and, for an LSTM, cell state
/// `[n,h]`. The result is the hidden state after each step, `[t,n,h]`, in the order of `x`; that of an LSTM has the
/// final cell state behind, `[t+1,n,h]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// What each step computes.
    pub cell: Cell,
    /// Whether the last step comes first.
    pub reverse: bool,
}

impl Recurrent {
    /// The sizes of the layer, where `shape` gives those of operands.
    pub(crate) fn layer<'a>(&self, shape: impl Fn(usize) -> &'a Shape) -> Result<Layer> {
        let wrong = |what: &str, expected: &str, shape: &Shape| {
            Error::mismatch(alloc::format!("{what} of a recurrent layer have the wrong shape"))
                .expected(expected, shape)
        };
        let (x, recurrent) = (shape(0), shape(2));
        let &[steps, batch, input] = &**x else { return Err(wrong("steps", "3 axes", x)) };
        let &[rows, hidden] = &**recurrent else { return Err(wrong("recurrent weights", "2 axes", recurrent)) };
        // A clip that is not positive would leave nothing of a state, or be none.
        if let Cell::Lstm { clip } = self.cell
            && (clip.is_nan() || clip <= 0.0)
        {
            return Err(Error::mismatch("clip of cell states is not positive").expected("a positive number", clip));
        }
        if steps == 0 || input == 0 || hidden == 0 {
            return Err(wrong("steps", "a step, inputs and a state", x));
        }
        if hidden.checked_mul(self.cell.gates()) != Some(rows) {
            return Err(wrong("recurrent weights", "[gates·hidden,hidden]", recurrent));
        }
        let Self { cell, reverse } = *self;
        Ok(Layer { cell, reverse, steps, batch, input, hidden })
    }
}

impl Operator for Recurrent {
    fn name(&self) -> &'static str {
        match self.cell {
            Cell::Lstm { .. } => "lstm",
            Cell::Gru { .. } => "gru",
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name(), if self.reverse { " reverse" } else { "" })
    }

    fn operands(&self) -> RangeInclusive<usize> {
        match self.cell {
            Cell::Lstm { .. } => 6..=6,
            Cell::Gru { .. } => 5..=5,
        }
    }

    fn infer(&self, inputs: &[&Value]) -> Result<(Shape, DType)> {
        let dtype = expect_f32(inputs)?;
        let layer = self.layer(|i| &inputs[i].shape)?;
        let rows = layer.hidden * self.cell.gates();
        expect_shape("weights", &inputs[1].shape, &[rows, layer.input])?;
        expect_shape("bias", &inputs[3].shape, &[2 * rows])?;
        for state in &inputs[4..] {
            expect_shape("initial state", &state.shape, &[layer.batch, layer.hidden])?;
        }
        let slots = layer.steps + usize::from(self.cell.has_cell_state());
        Ok((Shape::new([slots, layer.batch, layer.hidden])?, dtype))
    }

    fn cost(&self, inputs: &[&Value], output: &Shape) -> Cost {
        let products = (inputs[0].shape.last() as u64).saturating_add(output.last() as u64);
        let [steps, batch] = [0, 1].map(|axis| inputs[0].shape[axis] as u64);
        let gates = (self.cell.gates() as u64).saturating_mul(output.last() as u64);
        let macs = steps.saturating_mul(batch).saturating_mul(gates).saturating_mul(products);
        Cost { macs, ..Cost::ONE_PASS }
    }

    fn workspace(&self, inputs: &[&Value], _: &Shape) -> Result<Option<Shape>> {
        let layer = self.layer(|i| &inputs[i].shape)?;
        Shape::new([layer.scratch_rows(), self.cell.gates(), layer.hidden]).map(Some)
    }

    fn evaluate(&self, inputs: &[&Tensor], output: &Shape) -> Result<Tensor> {
        let x = f32_elements(inputs)?;
        let layer = self.layer(|i| inputs[i].shape())?;
        let cell = x.get(5).copied().unwrap_or_default();
        let (bias, recurrent_bias) = x[3].split_at(x[3].len() / 2);
        let (weights, biases) = ([x[1], x[2]], [bias, recurrent_bias]);
        f32_tensor(output, |result| reference(layer, x[0], [x[4], cell], weights, biases, result))
    }

    fn permuted(&self, _: &[usize], _: usize) -> Option<(Op, Vec<usize>)> {
        None
    }

    fn is_parameter(&self, i: usize, _: &Value) -> bool {
        (1..=3).contains(&i)
    }
}
