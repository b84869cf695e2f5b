use sepconv_kernels::{Isa, matmul};

use super::linear::{cholesky, solve_lower, solve_upper};
use super::rows::{Rows, covariances, means};
use super::weights::{Separable, Standard, Truncated};

/// Added to the diagonal of covariances, in their mean variance: the fit is drawn towards the original weights where
/// samples tell little.
const DAMPING: f64 = 0.01;
/// Channels times terms above which the pointwise convolution is fitted channel by channel only.
const MOST_JOINT: usize = 1024;
/// The fit ends where a round gains a smaller part of the error.
const LEAST_GAIN: f64 = 1e-3;

/// The least-squares problem of one layer: a separable convolution that gives, for the windows of the factorized
/// network, what the original one gave.
///
/// With `W[outputs, channels·taps]` the product of both convolutions, `S` the covariance of windows and `C` that of
/// targets and windows, the error is `tr(W·S·Wᵀ) - 2·tr(W·Cᵀ)` and a constant. Channel by channel its minimum under the
/// bound on terms is [closed form](Truncated::new); so is that of all of the pointwise convolution for given depthwise
/// filters. The two take turns, and none makes the error larger.
pub(super) struct Fit<'a> {
    isa: Isa,
    standard: &'a Standard,
    rows: &'a Rows,
    mean: Vec<f64>,
    /// For each channel the columns of the damped `S`, `[channels·taps, taps]`.
    panels: Vec<Vec<f32>>,
    damping: f64,
}

/// A fitted layer.
pub(super) struct Fitted {
    pub(super) separable: Separable,
    /// The mean squared error over the rows, behind the activation.
    pub(super) error: f64,
    /// What it should give, for the next round.
    targets: Vec<f32>,
}

impl<'a> Fit<'a> {
    pub(super) fn new(isa: Isa, standard: &'a Standard, rows: &'a Rows) -> Self {
        let (depth, taps) = (standard.depth(), standard.taps);
        let mean = means(&rows.x, depth);
        let mut covariance = covariances(isa, &rows.x, &mean, &rows.x, &mean);
        let variance = (0..depth).map(|i| covariance[i * depth + i]).sum::<f64>() / depth.max(1) as f64;
        let damping = variance.max(1e-30) * DAMPING;
        (0..depth).for_each(|i| covariance[i * depth + i] += damping);
        let panel = |channel: usize| {
            let columns = |row: &'_ [f64]| row[channel * taps..][..taps].iter().map(|&x| x as f32).collect::<Vec<_>>();
            covariance.chunks_exact(depth).flat_map(columns).collect()
        };
        let panels = (0..standard.channels).map(panel).collect();
        Self { isa, standard, rows, mean, panels, damping }
    }

    /// Fits from the closest weights on, in at most so many rounds.
    pub(super) fn run(&self, terms: usize, rounds: usize) -> Fitted {
        let mut best = self.measured(self.standard.truncated(terms).0);
        let centered = self.measured(self.centered(best.separable.clone(), &best.targets));
        if centered.error < best.error {
            best = centered;
        }
        for _ in 0..rounds {
            let next = self.measured(self.refitted(&best));
            if next.error >= best.error {
                break;
            }
            let gain = 1.0 - next.error / best.error;
            best = next;
            if gain < LEAST_GAIN {
                break;
            }
        }
        best
    }

    /// How far a layer is off, and what it should give.
    fn measured(&self, separable: Separable) -> Fitted {
        let predicted = self.rows.predict(self.isa, &separable.product(self.standard));
        Fitted { separable, error: self.rows.error(&predicted), targets: self.rows.targets(&predicted) }
    }

    /// One round: terms channel by channel, then the whole pointwise convolution, then the bias.
    fn refitted(&self, from: &Fitted) -> Separable {
        let mut separable = from.separable.clone();
        let crossed = self.crossed(&from.targets);
        self.channels(&crossed, &mut separable);
        self.pointwise(&crossed, &mut separable);
        self.centered(separable, &from.targets)
    }

