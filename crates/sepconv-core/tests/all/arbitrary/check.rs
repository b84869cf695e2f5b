//! Whether plans give what the interpreter gives, where rounding leaves an answer.

use std::collections::BTreeMap;

use sepconv_core::{ErrorKind, Graph, Limits, Plan, Session, Tensor, ValueId, interpret, passes::optimize};
use sepconv_kernels::Isa;

use crate::common::Backwards;

/// What came of comparing plans.
#[derive(Default)]
pub(crate) struct Compared {
    /// How many were: of the graph as it is and as the passes leave it, for every instruction set.
    pub(crate) plans: usize,
    /// Those among them that are equal only in what rounding leaves.
    pub(crate) excused: usize,
}

/// Compares all plans of a graph with the interpreter.
pub(crate) fn check(seed: u64, graph: Graph, inputs: &[Tensor]) -> Compared {
    let mut compared = Compared::default();
    let Ok(expected) = interpret(&graph, inputs) else { return compared };
    let original = graph.clone();
    let optimized = optimize(graph.clone()).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{graph}"));
    for graph in [graph, optimized] {
        for (isa, threads) in Isa::available_f32().zip([1, 3, 2].into_iter().cycle()) {
            let plan = match Plan::new(&graph, isa, threads, &Limits::default()) {
                Ok(plan) => plan,
                // Weights that are computed, and integers.
                Err(error) if error.kind() == ErrorKind::Unsupported => continue,
                Err(error) => panic!("seed {seed}: {error}\n{graph}"),
            };
            let mut session = Session::new(plan).unwrap();
            let got = session.run(&inputs.iter().collect::<Vec<_>>(), &Backwards(threads)).unwrap();
            compared.plans += 1;
            if expected.iter().zip(got).all(|(expected, got)| same(expected, got, &[])) {
                continue;
            }
            compared.excused += 1;
            let shaken = [1, 2, 3].map(|noise| shaken(&original, inputs, noise));
            let Some(shaken) = shaken.into_iter().collect::<Option<Vec<_>>>() else { continue };
            for (i, (expected, got)) in expected.iter().zip(got).enumerate() {
                let shaken: Vec<&Tensor> = shaken.iter().map(|outputs| &outputs[i]).collect();
                assert!(
                    same(expected, got, &shaken),
                    "seed {seed} on {isa}: expected {expected:?}, got {got:?}, shaken {shaken:?}\n{graph}"
                );
            }
        }
    }
    compared
}

/// Equal shapes, and numbers equal but for rounding; NaN is NaN and infinity infinity. Where noise changes a number,
/// rounding may too, as much.
fn same(expected: &Tensor, got: &Tensor, shaken: &[&Tensor]) -> bool {
    let (Some(e), Some(g)) = (expected.as_f32(), got.as_f32()) else { return expected == got };
    let near = |i: usize| {
        let (e, g) = (e[i], g[i]);
        let alike = |x: f32| e == x || e.is_nan() && x.is_nan();
        let moved = shaken.iter().map(|tensor| tensor.as_f32().expect("of the same type")[i]);
        // What noise makes infinite or finite, a number or none, may be anything.
        let error = moved.fold(1e-4 * e.abs().max(1.0), |error, x| match (e - x).abs() {
            _ if alike(x) => error,
            moved if moved.is_finite() => error.max(moved),
            _ => f32::INFINITY,
        });
        alike(g) || (e - g).abs() <= error || error == f32::INFINITY
    };
    expected.shape() == got.shape() && (0..e.len()).all(near)
}

/// The interpreter's answer where every number, be it given, constant or computed, is off by some parts in a million,
/// that is, by several times what rounding does to it; nothing where numbers come so close to f32's largest that the
/// order of sums decides whether they pass it.
fn shaken(graph: &Graph, inputs: &[Tensor], noise: u64) -> Option<Vec<Tensor>> {
    let mut state = noise;
    let mut part = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        4e-6 * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
    };
    let mut shake = |tensor: &Tensor| -> Option<Tensor> {
        let Some(numbers) = tensor.as_f32() else { return Some(tensor.clone()) };
        if numbers.iter().any(|x| x.is_finite() && x.abs() > 1e30) {
            return None;
        }
        let numbers: Vec<f32> = numbers.iter().map(|x| x + x * part()).collect();
        Some(Tensor::f32(&tensor.shape()[..], numbers).unwrap())
    };
    let mut known = BTreeMap::<ValueId, Tensor>::new();
    for (port, input) in graph.inputs().iter().zip(inputs) {
        known.insert(port.value, shake(input)?);
    }
    for node in graph.nodes() {
        for &id in &node.inputs {
            if let Some(constant) = &graph.value(id).constant {
                known.insert(id, shake(constant)?);
            }
        }
        let operands: Vec<&Tensor> = node.inputs.iter().map(|id| &known[id]).collect();
        let result = node.op.evaluate(&operands, &graph.value(node.output).shape).unwrap();
        known.insert(node.output, shake(&result)?);
    }
    let outputs = graph.outputs().iter().map(|port| match &graph.value(port.value).constant {
        Some(constant) => (**constant).clone(),
        None => known[&port.value].clone(),
    });
    Some(outputs.collect())
}
