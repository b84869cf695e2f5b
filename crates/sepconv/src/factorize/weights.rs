use sepconv_core::{Graph, Node, Result, Tensor};

use super::linear::{dot, eigen, solve_lower, solve_upper};

/// The weights of a standard convolution, channel by channel.
#[derive(Clone, Debug)]
pub(super) struct Standard {
    pub(super) outputs: usize,
    pub(super) channels: usize,
    /// Taps of the window, `kh·kw`.
    pub(super) taps: usize,
    /// `[outputs, channels, taps]`
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// A depthwise convolution with a depth multiplier, and the pointwise one after it.
#[derive(Clone, Debug)]
pub(super) struct Separable {
    /// The depth multiplier.
    pub(super) terms: usize,
    /// `[channels·terms, taps]`
    pub(super) depthwise: Vec<f32>,
    /// `[outputs, channels·terms]`
    pub(super) pointwise: Vec<f32>,
    /// Of the pointwise convolution; the depthwise one has none.
    pub(super) bias: Vec<f32>,
}

impl Standard {
    /// The weights of a convolution in one group; `None` where they are no constants.
    pub(super) fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let constant = |i: usize| graph.value(*node.inputs.get(i)?).constant.as_deref();
        let (weights, bias) = (constant(1)?, constant(2)?.as_f32()?);
        let [outputs, kh, kw, channels] = weights.shape()[..] else { return None };
        let taps = kh * kw;
        let w = weights.as_f32()?;
        let by_channel = |i: usize| w[(i / (channels * taps) * taps + i % taps) * channels + i / taps % channels];
        let weights = (0..w.len()).map(by_channel).collect();
        Some(Self { outputs, channels, taps, weights, bias: bias.to_vec() })
    }

    /// Products in an output value.
    pub(super) fn depth(&self) -> usize {
        self.channels * self.taps
    }

    /// The weights as the operator has them, of a window `[kh, kw]`.
    pub(super) fn tensor(&self, [kh, kw]: [usize; 2]) -> Result<Tensor> {
        let Self { outputs, channels, taps, ref weights, .. } = *self;
        let by_tap = |i: usize| weights[(i / (channels * taps) * channels + i % channels) * taps + i / channels % taps];
        Tensor::f32([outputs, kh, kw, channels], (0..weights.len()).map(by_tap).collect::<Vec<_>>())
    }

    /// The closest separable convolution, by the sum of squared differences of weights: for each channel the singular
    /// value decomposition of its `[outputs, taps]`, cut off after `terms`. Returns the sum of the squares of what is
    /// cut off, too.
    pub(super) fn truncated(&self, terms: usize) -> (Separable, f64) {
        let Self { outputs, channels, taps, .. } = *self;
        let mut found = Separable::zeros(self, terms);
        let mut identity = vec![0.0; taps * taps];
        (0..taps).for_each(|i| identity[i * taps + i] = 1.0);
        let mut left = 0.0;
        for channel in 0..channels {
            let matrix: Vec<f64> = self.channel(&self.weights, channel).map(f64::from).collect();
            let truncated = Truncated::new(&matrix, &identity, outputs, taps, terms);
            found.set_channel(self, channel, &truncated);
            left += truncated.left;
        }
        (found, left)
    }

    /// The `[outputs, taps]` of one channel.
    pub(super) fn channel<'a, T: Copy>(&self, weights: &'a [T], channel: usize) -> impl Iterator<Item = T> + 'a {
        let (depth, taps) = (self.depth(), self.taps);
        weights.chunks_exact(depth.max(1)).flat_map(move |row| row[channel * taps..][..taps].iter().copied())
    }

    /// The sum of squared weights.
    pub(super) fn energy(&self) -> f64 {
        self.weights.iter().map(|&w| f64::from(w).powi(2)).sum()
    }
}

impl Separable {
    fn zeros(standard: &Standard, terms: usize) -> Self {
        let middle = standard.channels * terms;
        Self {
            terms,
            depthwise: vec![0.0; middle * standard.taps],
            pointwise: vec![0.0; standard.outputs * middle],
            bias: standard.bias.clone(),
        }
    }

    /// Replaces the terms of one channel.
    pub(super) fn set_channel(&mut self, standard: &Standard, channel: usize, truncated: &Truncated) {
        let (terms, taps, middle) = (self.terms, standard.taps, standard.channels * self.terms);
        let filters = &mut self.depthwise[channel * terms * taps..][..terms * taps];
        filters.iter_mut().zip(&truncated.filters).for_each(|(to, &from)| *to = from as f32);
        for (row, mix) in self.pointwise.chunks_exact_mut(middle).zip(truncated.mix.chunks_exact(terms)) {
            row[channel * terms..][..terms].iter_mut().zip(mix).for_each(|(to, &from)| *to = from as f32);
        }
    }

    /// The standard convolution that computes the same: the product of both.
    pub(super) fn product(&self, standard: &Standard) -> Standard {
        let Standard { outputs, channels, taps, .. } = *standard;
        let (terms, middle) = (self.terms, channels * self.terms);
        let mut weights = vec![0.0; outputs * channels * taps];
        for (filter, mix) in weights.chunks_exact_mut((channels * taps).max(1)).zip(self.pointwise.chunks_exact(middle))
        {
            for (i, (&mix, taps_of)) in mix.iter().zip(self.depthwise.chunks_exact(taps)).enumerate() {
                let of_channel = &mut filter[i / terms * taps..][..taps];
                of_channel.iter_mut().zip(taps_of).for_each(|(w, &tap)| *w += mix * tap);
            }
        }
        Standard { weights, bias: self.bias.clone(), ..*standard }
    }
}

/// The best terms for one channel: `mix[outputs, terms] · filters[terms, taps]`, each filter of length 1.
pub(super) struct Truncated {
    pub(super) filters: Vec<f64>,
    pub(super) mix: Vec<f64>,
    /// The sum of squared singular values that are cut off.
    pub(super) left: f64,
}

impl Truncated {
    /// The product `M` of `terms` terms that minimizes `tr(M·S·Mᵀ) - 2·tr(M·targetᵀ)` for `S = l·lᵀ`, `[taps, taps]`:
    /// with `S` the identity, the best approximation of `target[outputs, taps]` (Eckart and Young 1936); with `S` the
    /// covariance of what is multiplied, reduced-rank regression (Izenman 1975).
    pub(super) fn new(target: &[f64], l: &[f64], outputs: usize, taps: usize, terms: usize) -> Self {
        let mut whitened = target.to_vec();
        whitened.chunks_exact_mut(taps).for_each(|row| solve_lower(l, row));
        let mut gram = vec![0.0; taps * taps];
        for row in whitened.chunks_exact(taps) {
            for (i, &x) in row.iter().enumerate() {
                gram[i * taps..][..taps].iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
        }
        let (values, vectors) = eigen(gram, taps);
        let mut mix = vec![0.0; outputs * terms];
        let mut filters = vectors[..terms * taps].to_vec();
        for (t, filter) in filters.chunks_exact_mut(taps).enumerate() {
            let vector = filter.to_vec();
            solve_upper(l, filter);
            let length = dot(filter, filter).sqrt();
            filter.iter_mut().for_each(|x| *x /= length);
            for (o, row) in whitened.chunks_exact(taps).enumerate() {
                mix[o * terms + t] = dot(row, &vector) * length;
            }
        }
        Self { filters, mix, left: values[terms..].iter().map(|&value| value.max(0.0)).sum() }
    }
}
