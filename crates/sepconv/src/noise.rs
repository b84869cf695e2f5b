/// Signal and noise of a value: how far its approximation is off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    pub(crate) fn compare(&mut self, exact: &[f32], approximate: &[f32]) {
        for (&exact, &approximate) in exact.iter().zip(approximate) {
            let (exact, error) = (f64::from(exact), f64::from(exact) - f64::from(approximate));
            self.signal += exact * exact;
            self.noise += error * error;
        }
    }

    pub(crate) fn is_finite(self) -> bool {
        self.signal.is_finite() && self.noise.is_finite()
    }

    /// The ratio in decibels; infinite where nothing is off.
    pub(crate) fn decibels(self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }

    /// Noise per signal; zero where nothing is off.
    pub(crate) fn ratio(self) -> f64 {
        if self.noise == 0.0 { 0.0 } else { self.noise / self.signal.max(f64::MIN_POSITIVE) }
    }
}
