use std::collections::HashMap;

use sepconv_core::{Graph, Result, Tensor, ValueId};

use super::histogram::Histogram;
use crate::execute::{Executor, observe};

/// The mean of each channel.
pub(super) struct ChannelMean {
    sums: Vec<f64>,
    pixels: usize,
}

impl ChannelMean {
    pub(super) fn new(channels: usize) -> Self {
        Self { sums: vec![0.0; channels], pixels: 0 }
    }

    pub(super) fn add(&mut self, x: &[f32]) {
        for pixel in x.chunks_exact(self.sums.len().max(1)) {
            self.sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += f64::from(x));
            self.pixels += 1;
        }
    }

    pub(super) fn finish(self) -> Vec<f64> {
        let pixels = self.pixels.max(1) as f64;
        self.sums.into_iter().map(|sum| sum / pixels).collect()
    }
}

/// What the float network showed: of values that become bytes how often each number occurs, of the results of layers
/// the means.
pub(super) struct Statistics {
    pub(super) histograms: HashMap<ValueId, Histogram>,
    pub(super) means: HashMap<ValueId, Vec<f64>>,
}

impl Statistics {
    pub(super) fn collect(
        graph: &Graph,
        samples: &[Vec<Tensor>],
        executor: &Executor,
        counted: impl Iterator<Item = ValueId>,
        averaged: Vec<ValueId>,
        advance: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let mut histograms: HashMap<_, _> = counted.map(|id| (id, Histogram::new())).collect();
        let mut means: HashMap<_, _> =
            averaged.into_iter().map(|id| (id, ChannelMean::new(graph.value(id).shape.last()))).collect();
        let mut see = |id: ValueId, x: &[f32]| {
            if let Some(histogram) = histograms.get_mut(&id) {
                histogram.add(x);
            }
            if let Some(mean) = means.get_mut(&id) {
                mean.add(x);
            }
        };
        observe(graph, samples, executor, &mut see, advance)?;
        Ok(Self { histograms, means: means.into_iter().map(|(id, mean)| (id, mean.finish())).collect() })
    }
}

/// The greatest magnitude of each channel of some values.
pub(super) fn greatest(
    graph: &Graph,
    samples: &[Vec<Tensor>],
    executor: &Executor,
    values: impl Iterator<Item = ValueId>,
    advance: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<HashMap<ValueId, Vec<f32>>> {
    let mut greatest: HashMap<_, _> = values.map(|id| (id, vec![0.0f32; graph.value(id).shape.last()])).collect();
    let mut see = |id: ValueId, x: &[f32]| {
        let Some(most) = greatest.get_mut(&id) else { return };
        for pixel in x.chunks_exact(most.len().max(1)) {
            most.iter_mut().zip(pixel).for_each(|(most, x)| *most = most.max(x.abs()));
        }
    };
    observe(graph, samples, executor, &mut see, advance)?;
    Ok(greatest)
}
