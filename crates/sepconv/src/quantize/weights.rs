use super::Granularity;

/// The greatest magnitude of a weight: symmetric, so that -128 stays unused.
const MOST: f32 = 127.0;
/// Biases are integers of 32 bits, with room left for the sums that they are added to.
const MOST_BIAS: f32 = (1 << 30) as f32;

/// The integers that stand for a layer's weights and bias.
#[derive(Clone, Debug)]
pub(super) struct Integers {
    /// `[o, ..]`, as the weights are.
    pub(super) weights: Vec<i8>,
    /// One for each filter, or the same for all.
    pub(super) scale: Vec<f32>,
    /// In units of the input's scale times the filter's.
    pub(super) bias: Vec<i64>,
    pub(super) bias_scale: Vec<f32>,
}

impl Integers {
    pub(super) fn new(weights: Vec<i8>, scale: Vec<f32>, bias: &[f32], x_scale: f32) -> Self {
        let mut integers = Self { weights, scale, bias: vec![], bias_scale: vec![] };
        integers.set_bias(bias, x_scale);
        integers
    }

    /// The real numbers that the weights stand for.
    pub(super) fn real_weights(&self) -> Vec<f32> {
        let per_filter = (self.weights.len() / self.scale.len()).max(1);
        self.weights.iter().enumerate().map(|(i, &w)| f32::from(w) * self.scale[i / per_filter]).collect()
    }

    /// The real numbers that the bias stands for.
    pub(super) fn real_bias(&self) -> Vec<f32> {
        self.bias.iter().zip(&self.bias_scale).map(|(&b, scale)| b as f32 * scale).collect()
    }

    /// Sets the bias, `x_scale` being the scale of what the layer reads.
    pub(super) fn set_bias(&mut self, bias: &[f32], x_scale: f32) {
        self.bias_scale = self.scale.iter().map(|scale| scale * x_scale).collect();
        let integer = |(b, scale): (&f32, &f32)| (b / scale).round_ties_even() as i64;
        self.bias = bias.iter().zip(&self.bias_scale).map(integer).collect();
    }
}

/// The scale of each of `bias.len()` filters.
pub(super) fn scales(weights: &[f32], bias: &[f32], x_scale: f32, granularity: Granularity, fit: bool) -> Vec<f32> {
    let per_filter = (weights.len() / bias.len().max(1)).max(1);
    let filters = weights.chunks_exact(per_filter);
    let mut scales: Vec<f32> = filters.map(|filter| if fit { least_error(filter) } else { widest(filter) }).collect();
    // Filters that are nearly nothing beside their bias must not make it overflow.
    for (scale, b) in scales.iter_mut().zip(bias) {
        *scale = scale.max(b.abs() / (MOST_BIAS * x_scale)).max(f32::MIN_POSITIVE * MOST_BIAS);
    }
    if granularity == Granularity::PerTensor {
        let greatest = scales.iter().copied().fold(0.0, f32::max);
        scales.fill(greatest);
    }
    scales
}

/// The nearest integers.
pub(super) fn round(weights: &[f32], scales: &[f32]) -> Vec<i8> {
    let per_filter = (weights.len() / scales.len().max(1)).max(1);
    weights.iter().enumerate().map(|(i, &weight)| nearest(weight, scales[i / per_filter])).collect()
}

/// The nearest integer.
pub(super) fn nearest(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-MOST, MOST) as i8
}

fn widest(filter: &[f32]) -> f32 {
    filter.iter().fold(0.0f32, |most, w| most.max(w.abs())) / MOST
}

/// The scale of least square error, among those that cut up to half of the range.
fn least_error(filter: &[f32]) -> f32 {
    const STEPS: u16 = 50;
    let widest = widest(filter);
    let error = |scale: f32| -> f64 {
        let of = |w: &f32| f64::from(w - f32::from(nearest(*w, scale)) * scale);
        filter.iter().map(|w| of(w) * of(w)).sum()
    };
    let candidates = (STEPS..=2 * STEPS).rev().map(|i| widest * f32::from(i) / f32::from(2 * STEPS));
    let compared = candidates.map(|scale| (error(scale), scale));
    compared.min_by(|(a, _), (b, _)| a.total_cmp(b)).map_or(widest, |(_, scale)| scale)
}
