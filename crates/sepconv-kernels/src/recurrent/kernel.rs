use crate::Activation::{Clip, Sigmoid, Tanh};
use crate::activation::apply;
use crate::simd::{Kernel, Simd};

/// The cell and hidden state of an LSTM, for each sequence from its gates' products with input and state.
pub(super) struct LstmCell<'a> {
    pub(super) hidden: usize,
    pub(super) clip: f32,
    pub(super) projected: &'a [f32],
    pub(super) products: &'a [f32],
    /// The state before the step, and after.
    pub(super) cell: &'a mut [f32],
    pub(super) state: &'a mut [f32],
}

/// Gates of a sequence: the sums of two products each.
struct Gates<'a> {
    hidden: usize,
    projected: &'a [f32],
    products: &'a [f32],
}

impl Gates<'_> {
    /// A vector of gate `gate` before its activation.
    #[inline(always)]
    fn sum<S: Simd>(&self, simd: S, gate: usize, at: usize) -> S::F32 {
        let gate = gate * self.hidden..(gate + 1) * self.hidden;
        let (projected, products) = (&self.projected[gate.clone()][at..], &self.products[gate][at..]);
        simd.add(simd.load_part(projected), simd.load_part(products))
    }
}

impl<S: Simd> Kernel<S> for LstmCell<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { hidden, clip, projected, products, cell, state } = self;
        let clip = Clip { low: -clip, high: clip };
        let rows = projected.chunks_exact(4 * hidden).zip(products.chunks_exact(4 * hidden));
        let states = cell.chunks_exact_mut(hidden).zip(state.chunks_exact_mut(hidden));
        for ((projected, products), (cell, state)) in rows.zip(states) {
            let gates = Gates { hidden, projected, products };
            let parts = cell.chunks_mut(S::LANES).zip(state.chunks_mut(S::LANES));
            for ((cell, state), at) in parts.zip((0..).step_by(S::LANES)) {
                let input = apply(simd, Sigmoid, gates.sum(simd, 0, at));
                let output = apply(simd, Sigmoid, gates.sum(simd, 1, at));
                let forget = apply(simd, Sigmoid, gates.sum(simd, 2, at));
                let candidate = apply(simd, Tanh, gates.sum(simd, 3, at));
                let kept = simd.mul(forget, simd.load_part(cell));
                let c = apply(simd, clip, simd.mul_add(input, candidate, kept));
                simd.store_part(c, cell);
                simd.store_part(simd.mul(output, apply(simd, Tanh, c)), state);
            }
        }
    }
}

/// The hidden state of a GRU that its reset gate scales.
pub(super) struct Reset<'a> {
    pub(super) hidden: usize,
    pub(super) projected: &'a [f32],
    pub(super) products: &'a [f32],
    pub(super) previous: &'a [f32],
    pub(super) reset: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Reset<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { hidden, projected, products, previous, reset } = self;
        let rows = projected.chunks_exact(3 * hidden).zip(products.chunks_exact(2 * hidden));
        let states = previous.chunks_exact(hidden).zip(reset.chunks_exact_mut(hidden));
        for ((projected, products), (previous, reset)) in rows.zip(states) {
            let gates = Gates { hidden, projected, products };
            let parts = previous.chunks(S::LANES).zip(reset.chunks_mut(S::LANES));
            for ((previous, reset), at) in parts.zip((0..).step_by(S::LANES)) {
                let gate = apply(simd, Sigmoid, gates.sum(simd, 1, at));
                simd.store_part(simd.mul(gate, simd.load_part(previous)), reset);
            }
        }
    }
}

/// The hidden state of a GRU.
pub(super) struct GruCell<'a> {
    pub(super) hidden: usize,
    pub(super) projected: &'a [f32],
    pub(super) products: &'a [f32],
    /// The products of the scaled state, where the reset comes first; else the last of `products` are scaled.
    pub(super) candidates: Option<&'a [f32]>,
    pub(super) previous: &'a [f32],
    pub(super) state: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for GruCell<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let Self { hidden, projected, products, candidates, previous, state } = self;
        let width = if candidates.is_some() { 2 } else { 3 } * hidden;
        let rows = projected.chunks_exact(3 * hidden).zip(products.chunks_exact(width));
        let states = previous.chunks_exact(hidden).zip(state.chunks_exact_mut(hidden));
        for (row, ((projected, products), (previous, state))) in rows.zip(states).enumerate() {
            let gates = Gates { hidden, projected, products };
            let parts = previous.chunks(S::LANES).zip(state.chunks_mut(S::LANES));
            for ((previous, state), at) in parts.zip((0..).step_by(S::LANES)) {
                let given = simd.load_part(&projected[2 * hidden..][at..]);
                let candidate = match candidates {
                    Some(products) => simd.add(given, simd.load_part(&products[row * hidden..][..hidden][at..])),
                    None => {
                        let reset = apply(simd, Sigmoid, gates.sum(simd, 1, at));
                        simd.mul_add(reset, simd.load_part(&products[2 * hidden..][at..]), given)
                    }
                };
                let candidate = apply(simd, Tanh, candidate);
                let update = apply(simd, Sigmoid, gates.sum(simd, 0, at));
                let distance = simd.sub(simd.load_part(previous), candidate);
                simd.store_part(simd.mul_add(update, distance, candidate), state);
            }
        }
    }
}
