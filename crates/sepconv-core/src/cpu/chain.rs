use alloc::vec::Vec;
use core::{fmt, ops::Range};

use sepconv_kernels::{Isa, Rows, Window};

use super::aligned::LINE;
use super::lower::{ChainElement, ChainLayer, Kernel, RowTask, Task, for_each_image, row_means};

/// The most layers of a fused chain.
pub(super) const MOST_LAYERS: usize = 8;

/// The part of the second-level cache that the rows between the layers of a chain may take; the rest is for weights.
pub(super) const CACHE: usize = 384 << 10;

/// Output rows that are made at a time, at most: more only take more cache.
pub(super) const MOST_ROWS: usize = 8;

/// The feature maps before and after a layer, and which input rows it needs.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    /// The window that slides over the rows; `None` for pointwise layers.
    pub(crate) window: Option<Window>,
    /// `[h, w, c]`
    pub(crate) input: [usize; 3],
    /// `[oh, ow, o]`
    pub(crate) output: [usize; 3],
}

impl Geometry {
    /// The input rows that some output rows need.
    fn input_rows(&self, rows: &Range<usize>) -> Range<usize> {
        self.window.map_or(rows.clone(), |window| window.input_rows(rows.clone(), self.input[0]))
    }

    /// The most input rows that `rows` neighboring output rows need.
    fn most_input_rows(&self, rows: usize) -> usize {
        let needed = self.window.as_ref().map_or(rows, |window| (rows - 1) * window.stride[0] + extent(window));
        needed.min(self.input[0])
    }

    /// Elements of an output row.
    fn row_len(&self) -> usize {
        self.output[1] * self.output[2]
    }
}

fn extent(window: &Window) -> usize {
    (window.kernel[0] - 1) * window.dilation[0] + 1
}

/// How many rows of its result each layer but the last keeps while `rows` rows of the last are made.
fn kept_rows(layers: &[Geometry], rows: usize) -> [usize; MOST_LAYERS] {
    let mut kept = [0; MOST_LAYERS];
    let mut needed = rows;
    for (i, layer) in layers.iter().enumerate().skip(1).rev() {
        needed = layer.most_input_rows(needed);
        kept[i - 1] = needed;
    }
    kept
}

/// How many rows of its result each layer but the last computes twice where the rows of two threads are neighbors.
pub(super) fn recomputed_rows(layers: &[Geometry]) -> [usize; MOST_LAYERS] {
    let mut shared = [0; MOST_LAYERS];
    let mut rows = 0;
    for (i, layer) in layers.iter().enumerate().skip(1).rev() {
        if let Some(window) = &layer.window {
            rows = (rows * window.stride[0] + extent(window)).saturating_sub(window.stride[0]).min(layer.input[0]);
        }
        shared[i - 1] = rows;
    }
    shared
}

/// Elements of the rows that are kept between layers.
pub(super) fn kept_len(layers: &[Geometry], rows: usize) -> usize {
    kept_rows(layers, rows).iter().zip(layers).map(|(kept, layer)| kept * layer.row_len()).sum()
}

/// The row block: how many rows of the last layer to compute at a time, so that the rows between the layers, of
/// elements of `size` bytes, stay in cache. `None` where those for a single row do not.
pub(super) fn row_block(layers: &[Geometry], size: usize) -> Option<usize> {
    let rows = layers[layers.len() - 1].output[0].min(MOST_ROWS);
    (1..=rows).rev().find(|&rows| kept_len(layers, rows).saturating_mul(size) <= CACHE)
}

/// Layers that run together depth first, a block of rows at a time: the rows between them stay in cache.
///
/// Each layer but the last keeps, in a ring, as many of its rows as the next one's window needs, and computes missing
/// ones when that asks for them. The kernels are those that run the layers one by one, so every bit is the same. Where
/// the rows of two threads are neighbors, the few rows that both need are computed twice.
#[derive(Debug)]
pub(crate) struct FusedChain<T: ChainElement> {
    layers: Vec<ChainLayer<T>>,
    geometries: Vec<Geometry>,
    /// Where each ring begins in the scratch, and where the last one ends.
    rings: Vec<usize>,
    /// Elements of scratch for the layers themselves.
    layer_scratch: usize,
    /// Output rows to compute at a time.
    row_block: usize,
}

impl<T: ChainElement> FusedChain<T> {
    /// Joins layers, each on the result of the one before; `row_block` rows of the last are made at a time.
    pub(super) fn new(layers: Vec<ChainLayer<T>>, geometries: Vec<Geometry>, row_block: usize) -> Self {
        let kept = kept_rows(&geometries, row_block);
        let mut rings = alloc::vec![0];
        for (kept, geometry) in kept.iter().zip(&geometries[1..]) {
            rings.push(rings[rings.len() - 1] + kept * geometry.input[1] * geometry.input[2]);
        }
        let layer_scratch = layers.iter().map(ChainLayer::scratch_len).max().unwrap_or(0);
        Self { layers, geometries, rings, layer_scratch, row_block }
    }

