use alloc::vec::Vec;
use core::{fmt, ops::Range};

use bytemuck::Pod;
use sepconv_kernels::{Isa, Rows, Window};

/// The most layers of a chain.
pub(super) const MOST_LAYERS: usize = 8;

/// Bytes that the rows between the layers of a chain should fit in: a part of any core's second-level cache, leaving room for weights.
pub(super) const CACHE: usize = 384 << 10;

/// Output rows that are made at a time, at most: more only take more cache.
const MOST_ROWS: usize = 8;

/// A layer with its packed weights, which makes any rows of its plane.
pub(crate) trait RowLayer {
    /// What it reads and writes.
    type Element: Pod;

    /// Makes the output rows `rows` of an image `x`.
    fn run(&self, job: Job<'_, Self::Element>);

    /// Puts the mean of each row of pixels into `means`.
    fn means(&self, isa: Isa, rows: &[Self::Element], means: &mut [Self::Element]);

    /// Numbers of scratch that it needs.
    fn scratch_len(&self) -> usize;
}

/// Rows to make.
pub(crate) struct Job<'a, T> {
    pub(crate) isa: Isa,
    /// All packed weights of the plan.
    pub(crate) weights: &'a [u8],
    /// The rows of the input.
    pub(crate) x: Rows<'a, T>,
    /// Laid out as `out`.
    pub(crate) residual: Option<&'a [T]>,
    pub(crate) rows: Range<usize>,
    pub(crate) out: &'a mut [T],
    pub(crate) scratch: &'a mut [T],
}

/// What planes a layer stands between, and which rows it needs.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    /// What slides over the rows; nothing for layers that make a pixel of a pixel.
    pub(crate) window: Option<Window>,
    /// `[h, w, c]`
    pub(crate) input: [usize; 3],
    /// `[oh, ow, o]`
    pub(crate) output: [usize; 3],
}

impl Geometry {
    /// The input rows that some output rows need.
    fn input_rows(&self, rows: &Range<usize>) -> Range<usize> {
        let Some(window) = &self.window else { return rows.clone() };
        let h = self.input[0];
        let start = (rows.start * window.stride[0]).saturating_sub(window.before[0]);
        let end = ((rows.end - 1) * window.stride[0] + extent(window)).saturating_sub(window.before[0]);
        start.min(h)..end.min(h)
    }

    /// The most input rows that `rows` neighboring output rows need.
    fn most_input_rows(&self, rows: usize) -> usize {
        let needed = self.window.as_ref().map_or(rows, |window| (rows - 1) * window.stride[0] + extent(window));
        needed.min(self.input[0])
    }

