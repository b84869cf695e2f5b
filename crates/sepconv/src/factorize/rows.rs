use sepconv_kernels::{Activation, Isa, Window, matmul};

use super::weights::Standard;

/// Rows that are multiplied at a time, so that a column of them stays in the nearest cache.
const CHUNK: usize = 256;

/// Which output pixels of a layer are looked at: evenly spread over all samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampling {
    pub(super) window: Window,
    /// `[h, w, c]`
    pub(super) input: [usize; 3],
    /// `[oh, ow, o]`
    pub(super) output: [usize; 3],
    pub(super) samples: usize,
    /// The most rows, over all samples.
    pub(super) most: usize,
}

impl Sampling {
    /// The pixels of one sample; its number shifts them, so that samples do not show the same ones.
    fn pixels(&self, number: usize) -> impl Iterator<Item = usize> {
        let pixels = self.output[0] * self.output[1];
        let step = (pixels * self.samples).div_ceil(self.most.max(1)).clamp(1, pixels.max(1));
        (number * 7 % step..pixels).step_by(step)
    }

    /// Appends the windows of one sample's pixels, `[channels, taps]` each, zero in the padding.
    pub(super) fn windows(&self, x: &[f32], number: usize, rows: &mut Vec<f32>) {
        let ([h, w, c], [_, ow, _], window) = (self.input, self.output, &self.window);
        let taps = window.kernel[0] * window.kernel[1];
        for pixel in self.pixels(number) {
            let (y, px, start) = (pixel / ow, pixel % ow, rows.len());
            rows.resize(start + c * taps, 0.0);
            for ky in window.taps(0, y, h) {
                for kx in window.taps(1, px, w) {
                    let from = (window.source(0, y, ky) * w + window.source(1, px, kx)) * c;
                    let row = rows[start + ky * window.kernel[1] + kx..].iter_mut().step_by(taps);
                    row.zip(&x[from..from + c]).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }

    /// Appends one sample's pixels of a feature map like the layer's result.
    pub(super) fn values(&self, map: &[f32], number: usize, rows: &mut Vec<f32>) {
        let channels = self.output[2];
        self.pixels(number).for_each(|pixel| rows.extend(&map[pixel * channels..][..channels]));
    }
}

/// What a layer is fitted to: windows that it sees, and what should come of them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// `[rows, channels·taps]`: what the factorized network gives it.
    pub(super) x: Vec<f32>,
    /// `[rows, outputs]`: what the original network makes at the same pixels, before its activation.
    pub(super) y: Vec<f32>,
    /// `[rows, outputs]`: what is added to the result in the factorized network; empty where nothing is.
    pub(super) residual: Vec<f32>,
    /// Where the activation is flat: below the first, above the second.
    pub(super) bounds: Option<[f32; 2]>,
}

impl Rows {
    /// The range in which an activation is no constant, where it is one of those that cut.
    pub(super) fn bounds_of(activation: Activation) -> Option<[f32; 2]> {
        match activation {
            Activation::Relu => Some([0.0, f32::INFINITY]),
            Activation::Clip { low, high } => Some([low, high]),
            Activation::Identity
            | Activation::LeakyRelu { .. }
            | Activation::HardSigmoid { .. }
            | Activation::HardSwish
            | Activation::Sigmoid
            | Activation::Silu
            | Activation::Tanh => None,
        }
    }

    /// The sums that a layer should give for `predicted`, its own with the residual: `y`; but where the activation cuts
    /// `y` off, anything beyond the same bound is as good, so what is there already is left (Zhang et al. 2015, arXiv
    /// 1505.06798, section 3.2, as majorization and minimization). Without the residual.
    pub(super) fn targets(&self, predicted: &[f32]) -> Vec<f32> {
        let mut targets = self.y.clone();
        if let Some([low, high]) = self.bounds {
            for (y, &p) in targets.iter_mut().zip(predicted) {
                *y = if *y <= low {
                    p.min(low)
                } else if *y >= high {
                    p.max(high)
                } else {
                    *y
                };
            }
        }
        targets.iter_mut().zip(&self.residual).for_each(|(y, r)| *y -= r);
        targets
    }

    /// The mean squared error behind the activation.
    pub(super) fn error(&self, predicted: &[f32]) -> f64 {
        let [low, high] = self.bounds.unwrap_or([f32::NEG_INFINITY, f32::INFINITY]);
        let squares =
            self.y.iter().zip(predicted).map(|(y, p)| f64::from(y.clamp(low, high) - p.clamp(low, high)).powi(2));
        squares.sum::<f64>() / self.y.len().max(1) as f64
    }

    /// The sums of a standard convolution, with the residual.
    pub(super) fn predict(&self, isa: Isa, standard: &Standard) -> Vec<f32> {
        let mut sums = products(isa, &self.x, standard);
        sums.iter_mut().zip(&self.residual).for_each(|(sum, r)| *sum += r);
        sums
    }
}

/// What a convolution gives for windows, `[rows, outputs]`.
pub(super) fn products(isa: Isa, x: &[f32], standard: &Standard) -> Vec<f32> {
    let (depth, outputs) = (standard.depth(), standard.outputs);
    let transposed = transposed(&standard.weights, depth);
    let mut sums = vec![0.0; x.len() / depth * outputs];
    for (x, sums) in x.chunks(CHUNK * depth).zip(sums.chunks_mut(CHUNK * outputs)) {
        matmul::matmul(isa, x.len() / depth, depth, outputs, x, &transposed, sums);
        sums.chunks_exact_mut(outputs)
            .for_each(|row| row.iter_mut().zip(&standard.bias).for_each(|(sum, b)| *sum += b));
    }
    sums
}

/// Means of columns.
pub(super) fn means(x: &[f32], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for row in x.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let rows = (x.len() / columns).max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= rows);
    sums
}

/// The covariances of columns of `a` and columns of `b`, `[columns of a, columns of b]`, given their means.
pub(super) fn covariances(isa: Isa, a: &[f32], mean_a: &[f64], b: &[f32], mean_b: &[f64]) -> Vec<f64> {
    let [m, n] = [mean_a.len(), mean_b.len()];
    let (mut sums, mut product) = (vec![0.0; m * n], vec![0.0_f32; m * n]);
    for (a, b) in a.chunks(CHUNK * m).zip(b.chunks(CHUNK * n)) {
        matmul::matmul(isa, m, a.len() / m, n, &transposed(a, m), b, &mut product);
        sums.iter_mut().zip(&product).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let rows = (a.len() / m.max(1)).max(1) as f64;
    let centers = mean_a.iter().flat_map(|a| mean_b.iter().map(move |b| a * b));
    sums.iter_mut().zip(centers).for_each(|(sum, center)| *sum = *sum / rows - center);
    sums
}

fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
    let rows = x.len() / columns.max(1);
    let mut result = vec![0.0; x.len()];
    for (i, row) in x.chunks_exact(columns).enumerate() {
        row.iter().enumerate().for_each(|(j, &x)| result[j * rows + i] = x);
    }
    result
}
