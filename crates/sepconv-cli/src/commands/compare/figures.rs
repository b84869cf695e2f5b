//! Numbers of several layers together.

use sepconv::measure::compare::{Candidate, Comparison, Cost, NetworkComparison};
use serde::Serialize;

/// What one side of a comparison costs and takes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) macs: u64,
    pub(super) parameters: usize,
    pub(super) weight_bytes: usize,
    pub(super) activation_bytes: usize,
    pub(super) min_ms: f64,
    pub(super) median_ms: f64,
}

/// Both sides: separable, then standard.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Both {
    pub(super) separable: Figures,
    pub(super) standard: Figures,
}

/// All pairs, what is left of the network without them, and the network.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Totals {
    pub(super) pairs: Both,
    pub(super) rest: Both,
    pub(super) network: Both,
}

impl Figures {
    fn of(side: &Candidate) -> Self {
        let Cost { macs, parameters, weight_bytes, activation_bytes } = side.cost();
        let (min_ms, median_ms) = (side.times().min(), side.times().median());
        Self { macs, parameters, weight_bytes, activation_bytes, min_ms, median_ms }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            macs: self.macs.saturating_add(other.macs),
            parameters: self.parameters + other.parameters,
            weight_bytes: self.weight_bytes + other.weight_bytes,
            activation_bytes: self.activation_bytes + other.activation_bytes,
            min_ms: self.min_ms + other.min_ms,
            median_ms: self.median_ms + other.median_ms,
        }
    }

    /// Layers before a pair that run together with it in the network, but not by itself, can make a difference
    /// negative: of bytes nothing is left then, of times what it is.
    fn minus(self, other: Self) -> Self {
        Self {
            macs: self.macs.saturating_sub(other.macs),
            parameters: self.parameters.saturating_sub(other.parameters),
            weight_bytes: self.weight_bytes.saturating_sub(other.weight_bytes),
            activation_bytes: self.activation_bytes.saturating_sub(other.activation_bytes),
            min_ms: self.min_ms - other.min_ms,
            median_ms: self.median_ms - other.median_ms,
        }
    }
}

impl Both {
    pub(super) fn of(comparison: &Comparison) -> Self {
        Self { separable: Figures::of(&comparison.separable), standard: Figures::of(&comparison.standard) }
    }

    fn with(self, other: Self, combine: fn(Figures, Figures) -> Figures) -> Self {
        let (separable, standard) = (combine(self.separable, other.separable), combine(self.standard, other.standard));
        Self { separable, standard }
    }

    /// How many times as many multiply-accumulates the standard side needs.
    pub(super) fn theoretical_speedup(&self) -> f64 {
        self.standard.macs as f64 / self.separable.macs as f64
    }

    /// How many times as long it takes, by the shortest times.
    pub(super) fn measured_speedup(&self) -> f64 {
        self.standard.min_ms / self.separable.min_ms
    }
}

impl Totals {
    pub(super) fn of(comparison: &NetworkComparison) -> Self {
        let none = Both { separable: Figures::default(), standard: Figures::default() };
        let each = comparison.pairs().iter().map(|pair| Both::of(&pair.comparison));
        let pairs = each.fold(none, |sum, pair| sum.with(pair, Figures::plus));
        let network = Both::of(comparison.network());
        Self { pairs, rest: network.with(pairs, Figures::minus), network }
    }
}
