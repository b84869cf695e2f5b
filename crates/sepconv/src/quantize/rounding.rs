use sepconv_core::{Graph, Node, Op};
use sepconv_kernels::Window;

/// Second moments above this many taps take more memory than they are worth.
const MOST_TAPS: usize = 2400;
/// Rows that the moments are made of, over all samples.
const ROWS: usize = 4096;
/// So many rows tell as much as one that owes nothing to the others: pixels of one image are alike. Measured: of 1, 4,
/// 16 and 64 it gave networks of bytes that were nearest to the float ones on images that calibration did not see.
const ALIKE: f64 = 16.0;

/// Second moments of what each filter of a layer is multiplied with, over pixels of the calibration samples: of `x`,
/// which the quantized network gives it, and of what `x` lacks to the float network's.
pub(super) struct Moments {
    window: Window,
    input: [usize; 3],
    plane: [usize; 2],
    groups: usize,
    /// Taps of one filter.
    taps: usize,
    /// Whether means are taken away: where the bias makes up for what becomes of them.
    centered: bool,
    rows: usize,
    /// For each group: sums of `x` and of what it lacks.
    sums: Vec<f64>,
    lacks: Vec<f64>,
    /// For each group: `[taps, taps]`, sums of `x·xᵀ` (the upper triangle) and of `x·lackᵀ`.
    products: Vec<f64>,
    crossed: Vec<f64>,
}

impl Moments {
    /// For a convolution or fully connected layer; `None` where they would be too large.
    pub(super) fn new(graph: &Graph, node: &Node, centered: bool) -> Option<Self> {
        let [x, weights] = [0, 1].map(|i| &graph.value(node.inputs[i]).shape);
        let out = &graph.value(node.output).shape;
        let (window, groups, input, plane) = match &node.op {
            Op::Conv2d(conv) => (conv.window, conv.groups, [x[1], x[2], x[3]], [out[1], out[2]]),
            _ => (Window::new(1, 1), 1, [1, x.elements() / x.last(), x.last()], [1, x.elements() / x.last()]),
        };
        let taps = weights.elements() / weights[0].max(1);
        let zeros = |len: usize| vec![0.0; groups * len];
        (taps <= MOST_TAPS).then(|| Self {
            sums: zeros(taps),
            lacks: zeros(taps),
            products: zeros(taps * taps),
            crossed: zeros(taps * taps),
            window,
            input,
            plane,
            groups,
            taps,
            centered,
            rows: 0,
        })
    }

    /// Adds pixels of one of `samples` samples, evenly spread; `number` shifts them, so that samples do not show the
    /// same ones.
    pub(super) fn add(&mut self, x: &[f32], exact: &[f32], number: usize, samples: usize) {
        let pixels = self.plane[0] * self.plane[1];
        let step = (pixels * samples).div_ceil(ROWS).clamp(1, pixels.max(1));
        let (mut row, mut lack) = (vec![0.0; self.taps], vec![0.0; self.taps]);
        for pixel in ((number * step / samples)..pixels).step_by(step) {
            for group in 0..self.groups {
                self.gather(x, pixel, group, &mut row);
                self.gather(exact, pixel, group, &mut lack);
                lack.iter_mut().zip(&row).for_each(|(lack, x)| *lack -= x);
                self.add_row(group, &row, &lack);
            }
            self.rows += 1;
        }
    }

    /// What a group's filters see at a pixel.
    fn gather(&self, x: &[f32], pixel: usize, group: usize, row: &mut [f32]) {
        let [h, w, c] = self.input;
        let (y, px) = (pixel / self.plane[1], pixel % self.plane[1]);
        let per_group = c / self.groups;
        row.fill(0.0);
        for ky in self.window.taps(0, y, h) {
            for kx in self.window.taps(1, px, w) {
                let (sy, sx) = (self.window.source(0, y, ky), self.window.source(1, px, kx));
                let from = (sy * w + sx) * c + group * per_group;
                let to = (ky * self.window.kernel[1] + kx) * per_group;
                row[to..to + per_group].copy_from_slice(&x[from..from + per_group]);
            }
        }
    }