    /// With the bias that makes means right.
    fn centered(&self, mut separable: Separable, targets: &[f32]) -> Separable {
        let product = separable.product(self.standard);
        let rows = product.weights.chunks_exact(self.standard.depth().max(1)).zip(means(targets, product.outputs));
        let lacking =
            |(row, mean): (&[f32], f64)| mean - row.iter().zip(&self.mean).map(|(&w, x)| f64::from(w) * x).sum::<f64>();
        separable.bias = rows.map(|row| lacking(row) as f32).collect();
        separable
    }
    /// The covariance of targets and windows, with the pull of the damping.
    fn crossed(&self, targets: &[f32]) -> Vec<f64> {
        let mean = means(targets, self.standard.outputs);
        let mut crossed = covariances(self.isa, targets, &mean, &self.rows.x, &self.mean);
        crossed.iter_mut().zip(&self.standard.weights).for_each(|(c, &w)| *c += self.damping * f64::from(w));
        crossed
    }

    /// Fits both convolutions channel by channel, the others as they are.
    fn channels(&self, crossed: &[f64], separable: &mut Separable) {
        let Standard { outputs, channels, taps, .. } = *self.standard;
        let (depth, mut product) = (self.standard.depth(), separable.product(self.standard));
        let mut sums = vec![0.0; outputs * taps];
        for (channel, panel) in (0..channels).zip(&self.panels) {
            matmul::matmul(self.isa, outputs, depth, taps, &product.weights, panel, &mut sums);
            let own: Vec<f64> = panel[channel * taps * taps..][..taps * taps].iter().map(|&x| f64::from(x)).collect();
            let mut target: Vec<f64> = self.standard.channel(crossed, channel).collect();
            target.iter_mut().zip(&sums).for_each(|(target, &sum)| *target -= f64::from(sum));
            let before: Vec<f32> = product.channel(&product.weights, channel).collect();
            for (target, before) in target.chunks_exact_mut(taps).zip(before.chunks_exact(taps)) {
                for (own, &w) in own.chunks_exact(taps).zip(before) {
                    target.iter_mut().zip(own).for_each(|(target, s)| *target += f64::from(w) * s);
                }
            }
            let mut l = own;
            cholesky(&mut l, taps);
            let truncated = Truncated::new(&target, &l, outputs, taps, separable.terms);
            separable.set_channel(self.standard, channel, &truncated);
            for (row, mix) in product.weights.chunks_exact_mut(depth).zip(truncated.mix.chunks_exact(separable.terms)) {
                let of_channel = &mut row[channel * taps..][..taps];
                of_channel.fill(0.0);
                for (&mix, filter) in mix.iter().zip(truncated.filters.chunks_exact(taps)) {
                    of_channel.iter_mut().zip(filter).for_each(|(w, f)| *w += (mix * f) as f32);
                }
            }
        }
    }

    /// Fits all of the pointwise convolution to the depthwise filters.
    fn pointwise(&self, crossed: &[f64], separable: &mut Separable) {
        let Standard { channels, taps, .. } = *self.standard;
        let (terms, depth, middle) = (separable.terms, self.standard.depth(), channels * separable.terms);
        if middle > MOST_JOINT {
            return;
        }
        let filters: Vec<f64> = separable.depthwise.iter().map(|&w| f64::from(w)).collect();
        let filter = |i: usize| &filters[i * taps..][..taps];
        let mut gram = vec![0.0; middle * middle];
        for j in 0..middle {
            let panel = self.panels[j / terms].chunks_exact(taps);
            let column: Vec<f64> =
                panel.map(|row| row.iter().zip(filter(j)).map(|(&s, f)| f64::from(s) * f).sum()).collect();
            for i in j..middle {
                let of_channel = &column[i / terms * taps..][..taps];
                gram[i * middle + j] = of_channel.iter().zip(filter(i)).map(|(s, f)| s * f).sum();
            }
        }
        cholesky(&mut gram, middle);
        for (row, crossed) in separable.pointwise.chunks_exact_mut(middle).zip(crossed.chunks_exact(depth)) {
            let inner = |i: usize| crossed[i / terms * taps..][..taps].iter().zip(filter(i)).map(|(c, f)| c * f).sum();
            let mut solution: Vec<f64> = (0..middle).map(inner).collect();
            solve_lower(&gram, &mut solution);
            solve_upper(&gram, &mut solution);
            row.iter_mut().zip(solution).for_each(|(to, from)| *to = from as f32);
        }
    }
}
