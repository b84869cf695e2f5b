use std::collections::HashMap;

use sepconv_core::analysis::extract_subgraph;
use sepconv_core::{Graph, Result, rewrite};
use web_time::Instant;

use super::layers::{Layer, insert_separable};
use crate::execute::{Executor, NodeRunner};
use crate::progress::{Progress, Stage, advance};

/// Rounds in which every network runs, the layers in turns.
const ROUNDS: usize = 15;
/// A run is repeated until so many milliseconds have passed, at most [`REPEATS`] times.
const LEAST_MS: f64 = 1.0;
const REPEATS: usize = 8;

/// Measured milliseconds, the shortest of many runs.
#[derive(Clone, Debug)]
pub(super) struct Timings {
    pub(super) network: f64,
    /// For each layer: as it is, then with 1, 2, ... terms.
    pub(super) layers: Vec<Vec<f64>>,
}

/// Times the network, and each layer that can be factorized as a network of its own, with its activation and its
/// residual. Layers of the same shape are timed once.
pub(super) fn measure(graph: &Graph, layers: &[Layer], executor: &Executor, progress: Progress<'_>) -> Result<Timings> {
    let mut indices: HashMap<String, usize> = HashMap::new();
    let mut timed: Vec<Vec<Timed<'_>>> = vec![];
    let mut of_layer = vec![];
    for layer in layers {
        let node = &graph.nodes()[layer.node];
        let shape = format!("{:?} {:?} {:?} {}", layer.conv, layer.input, layer.output, node.inputs.len());
        let next = timed.len();
        let index = *indices.entry(shape).or_insert(next);
        if index == next {
            timed.push(candidates(graph, layer, executor)?);
        }
        of_layer.push(index);
    }
    let mut network = Timed::new(executor.plan_graph(graph)?);
    for round in 0..ROUNDS {
        advance(progress, Stage::Compare, round, ROUNDS)?;
        network.run();
        timed.iter_mut().flatten().for_each(Timed::run);
    }
    advance(progress, Stage::Compare, ROUNDS, ROUNDS)?;
    let least = |index: &usize| timed[*index].iter().map(|timed| timed.least).collect();
    Ok(Timings { network: network.least, layers: of_layer.iter().map(least).collect() })
}

/// A layer as it is, then with 1, 2, ... terms.
fn candidates<'e>(graph: &Graph, layer: &Layer, executor: &'e Executor) -> Result<Vec<Timed<'e>>> {
    let alone = extract_subgraph(graph, &[layer.node])?;
    let mut found = vec![Timed::new(executor.plan_graph(&alone)?)];
    for terms in 1..=layer.most_terms {
        let (separable, _) = layer.standard.truncated(terms);
        let replaced = rewrite(&alone, |rewriter, node| insert_separable(rewriter, node, layer, &separable).map(Some))?;
        found.push(Timed::new(executor.plan_graph(&replaced)?));
    }
    Ok(found)
}

struct Timed<'e> {
    runner: NodeRunner<'e>,
    least: f64,
}

impl<'e> Timed<'e> {
    fn new(runner: NodeRunner<'e>) -> Self {
        Self { runner, least: f64::INFINITY }
    }

    /// Runs once to bring weights into cache, then times further runs, which neither take nor return tensors.
    fn run(&mut self) {
        self.runner.run_without_io();
        let mut passed = 0.0;
        for _ in 0..REPEATS {
            let start = Instant::now();
            self.runner.run_without_io();
            let ms = start.elapsed().as_secs_f64() * 1e3;
            self.least = self.least.min(ms);
            passed += ms;
            if passed >= LEAST_MS {
                break;
            }
        }
    }
}