    fn add_row(&mut self, group: usize, row: &[f32], lack: &[f32]) {
        let taps = self.taps;
        for (sums, row) in [(&mut self.sums, row), (&mut self.lacks, lack)] {
            sums[group * taps..][..taps].iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let of_group = group * taps * taps..(group + 1) * taps * taps;
        let products = self.products[of_group.clone()].chunks_exact_mut(taps);
        let crossed = self.crossed[of_group].chunks_exact_mut(taps);
        for (i, (products, crossed)) in products.zip(crossed).enumerate().filter(|(i, _)| row[*i] != 0.0) {
            let x = f64::from(row[i]);
            products[i..].iter_mut().zip(&row[i..]).for_each(|(sum, &y)| *sum += x * f64::from(y));
            crossed.iter_mut().zip(lack).for_each(|(sum, &lack)| *sum += x * f64::from(lack));
        }
    }

    /// The mean of a product of which `sum` is the sum, and `a` and `b` are the sums of its factors.
    fn moment(&self, sum: f64, a: f64, b: f64) -> f64 {
        let rows = self.rows.max(1) as f64;
        sum / rows - if self.centered { a / rows * (b / rows) } else { 0.0 }
    }

    /// The upper triangular `R` with `Rᵀ·R` the moments of a group's `x`, a part of their mean variance added to the
    /// diagonal: a hundredth (as GPTQ does) so that it always exists, more where rows are few beside taps and the
    /// moments hardly known.
    fn factor(&self, group: usize) -> Vec<f64> {
        let taps = self.taps;
        let (sums, products) = (&self.sums[group * taps..], &self.products[group * taps * taps..]);
        let moment = |i: usize, j: usize| self.moment(products[i * taps + j], sums[i], sums[j]);
        let mean_variance = (0..taps).map(|i| moment(i, i)).sum::<f64>() / taps as f64;
        let damping = mean_variance.max(1e-30) * (ALIKE * taps as f64 / self.rows.max(1) as f64).max(0.01);
        let mut r = vec![0.0; taps * taps];
        for i in 0..taps {
            for j in i..taps {
                r[i * taps + j] = moment(i, j);
            }
            r[i * taps + i] += damping;
        }
        for i in 0..taps {
            let (above, rest) = r.split_at_mut((i + 1) * taps);
            let row = &mut above[i * taps..];
            let root = row[i].max(damping * 1e-6).sqrt();
            row[i..].iter_mut().for_each(|x| *x /= root);
            for (j, below) in rest.chunks_exact_mut(taps).enumerate() {
                let factor = row[i + 1 + j];
                if factor != 0.0 {
                    below[i + 1 + j..].iter_mut().zip(&row[i + 1 + j..]).for_each(|(x, &y)| *x -= factor * y);
                }
            }
        }
        r
    }

    /// The filters that, multiplied with `x`, come closest to what the given ones make of the float network's: least
    /// squares, drawn towards the given filters by the damping of [`factor`](Self::factor).
    pub(super) fn refit(&self, weights: &[f32]) -> Vec<f32> {
        let taps = self.taps;
        let mut refitted = weights.to_vec();
        let of_group = (refitted.len() / self.groups).max(1);
        for (group, filters) in refitted.chunks_exact_mut(of_group).enumerate() {
            let r = self.factor(group);
            let (sums, lacks) = (&self.sums[group * taps..][..taps], &self.lacks[group * taps..][..taps]);
            let crossed = &self.crossed[group * taps * taps..][..taps * taps];
            for filter in filters.chunks_exact_mut(taps) {
                let row = |i: usize| crossed[i * taps..].iter().zip(lacks);
                let lacking = |i: usize| {
                    let moments = row(i).map(|(&sum, &lack)| self.moment(sum, sums[i], lack));
                    moments.zip(filter.iter()).map(|(moment, &w)| moment * f64::from(w)).sum()
                };
                let change = solve(&r, (0..taps).map(lacking).collect());
                filter.iter_mut().zip(change).for_each(|(w, change)| *w += change as f32);
            }
        }
        refitted
    }

    /// Rounds the filters so that what they make of `x` changes least: by [`nearest_plane`], or each weight to its
    /// nearest where that is no worse.
    pub(super) fn round(&self, weights: &[f32], scales: &[f32]) -> Vec<i8> {
        let (taps, per_group) = (self.taps, scales.len() / self.groups);
        let mut rounded = Vec::with_capacity(weights.len());
        for group in 0..self.groups {
            let r = self.factor(group);
            for filter in group * per_group..(group + 1) * per_group {
                let (row, scale) = (&weights[filter * taps..][..taps], scales[filter]);
                let nearest: Vec<i8> = row.iter().map(|&w| super::weights::nearest(w, scale)).collect();
                let planes = nearest_plane(&r, row, scale);
                let better = noise(&r, row, &planes, scale) < noise(&r, row, &nearest, scale);
                rounded.extend(if better { planes } else { nearest });
            }
        }
        rounded
    }
}

/// How far one filter's weight is from its integer.
fn error(weight: f32, integer: i8, scale: f32) -> f64 {
    f64::from(weight) - f64::from(integer) * f64::from(scale)
}

/// Rounds a filter one weight after the other, each to what is nearest once the error of those before is made up for as
/// well as it can be. This is GPTQ (Frantar et al. 2022, arXiv 2210.17323) in its form without inverses: Babai's
/// nearest plane.
fn nearest_plane(r: &[f64], row: &[f32], scale: f32) -> Vec<i8> {
    let taps = row.len();
    let (mut rounded, mut errors) = (vec![0; taps], vec![0.0; taps]);
    for i in (0..taps).rev() {
        let products = r[i * taps + i + 1..(i + 1) * taps].iter().zip(&errors[i + 1..]);
        let owed = products.map(|(r, e)| r * e).sum::<f64>() / r[i * taps + i];
        rounded[i] = super::weights::nearest((f64::from(row[i]) + owed) as f32, scale);
        errors[i] = error(row[i], rounded[i], scale);
    }
    rounded
}

/// The mean square of what rounding a filter adds to its results, `Rᵀ·R` being the moments of what it is multiplied
/// with.
fn noise(r: &[f64], row: &[f32], rounded: &[i8], scale: f32) -> f64 {
    let errors: Vec<f64> = row.iter().zip(rounded).map(|(&w, &integer)| error(w, integer, scale)).collect();
    let rows = r.chunks_exact(row.len()).enumerate();
    rows.map(|(i, r)| r[i..].iter().zip(&errors[i..]).map(|(r, e)| r * e).sum::<f64>().powi(2)).sum()
}

/// The `x` with `Rᵀ·R·x = b`, `R` being upper triangular.
fn solve(r: &[f64], mut x: Vec<f64>) -> Vec<f64> {
    let n = x.len();
    for i in 0..n {
        let (known, rest) = x.split_at_mut(i + 1);
        known[i] /= r[i * n + i];
        rest.iter_mut().zip(&r[i * n + i + 1..(i + 1) * n]).for_each(|(x, r)| *x -= r * known[i]);
    }
    for i in (0..n).rev() {
        let products = r[i * n + i + 1..(i + 1) * n].iter().zip(&x[i + 1..]);
        x[i] = (x[i] - products.map(|(r, x)| r * x).sum::<f64>()) / r[i * n + i];
    }
    x
}
