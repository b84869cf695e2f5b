//! Recurrent layers: LSTM (Hochreiter and Schmidhuber 1997, with forget gates) and GRU (Cho et al. 2014), in one
//! direction.
//!
//! With gates stacked in ONNX's order, `x` `[steps, batch, input]`, `h` and `c` `[batch, hidden]`, σ the sigmoid:
//!
//! - LSTM: `[i, o, f, g] = x·Wᵀ + b + h·Rᵀ + r`, `c' = clip(σ(f)·c + σ(i)·tanh(g))`, `h' = σ(o)·tanh(c')`.
//! - GRU: `[z, s, n] = x·Wᵀ + b`, `[z', s', n'] = h·Rᵀ + r`, `h' = (1 - σ(z + z'))·m + σ(z + z')·h` with
//!   `m = tanh(n + σ(s + s')·n')`, or, where the reset comes first, with `n'` computed from `σ(s + s')·h`.
//!
//! **Cost.** The products with `W` are one matrix multiplication for many steps, so that its weights are read once for
//! all of them; those with `R` are one for each step.
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::reference;

use kernel::{GruCell, LstmCell, Reset};

use crate::epilogue::F32Output;
use crate::pointwise::{self, pointwise};
use crate::{Activation, Isa, Tile};

/// The kind of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// Long short-term memory.
    Lstm {
        /// The largest magnitude of cell states; infinity where they are not clipped.
        clip: f32,
    },
    /// Gated recurrent unit.
    Gru {
        /// Whether the reset gate scales the product of the hidden state with its weights, not the state itself.
        reset_after: bool,
    },
}

impl Cell {
    /// Gates, the candidate among them.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { .. } => 3,
        }
    }

    /// Whether there is a cell state beside the hidden one.
    pub fn has_cell_state(self) -> bool {
        matches!(self, Self::Lstm { .. })
    }

    /// The gates whose products with the hidden state are computed together; those of the others follow.
    fn gates_together(self) -> usize {
        match self {
            Self::Lstm { .. } => 4,
            Self::Gru { reset_after } => 2 + usize::from(reset_after),
        }
    }
}

/// A recurrent layer without its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    /// Its kind.
    pub cell: Cell,
    /// Whether it goes from the last step to the first.
    pub reverse: bool,
    /// Steps of a run.
    pub steps: usize,
    /// Sequences that are independent of each other.
    pub batch: usize,
    /// Numbers of each step.
    pub input: usize,
    /// Numbers of the state.
    pub hidden: usize,
}

/// Rows of inputs that are multiplied at once, at least: their products stay in the second-level cache.
const ROWS: usize = 64;

impl Layer {
    /// Steps whose products with the input weights are computed at once.
    fn block(self) -> usize {
        (ROWS / self.batch.max(1)).clamp(1, self.steps.max(1))
    }

    /// Numbers of the result: the hidden state after each step, and the final cell state of an LSTM.
    pub fn output_len(self) -> usize {
        (self.steps + usize::from(self.cell.has_cell_state())) * self.batch * self.hidden
    }

    /// Rows of scratch, each of all gates.
    pub fn scratch_rows(self) -> usize {
        (self.block() + 2).saturating_mul(self.batch)
    }

    /// The tiles that suit the input weights and the recurrent ones. Choosing costs microseconds: once, when planning.
    pub fn tiles(self, isa: Isa) -> [Tile; 2] {
        let n = self.cell.gates() * self.hidden;
        [
            Tile::choose(isa, self.block() * self.batch, self.input, n),
            Tile::choose(isa, self.batch, self.hidden, self.cell.gates_together() * self.hidden),
        ]
    }

    /// The lengths of the weights that are packed: input weights and recurrent ones.
    pub fn packed_lens(self, isa: Isa, [input, recurrent]: [Tile; 2]) -> [usize; 2] {
        let n = |gates: usize| gates * self.hidden;
        let together = self.cell.gates_together();
        let apart = match self.cell.gates() - together {
            0 => 0,
            gates => pointwise::packed_len(isa, recurrent, self.hidden, n(gates)),
        };
        [
            pointwise::packed_len(isa, input, self.input, n(self.cell.gates())),
            pointwise::packed_len(isa, recurrent, self.hidden, n(together)) + apart,
        ]
    }

    /// Packs input weights `[gates·hidden, input]` and their bias.
    pub fn pack_input(self, isa: Isa, tiles: [Tile; 2], weights: &[f32], bias: &[f32], packed: &mut [f32]) {
        pointwise::pack(isa, tiles[0], self.input, weights, bias, packed);
    }

