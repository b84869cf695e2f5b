//! Weights as sums of numbers of 8 bits, four at a time as they are multiplied with a quad.

/// What is left of the weights of a quad.
pub(super) struct Summands {
    /// The tap of each byte.
    taps: [Option<usize>; 4],
    rest: [i32; 4],
    /// Whether the sum of the first two or of the last two products saturates at 16 bits.
    saturate: bool,
}

impl Summands {
    /// Of the weights `weight(tap)` for the four bytes of a quad; where two bytes are of the same tap, they share its
    /// weight.
    pub(super) fn new(taps: [Option<usize>; 4], saturate: bool, weight: impl Fn(usize) -> i32) -> Self {
        let is_first = |b: usize| !taps[..b].contains(&taps[b]);
        let rest = core::array::from_fn(|b| taps[b].filter(|_| is_first(b)).map_or(0, &weight));
        Self { taps, rest, saturate }
    }
}

/// The greatest magnitude, of one weight or of two of one sign, whose products with u8 fit in 16 bits.
const MOST_OF_PAIR: i32 = 128;

impl Iterator for Summands {
    type Item = [i8; 4];

    /// The next summand of all four weights, while one is not zero.
    fn next(&mut self) -> Option<[i8; 4]> {
        if self.rest == [0; 4] {
            return None;
        }
        let mut now = [0; 4];
        for b in 0..4 {
            if let Some(first) = (0..b).find(|&first| self.taps[b].is_some() && self.taps[first] == self.taps[b]) {
                self.rest[b] += core::mem::take(&mut self.rest[first]);
            }
            let partner = if self.saturate && b % 2 == 1 { now[b - 1] } else { 0 };
            let (low, high) = ((-MOST_OF_PAIR - partner.min(0)).max(-128), (MOST_OF_PAIR - partner.max(0)).min(127));
            now[b] = self.rest[b].clamp(low, high);
            self.rest[b] -= now[b];
        }
        Some(now.map(|weight| weight as i8))
    }
}
