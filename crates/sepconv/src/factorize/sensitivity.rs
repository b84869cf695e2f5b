use std::collections::HashMap;

use sepconv_core::{Graph, Result, Tensor, ValueId, rewrite};

use super::fit::Fit;
use super::layers::{Layer, insert_standard, residual_of};
use super::rows::{Rows, products};
use crate::execute::{Executor, observe};
use crate::noise::Noise;
use crate::progress::{Progress, Stage, advance};
use crate::{CompiledModel, Options};

/// Rows, and values of rows, that a layer is fitted to here: the fit only ranks layers and terms.
const ROWS: usize = 4096;
const VALUES: usize = 1 << 21;
const ROUNDS: usize = 3;
/// Samples that show what a layer's error does to the network's answer.
const COMPARED: usize = 32;
/// Terms that a layer has then, where it may have as many: few enough that the error shows, enough that it stays small.
const TERMS: usize = 2;

/// For each layer and 1, 2, ... terms: noise per signal in the network's answer with this layer alone factorized.
///
/// The layer's own error is measured for each number of terms; what such an error does to the answer for one of them.
/// Noise is taken to grow in proportion.
pub(super) fn measure(
    graph: &Graph,
    layers: &[Layer],
    samples: &[Vec<Tensor>],
    executor: &Executor,
    options: &Options,
    progress: Progress<'_>,
) -> Result<Vec<Vec<f64>>> {
    if samples.is_empty() {
        return Ok(layers.iter().map(weights_lost).collect());
    }
    let rows = collect(graph, layers, samples, executor, progress)?;
    let samples = &samples[..samples.len().min(COMPARED)];
    let mut original = CompiledModel::from_graph(graph.clone(), options)?.session()?;
    let mut exact = vec![];
    for sample in samples {
        exact.push(original.run(&sample.iter().collect::<Vec<_>>())?.to_vec());
    }
    let mut found = vec![];
    for (done, (layer, rows)) in layers.iter().zip(rows).enumerate() {
        advance(progress, Stage::Search, done, layers.len())?;
        let fit = Fit::new(executor.isa(), &layer.standard, &rows);
        let fitted: Vec<_> = (1..=layer.most_terms).map(|terms| fit.run(terms, ROUNDS)).collect();
        let Some(shown) = fitted.get(TERMS.min(layer.most_terms).wrapping_sub(1)) else {
            found.push(vec![]);
            continue;
        };
        let product = shown.separable.product(&layer.standard);
        let output = graph.nodes()[layer.node].output;
        let replaced = rewrite(graph, |rewriter, node| {
            (node.output == output).then(|| insert_standard(rewriter, node, layer, &product)).transpose()
        })?;
        let mut session = CompiledModel::from_graph(replaced, options)?.session()?;
        let mut noise = Noise::default();
        for (sample, exact) in samples.iter().zip(&exact) {
            let approximate = session.run(&sample.iter().collect::<Vec<_>>())?;
            for (exact, approximate) in exact.iter().zip(approximate) {
                noise.compare(exact.as_f32().unwrap_or_default(), approximate.as_f32().unwrap_or_default());
            }
        }
        let of_error = noise.ratio() / shown.error.max(f64::MIN_POSITIVE);
        found.push(fitted.iter().map(|fitted| fitted.error * of_error).collect());
    }
    advance(progress, Stage::Search, layers.len(), layers.len())?;
    Ok(found)
}

/// Without samples: the part of the squared weights that is lost.
fn weights_lost(layer: &Layer) -> Vec<f64> {
    let energy = layer.standard.energy().max(f64::MIN_POSITIVE);
    (1..=layer.most_terms).map(|terms| layer.standard.truncated(terms).1 / energy).collect()
}

/// What each layer sees and makes in the original network.
fn collect(
    graph: &Graph,
    layers: &[Layer],
    samples: &[Vec<Tensor>],
    executor: &Executor,
    progress: Progress<'_>,
) -> Result<Vec<Rows>> {
    let bounds = |layer: &Layer| Rows { bounds: Rows::bounds_of(layer.conv.activation), ..Rows::default() };
    let mut rows: Vec<Rows> = layers.iter().map(bounds).collect();
    let mut readers: HashMap<ValueId, Vec<(usize, bool)>> = HashMap::new();
    for (i, layer) in layers.iter().enumerate() {
        let node = &graph.nodes()[layer.node];
        readers.entry(node.inputs[0]).or_default().push((i, false));
        residual_of(node).into_iter().for_each(|id| readers.entry(id).or_default().push((i, true)));
    }
    // How many samples each value was seen of.
    let mut seen: HashMap<ValueId, usize> = HashMap::new();
    let mut see = |id: ValueId, values: &[f32]| {
        let Some(readers) = readers.get(&id) else { return };
        let number = seen.entry(id).or_default();
        for &(i, is_residual) in readers {
            let most = ROWS.min(VALUES / layers[i].standard.depth().max(1));
            let sampling = layers[i].sampling(samples.len(), most);
            match is_residual {
                true => sampling.values(values, *number, &mut rows[i].residual),
                false => sampling.windows(values, *number, &mut rows[i].x),
            }
        }
        *number += 1;
    };
    let mut done = 0;
    observe(graph, samples, executor, &mut see, &mut |count| {
        done += count;
        advance(progress, Stage::Calibrate, done, samples.len())
    })?;
    for (rows, layer) in rows.iter_mut().zip(layers) {
        rows.y = products(executor.isa(), &rows.x, &layer.standard);
        rows.y.iter_mut().zip(&rows.residual).for_each(|(y, residual)| *y += residual);
    }
    Ok(rows)
}