    /// Packs recurrent weights `[gates·hidden, hidden]` and their bias.
    pub fn pack_recurrent(self, isa: Isa, tiles: [Tile; 2], weights: &[f32], bias: &[f32], packed: &mut [f32]) {
        let tile = tiles[1];
        let (k, n) = (self.hidden, self.cell.gates_together() * self.hidden);
        let (together, apart) = packed.split_at_mut(pointwise::packed_len(isa, tile, k, n));
        pointwise::pack(isa, tile, k, &weights[..n * k], &bias[..n], together);
        if !apart.is_empty() {
            pointwise::pack(isa, tile, k, &weights[n * k..], &bias[n..], apart);
        }
    }

    fn check(self, x: &[f32], initial: [&[f32]; 2], out: &[f32]) {
        let Self { steps, batch, input, hidden, .. } = self;
        assert_eq!(x.len(), steps * batch * input, "x is [steps, batch, input]");
        assert_eq!(initial[0].len(), batch * hidden, "the initial state is [batch, hidden]");
        assert!(!self.cell.has_cell_state() || initial[1].len() == batch * hidden, "and so is that of the cell");
        assert_eq!(out.len(), self.output_len(), "a state for each step and the final cell");
    }
}

/// Runs a layer from an `initial` hidden state and, for an LSTM, cell state. `out` gets the hidden state after each
/// step, in the order of the steps of `x`, and then the final cell state of an LSTM. `weights` are packed for `tiles` by
/// [`Layer::pack_input`] and [`Layer::pack_recurrent`]; `scratch` has [`Layer::scratch_rows`] times all gates.
#[allow(clippy::too_many_arguments)]
pub fn recurrent(
    isa: Isa,
    layer: Layer,
    tiles: [Tile; 2],
    x: &[f32],
    initial: [&[f32]; 2],
    weights: [&[f32]; 2],
    scratch: &mut [f32],
    out: &mut [f32],
) {
    layer.check(x, initial, out);
    let Layer { cell, reverse, steps, batch, input, hidden } = layer;
    let (len, row) = (batch * hidden, cell.gates() * hidden);
    let (states, cells) = out.split_at_mut(steps * len);
    if cell.has_cell_state() {
        cells.copy_from_slice(initial[1]);
    }
    let (projected, scratch) = scratch.split_at_mut(layer.block() * batch * row);
    let [tile, step_tile] = tiles;
    for first in (0..steps).step_by(layer.block()) {
        let count = layer.block().min(steps - first);
        let begin = if reverse { steps - first - count } else { first };
        let out = &mut projected[..count * batch * row];
        let output = F32Output { residual: None, activation: Activation::Identity, out };
        pointwise(isa, tile, [input, row], &x[begin * batch * input..][..count * batch * input], weights[0], output);
        for i in 0..count {
            let i = if reverse { count - 1 - i } else { i };
            let step = begin + i;
            let (before, rest) = states.split_at_mut(step * len);
            let (state, after) = rest.split_at_mut(len);
            let previous = match if reverse { steps - 1 - step } else { step } {
                0 => initial[0],
                _ if reverse => &after[..len],
                _ => &before[(step - 1) * len..],
            };
            let projected = &projected[i * batch * row..][..batch * row];
            Step { isa, layer, tile: step_tile, projected, previous, weights: weights[1], scratch, state, cell: cells }
                .run();
        }
    }
}

/// A step of a layer.
struct Step<'a> {
    isa: Isa,
    layer: Layer,
    tile: Tile,
    projected: &'a [f32],
    previous: &'a [f32],
    weights: &'a [f32],
    scratch: &'a mut [f32],
    state: &'a mut [f32],
    cell: &'a mut [f32],
}

impl Step<'_> {
    fn run(self) {
        let Self { isa, layer, tile, projected, previous, weights, scratch, state, cell } = self;
        let Layer { cell: kind, batch, hidden, .. } = layer;
        let multiply = |x: &[f32], weights: &[f32], n: usize, out: &mut [f32]| {
            let output = F32Output { residual: None, activation: Activation::Identity, out };
            pointwise(isa, tile, [hidden, n], x, weights, output);
        };
        let together = kind.gates_together() * hidden;
        let (together_weights, apart) = weights.split_at(pointwise::packed_len(isa, tile, hidden, together));
        let (products, scratch) = scratch.split_at_mut(batch * together);
        multiply(previous, together_weights, together, products);
        match kind {
            Cell::Lstm { clip } => isa.run(LstmCell { hidden, clip, projected, products, cell, state }),
            Cell::Gru { reset_after: true } => {
                isa.run(GruCell { hidden, projected, products, candidates: None, previous, state });
            }
            Cell::Gru { reset_after: false } => {
                let (reset, candidates) = scratch.split_at_mut(batch * hidden);
                isa.run(Reset { hidden, projected, products, previous, reset });
                let candidates = &mut candidates[..batch * hidden];
                multiply(reset, apart, hidden, candidates);
                isa.run(GruCell { hidden, projected, products, candidates: Some(candidates), previous, state });
            }
        }
    }
}
