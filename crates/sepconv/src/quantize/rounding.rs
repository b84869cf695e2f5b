use sepconv_core::{Graph, Node, Op};
use sepconv_kernels::Window;

/// Second moments above this many taps take more memory than they are worth.
const MOST_TAPS: usize = 2400;
/// Rows that the moments are made of, over all samples.
const ROWS: usize = 4096;

/// The covariance of what each filter of a layer is multiplied with, over pixels of the calibration samples. The mean is left out:
/// the bias corrects what rounding does to it.
pub(super) struct Covariance {
    window: Window,
    input: [usize; 3],
    plane: [usize; 2],
    groups: usize,
    /// Taps of one filter.
    taps: usize,
    rows: usize,
    sums: Vec<f64>,
    /// For each group: `[taps, taps]`, the upper triangle.
    products: Vec<f64>,
}

impl Covariance {
    /// For a convolution or fully connected layer; `None` where it would be too large.
    pub(super) fn new(graph: &Graph, node: &Node) -> Option<Self> {
        let [x, weights] = [0, 1].map(|i| &graph.value(node.inputs[i]).shape);
        let out = &graph.value(node.output).shape;
        let (window, groups, input, plane) = match &node.op {
            Op::Conv2d(conv) => (conv.window, conv.groups, [x[1], x[2], x[3]], [out[1], out[2]]),
            _ => (Window::new(1, 1), 1, [1, x.elements() / x.last(), x.last()], [1, x.elements() / x.last()]),
        };
        let taps = weights.elements() / weights[0].max(1);
        (taps <= MOST_TAPS).then(|| Self {
            sums: vec![0.0; groups * taps],
            products: vec![0.0; groups * taps * taps],
            window,
            input,
            plane,
            groups,
            taps,
            rows: 0,
        })
    }

    /// Adds pixels of one of `samples` samples, evenly spread; `number` shifts them, so that samples do not show the same ones.
    pub(super) fn add(&mut self, x: &[f32], number: usize, samples: usize) {
        let [h, w, c] = self.input;
        let pixels = self.plane[0] * self.plane[1];
        let step = (pixels * samples).div_ceil(ROWS).clamp(1, pixels.max(1));
        let mut row = vec![0.0f32; self.taps];
        let per_group = c / self.groups;
        for pixel in ((number * step / samples)..pixels).step_by(step) {
            let (y, px) = (pixel / self.plane[1], pixel % self.plane[1]);
            for group in 0..self.groups {
                row.fill(0.0);
                for ky in self.window.taps(0, y, h) {
                    for kx in self.window.taps(1, px, w) {
                        let (sy, sx) = (self.window.source(0, y, ky), self.window.source(1, px, kx));
                        let from = (sy * w + sx) * c + group * per_group;
                        let to = (ky * self.window.kernel[1] + kx) * per_group;
                        row[to..to + per_group].copy_from_slice(&x[from..from + per_group]);
                    }
                }
                self.add_row(group, &row);
            }
            self.rows += 1;
        }
    }

    fn add_row(&mut self, group: usize, row: &[f32]) {
        let taps = self.taps;
        let sums = &mut self.sums[group * taps..][..taps];
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        let products = self.products[group * taps * taps..][..taps * taps].chunks_exact_mut(taps);
        for (i, (products, &a)) in products.zip(row).enumerate().filter(|(_, (_, a))| **a != 0.0) {
            products[i..].iter_mut().zip(&row[i..]).for_each(|(sum, &b)| *sum += f64::from(a) * f64::from(b));
        }
    }

    /// The upper triangular `R` with `Rᵀ·R` the covariance of a group, a hundredth of its mean variance added to the diagonal (as
    /// GPTQ does) so that it always exists.
    fn factor(&self, group: usize) -> Vec<f64> {
        let (taps, rows) = (self.taps, self.rows.max(1) as f64);
        let (sums, products) = (&self.sums[group * taps..], &self.products[group * taps * taps..]);
        let covariance = |i: usize, j: usize| products[i * taps + j] / rows - sums[i] / rows * (sums[j] / rows);
        let mean_variance = (0..taps).map(|i| covariance(i, i)).sum::<f64>() / taps as f64;
        let damping = mean_variance.max(1e-30) / 100.0;
        let mut r = vec![0.0; taps * taps];
        for i in 0..taps {
            for j in i..taps {
                r[i * taps + j] = covariance(i, j);
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

    /// Rounds the filters one weight after the other, each to what is nearest once the error of those before is made up for as
    /// well as it can be. This is GPTQ (Frantar et al. 2022, arXiv 2210.17323) in its form without inverses: Babai's nearest plane.
    pub(super) fn round(&self, weights: &[f32], scales: &[f32]) -> Vec<i8> {
        let (taps, per_group) = (self.taps, scales.len() / self.groups);
        let mut rounded = Vec::with_capacity(weights.len());
        let mut error = vec![0.0; taps];
        for group in 0..self.groups {
            let r = self.factor(group);
            for filter in group * per_group..(group + 1) * per_group {
                let (row, scale) = (&weights[filter * taps..][..taps], scales[filter]);
                let start = rounded.len();
                rounded.resize(start + taps, 0);
                for i in (0..taps).rev() {
                    let products = r[i * taps + i + 1..(i + 1) * taps].iter().zip(&error[i + 1..]);
                    let owed = products.map(|(r, e)| r * e).sum::<f64>() / r[i * taps + i];
                    let integer = super::weights::nearest((f64::from(row[i]) + owed) as f32, scale);
                    error[i] = f64::from(row[i]) - f64::from(integer) * f64::from(scale);
                    rounded[start + i] = integer;
                }
            }
        }
        rounded
    }
}