    fn last(&self) -> &Geometry {
        &self.geometries[self.geometries.len() - 1]
    }

    /// Elements of all rings, up to a place that is aligned for what the layers work in.
    pub(crate) fn kept(&self) -> usize {
        self.rings[self.rings.len() - 1].next_multiple_of(LINE)
    }

    /// Each layer's kernel with its sizes and where in the scratch it keeps its rows; the last keeps none.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (&ChainLayer<T>, &Geometry, Range<usize>)> {
        let ring = |i: usize| self.rings[i]..self.rings[(i + 1).min(self.rings.len() - 1)];
        self.layers
            .iter()
            .zip(&self.geometries)
            .enumerate()
            .map(move |(i, (layer, geometry))| (layer, geometry, ring(i)))
    }

    /// Output rows that are made at a time.
    pub(crate) fn row_block(&self) -> usize {
        self.row_block
    }

    fn scratch_len(&self) -> usize {
        self.kept() + self.layer_scratch
    }

    /// Computes some output rows of one image, and calls `finished` with each row block while it is in cache.
    fn run_rows(&self, task: RowTask<'_, T>, mut finished: impl FnMut(&[T])) {
        let RowTask { isa, weights, x, residual, rows, out, scratch } = task;
        let (last, row) = (self.layers.len() - 1, self.last().row_len());
        let mut made = [0; MOST_LAYERS];
        for (i, out) in out.chunks_mut(self.row_block * row).enumerate() {
            let first = rows.start + i * self.row_block;
            let rows = first..first + out.len() / row;
            let mut source = Source { isa, weights, x, scratch: &mut *scratch };
            self.compute(last - 1, self.last().input_rows(&rows), &mut source, &mut made);
            let (kept, scratch) = source.scratch.split_at_mut(self.kept());
            let x = self.ring(last - 1, kept);
            let residual = residual.map(|residual| &residual[i * self.row_block * row..][..out.len()]);
            self.layers[last].run_rows(RowTask { isa, weights, x, residual, rows, out: &mut *out, scratch });
            finished(out);
        }
    }

    /// Computes the missing ones of the rows `needed` of layer `i`; those before `made` are there.
    fn compute(&self, i: usize, needed: Range<usize>, source: &mut Source<'_, T>, made: &mut [usize; MOST_LAYERS]) {
        let (geometry, mut y) = (&self.geometries[i], needed.start.max(made[i]));
        if y >= needed.end {
            return;
        }
        let inputs = geometry.input_rows(&(y..needed.end));
        if let Some(before) = i.checked_sub(1) {
            self.compute(before, inputs, source, made);
        }
        let row = geometry.row_len();
        let Source { isa, weights, x, ref mut scratch } = *source;
        let (kept, scratch) = scratch.split_at_mut(self.kept());
        let (before, rest) = kept.split_at_mut(self.rings[i]);
        let ring = &mut rest[..self.rings[i + 1] - self.rings[i]];
        let x = i.checked_sub(1).map_or(x, |before_i| self.ring(before_i, before));
        let slots = ring.len() / row;
        while y < needed.end {
            // Neighbors in the ring at once.
            let slot = y % slots;
            let rows = y..needed.end.min(y + slots - slot);
            let out = &mut ring[slot * row..][..rows.len() * row];
            y = rows.end;
            self.layers[i].run_rows(RowTask { isa, weights, x, residual: None, rows, out, scratch: &mut *scratch });
        }
        made[i] = y;
    }

    /// The rows that layer `i` keeps.
    fn ring<'a>(&self, i: usize, kept: &'a [T]) -> Rows<'a, T> {
        Rows::new(&kept[self.rings[i]..self.rings[i + 1]], self.geometries[i].row_len())
    }
}

impl Kernel for FusedChain<f32> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.last().row_len()
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.geometries[0].input, self.last().output, |task, mut means| {
            let (isa, [_, width, channels]) = (task.isa, self.last().output);
            self.run_rows(task, |rows| {
                if let Some(means) = means.split_off_mut(..rows.len() / width) {
                    row_means(isa, channels, rows, means);
                }
            });
        });
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch_len() * size_of::<f32>()
    }
}

#[cfg(feature = "int8")]
impl Kernel for FusedChain<u8> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.last().row_len()
    }

    fn run(&self, task: Task<'_>) {
        for_each_image(task, self.geometries[0].input, self.last().output, |task, _| self.run_rows(task, |_| ()));
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch_len()
    }
}

/// What the layers of a chain read and work in.
struct Source<'a, T> {
    isa: Isa,
    weights: &'a [u8],
    x: Rows<'a, T>,
    scratch: &'a mut [T],
}

impl<T: ChainElement> fmt::Display for FusedChain<T> {
    /// Why the layers run together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobytes = (self.kept() * size_of::<T>()).div_ceil(1000);
        write!(f, "{} row(s) at a time through {kilobytes} kB that stay in cache", self.row_block)
    }
}
