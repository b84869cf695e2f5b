use super::{Cell, Layer};

/// The definition, in double precision: `weights` are `[gates·hidden, input]` and `[gates·hidden, hidden]`, each of
/// `biases` `[gates·hidden]`; the rest as in [`recurrent`](super::recurrent).
pub fn reference(
    layer: Layer,
    x: &[f32],
    initial: [&[f32]; 2],
    weights: [&[f32]; 2],
    biases: [&[f32]; 2],
    out: &mut [f32],
) {
    layer.check(x, initial, out);
    let Layer { cell, reverse, steps, batch, input, hidden } = layer;
    let len = batch * hidden;
    for sequence in 0..batch {
        for turn in 0..steps {
            let step = |turn: usize| if reverse { steps - 1 - turn } else { turn };
            let x = &x[(step(turn) * batch + sequence) * input..][..input];
            for i in 0..hidden {
                let h = |out: &[f32], i: usize| match turn {
                    0 => f64::from(initial[0][sequence * hidden + i]),
                    _ => f64::from(out[step(turn - 1) * len + sequence * hidden + i]),
                };
                let dot = |gate: usize, which: usize, i: usize, k: usize, x: &dyn Fn(usize) -> f64| {
                    let row = gate * hidden + i;
                    let products = (0..k).map(|j| f64::from(weights[which][row * k + j]) * x(j));
                    f64::from(biases[which][row]) + products.sum::<f64>()
                };
                let given = |gate: usize, i: usize| dot(gate, 0, i, input, &|j| f64::from(x[j]));
                let product = |gate: usize, i: usize| dot(gate, 1, i, hidden, &|j| h(out, j));
                let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
                let gate = |gate: usize, i: usize| sigmoid(given(gate, i) + product(gate, i));
                let place = step(turn) * len + sequence * hidden + i;
                match cell {
                    Cell::Lstm { clip } => {
                        let slot = steps * len + sequence * hidden + i;
                        let before = if turn == 0 { initial[1][sequence * hidden + i] } else { out[slot] };
                        let candidate = libm::tanh(given(3, i) + product(3, i));
                        let (low, high) = (-f64::from(clip), f64::from(clip));
                        let c = (gate(2, i) * f64::from(before) + gate(0, i) * candidate).clamp(low, high);
                        let state = gate(1, i) * libm::tanh(c);
                        (out[slot], out[place]) = (c as f32, state as f32);
                    }
                    Cell::Gru { reset_after } => {
                        let recurrent = match reset_after {
                            true => gate(1, i) * product(2, i),
                            false => dot(2, 1, i, hidden, &|j| gate(1, j) * h(out, j)),
                        };
                        let (candidate, update) = (libm::tanh(given(2, i) + recurrent), gate(0, i));
                        out[place] = ((1.0 - update) * candidate + update * h(out, i)) as f32;
                    }
                }
            }
        }
    }
}
