/// How values between samples are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// The nearest sample.
    Nearest(Rounding),
    /// A straight line between the two neighbors.
    Linear,
    /// Keys' cubic through the four neighbors (IEEE Trans. ASSP 29(6), 1981).
    Cubic {
        /// The slope parameter; ONNX's default is -0.75.
        a: f32,
        /// Whether neighbors outside the axis get weight zero, the others being scaled to sum to one; else the edge
        /// sample repeats.
        exclude_outside: bool,
    },
}

/// Which sample is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The nearer; of two the lower.
    PreferFloor,
    /// The nearer; of two the upper.
    PreferCeil,
    /// The lower.
    Floor,
    /// The upper.
    Ceil,
}

/// Where output position `o` lies on the input axis, `scale` being the ratio of the sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coordinates {
    /// `(o + ½)/scale - ½`
    HalfPixel,
    /// As half-pixel, with the centers of both axes aligned although the output size is rounded.
    HalfPixelSymmetric,
    /// As half-pixel; an output of one sample reads position 0.
    PytorchHalfPixel,
    /// `o·(in - 1)/(in·scale - 1)`, first and last samples aligned; an output of one sample reads position 0.
    AlignCorners,
    /// `o/scale`
    Asymmetric,
}

/// How one axis is resampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisMap {
    /// How values between samples are made.
    pub mode: Mode,
    /// Where output positions lie.
    pub coordinates: Coordinates,
    /// Output size over input size. A scale that equals the quotient of the sizes, rounded, stands for the exact
    /// quotient.
    pub scale: f32,
}

/// The samples that one output position is made of: `Σ weights[i]·in[first + i]` over `i < count`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taps {
    /// The first sample.
    pub first: usize,
    /// How many samples are read, at most 4; all lie on the axis.
    pub count: usize,
    /// Their weights, zero beyond `count`.
    pub weights: [f32; 4],
}

/// Computes the taps of every output position; `out` is one per position. Panics when the input axis is empty.
pub fn taps(map: &AxisMap, in_size: usize, out_size: usize, out: &mut [Taps]) {
    assert!(in_size > 0, "an empty axis cannot be resized");
    assert_eq!(out.len(), out_size, "resize taps");
    for (o, taps) in out.iter_mut().enumerate() {
        let position = map.position(o, in_size, out_size);
        *taps = match map.mode {
            Mode::Nearest(rounding) => nearest(rounding, position, in_size),
            Mode::Linear => linear(position, in_size),
            Mode::Cubic { a, exclude_outside } => cubic(f64::from(a), exclude_outside, position, in_size),
        };
    }
}

impl AxisMap {
    /// Where output position `o` lies on the input axis.
    pub fn position(&self, o: usize, in_size: usize, out_size: usize) -> f64 {
        let (o, input, output) = (o as f64, in_size as f64, out_size as f64);
        // Single precision cannot hold most quotients: a scale that stands for the sizes is taken to be exactly their
        // ratio.
        let exact = self.scale == (output / input) as f32;
        let resized = if exact { output } else { f64::from(self.scale) * input };
        let unscale = |x: f64| x * input / resized;
        let half_pixel = unscale(o + 0.5) - 0.5;
        match self.coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => input / 2.0 * (1.0 - output / resized) + half_pixel,
            Coordinates::PytorchHalfPixel if out_size <= 1 => 0.0,
            Coordinates::PytorchHalfPixel => half_pixel,
            Coordinates::AlignCorners if resized == 1.0 => 0.0,
            Coordinates::AlignCorners => o * (input - 1.0) / (resized - 1.0),
            Coordinates::Asymmetric => unscale(o),
        }
    }
}

/// The sample below a position, and how far above it that is, in 0..1.
fn split(position: f64) -> (isize, f64) {
    let below = libm::floor(position);
    (below as isize, position - below)
}

fn nearest(rounding: Rounding, position: f64, size: usize) -> Taps {
    let (below, ratio) = split(position);
    let up = match rounding {
        Rounding::PreferFloor => ratio > 0.5,
        Rounding::PreferCeil => ratio >= 0.5,
        Rounding::Floor => false,
        Rounding::Ceil => ratio > 0.0,
    };
    gather(below.saturating_add(isize::from(up)), &[1.0], size)
}

fn linear(position: f64, size: usize) -> Taps {
    let (below, ratio) = split(position);
    gather(below, &[1.0 - ratio, ratio], size)
}

fn cubic(a: f64, exclude_outside: bool, position: f64, size: usize) -> Taps {
    let (below, ratio) = split(position);
    let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    let mut weights = [far(1.0 + ratio), near(ratio), near(1.0 - ratio), far(2.0 - ratio)];
    let first = below.saturating_sub(1);
    if exclude_outside {
        for (i, weight) in weights.iter_mut().enumerate() {
            let sample = first.saturating_add_unsigned(i);
            if sample < 0 || sample as usize >= size {
                *weight = 0.0;
            }
        }
        let sum: f64 = weights.iter().sum();
        weights = weights.map(|weight| weight / sum);
    }
    gather(first, &weights, size)
}

/// Taps from sample `first` on: those outside the axis join the edge, zeros at either end are dropped.
fn gather(first: isize, weights: &[f64], size: usize) -> Taps {
    let clamped = |i: usize| first.saturating_add_unsigned(i).clamp(0, size as isize - 1) as usize;
    let mut folded = [0.0; 4];
    for (i, weight) in weights.iter().enumerate() {
        folded[clamped(i) - clamped(0)] += weight;
    }
    let (mut start, mut end) = (0, clamped(weights.len() - 1) - clamped(0) + 1);
    while start + 1 < end && folded[start] == 0.0 {
        start += 1;
    }
    while start + 1 < end && folded[end - 1] == 0.0 {
        end -= 1;
    }
    let mut taps = Taps { first: clamped(0) + start, count: end - start, weights: [0.0; 4] };
    for (to, weight) in taps.weights.iter_mut().zip(&folded[start..end]) {
        *to = *weight as f32;
    }
    taps
}