    /// Numbers in an output row.
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

/// How many rows of its result each layer but the last makes twice where two threads meet: those that the rows before and after both need.
pub(super) fn shared_rows(layers: &[Geometry]) -> [usize; MOST_LAYERS] {
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

/// Numbers in the rows that are kept between layers.
fn kept_len(layers: &[Geometry], rows: usize) -> usize {
    kept_rows(layers, rows).iter().zip(layers).map(|(kept, layer)| kept * layer.row_len()).sum()
}

/// The rows of the last layer to make at a time: as many as keep what lies between the layers, of numbers of `size` bytes, in cache. None
/// where not even one does.
pub(super) fn strip(layers: &[Geometry], size: usize) -> Option<usize> {
    let rows = layers[layers.len() - 1].output[0].min(MOST_ROWS);
    (1..=rows).rev().find(|&rows| kept_len(layers, rows).saturating_mul(size) <= CACHE)
}

/// Layers that run together, a few rows at a time: what lies between them stays in cache.
///
/// Each layer but the last keeps, in a ring, as many of its rows as the next one's window needs, and makes what is missing when that asks
/// for it. The kernels are those that run the layers one by one, so every bit is the same. Where threads meet, the few rows that both
/// need are computed twice.
#[derive(Debug)]
pub(crate) struct Chain<L> {
    layers: Vec<L>,
    geometries: Vec<Geometry>,
    /// Where each ring begins in the scratch, and where the last one ends.
    rings: Vec<usize>,
    /// Numbers of scratch for the layers themselves.
    edge: usize,
    /// Output rows to make at a time.
    strip: usize,
}

impl<L: RowLayer> Chain<L> {
    /// Joins layers of which each makes what the next one reads.
    pub(super) fn new(layers: Vec<L>, geometries: Vec<Geometry>) -> Self {
        let strip = strip(&geometries, size_of::<L::Element>()).unwrap_or(1);
        let kept = kept_rows(&geometries, strip);
        let mut rings = alloc::vec![0];
        for (kept, geometry) in kept.iter().zip(&geometries[1..]) {
            rings.push(rings[rings.len() - 1] + kept * geometry.input[1] * geometry.input[2]);
        }
        let edge = layers.iter().map(L::scratch_len).max().unwrap_or(0);
        Self { layers, geometries, rings, edge, strip }
    }

    /// The sizes `[h, w, c]` of an input and an output image.
    pub(super) fn planes(&self) -> ([usize; 3], [usize; 3]) {
        (self.geometries[0].input, self.geometries[self.geometries.len() - 1].output)
    }

    fn kept(&self) -> usize {
        self.rings[self.rings.len() - 1]
    }

    /// Bytes of scratch.
    pub(super) fn scratch_bytes(&self) -> usize {
        (self.kept() + self.edge) * size_of::<L::Element>()
    }

    /// Makes the output rows `job.rows` of one image, and unless `means` are empty the mean of each.
    pub(super) fn run(&self, job: Job<'_, L::Element>, mut means: &mut [L::Element]) {
        let Job { isa, weights, x, residual, rows, out, scratch } = job;
        let last = self.layers.len() - 1;
        let [_, _, channels] = self.geometries[last].output;
        let row = self.geometries[last].row_len();
        let mut made = [0; MOST_LAYERS];
        for (i, out) in out.chunks_mut(self.strip * row).enumerate() {
            let first = rows.start + i * self.strip;
            let rows = first..first + out.len() / row;
            let count = rows.len();
            let mut source = Source { isa, weights, x, scratch: &mut *scratch };
            self.make(last - 1, self.geometries[last].input_rows(&rows), &mut source, &mut made);
            let (kept, edge) = source.scratch.split_at_mut(self.kept());
            let x = self.ring(last - 1, kept);
            let residual = residual.map(|residual| &residual[i * self.strip * row..][..out.len()]);
            self.layers[last].run(Job { isa, weights, x, residual, rows, out, scratch: edge });
            if let Some(means) = means.split_off_mut(..count * channels) {
                self.layers[last].means(isa, out, means);
            }
        }
    }

    /// Makes what is missing of the rows `needed` that layer `i` gives; those before `made` are there.
    fn make(
        &self,
        i: usize,
        needed: Range<usize>,
        source: &mut Source<'_, L::Element>,
        made: &mut [usize; MOST_LAYERS],
    ) {
        let (geometry, mut y) = (&self.geometries[i], needed.start.max(made[i]));
        if y >= needed.end {
            return;
        }
        let inputs = geometry.input_rows(&(y..needed.end));
        if let Some(before) = i.checked_sub(1) {
            self.make(before, inputs, source, made);
        }
        let row = geometry.row_len();
        let Source { isa, weights, x, ref mut scratch } = *source;
        let (kept, edge) = scratch.split_at_mut(self.kept());
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
            self.layers[i].run(Job { isa, weights, x, residual: None, rows, out, scratch: &mut *edge });
        }
        made[i] = y;
    }

    /// The rows that layer `i` keeps.
    fn ring<'a>(&self, i: usize, kept: &'a [L::Element]) -> Rows<'a, L::Element> {
        Rows::new(&kept[self.rings[i]..self.rings[i + 1]], self.geometries[i].row_len())
    }
}

/// Where the rows of a chain come from.
struct Source<'a, T> {
    isa: Isa,
    weights: &'a [u8],
    x: Rows<'a, T>,
    scratch: &'a mut [T],
}

impl<L: RowLayer> fmt::Display for Chain<L> {
    /// Why the layers run together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobytes = (self.kept() * size_of::<L::Element>()).div_ceil(1000);
        write!(f, "{} row(s) at a time through {kilobytes} kB that stay in cache", self.strip)
    }
}
