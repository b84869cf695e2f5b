use sepconv_kernels::Activation;

use super::bytes::Affine;

/// Bins of a histogram.
const BINS: usize = 1 << 15;

/// How often each number occurs among those of a value, for any number of images: bins of one width, a power of two,
/// which doubles when something falls outside. So the result depends on what was seen only, not on its order.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// Numbers in each bin: bin `i` spans `[first + i, first + i + 1)` widths.
    counts: Vec<u64>,
    first: i64,
    /// The width is 2 to this power.
    exponent: i32,
    /// Exact zeros, which every quantization represents.
    zeros: u64,
    low: f32,
    high: f32,
    /// Whether something infinite or NaN was left out.
    left_out: bool,
}

/// Which part of what was seen becomes the range of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// All of it.
    MinMax,
    /// This percentage of all numbers; what is cut is cut on both sides equally.
    Percentile(f64),
    /// What gives the least mean square error of cutting and rounding together, behind the function that alone reads
    /// the value.
    Mse,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BINS], first: 0, exponent: -40, zeros: 0, low: 0.0, high: 0.0, left_out: false }
    }

    /// Counts finite numbers.
    pub(super) fn add(&mut self, numbers: &[f32]) {
        let finite = || numbers.iter().copied().filter(|x| x.is_finite());
        self.left_out |= numbers.iter().any(|x| !x.is_finite());
        self.cover(finite().fold(0.0, f32::min), finite().fold(0.0, f32::max));
        let scale = (-f64::from(self.exponent)).exp2() as f32;
        for x in finite() {
            if x == 0.0 {
                self.zeros += 1;
            } else {
                let bin = x * scale;
                // The floor without a call; bins fit a part of i32 that floats hold exactly.
                let floor = bin as i32 - i32::from((bin as i32) as f32 > bin);
                self.counts[(i64::from(floor) - self.first) as usize] += 1;
            }
        }
    }

    /// The range that `choice` asks for; it includes zero. `reader` is the function that alone reads the value, if one
    /// does.
    pub(super) fn range(&self, choice: Range, reader: Activation) -> (f32, f32) {
        match choice {
            Range::MinMax => steep((self.low, self.high), reader),
            Range::Percentile(percent) => steep(self.percentile(percent), reader),
            Range::Mse => self.least_error(steep((self.low, self.high), reader), reader),
        }
    }

    /// Whether all numbers are finite, and far enough from the greatest floats for a range of them.
    pub(super) fn is_finite(&self) -> bool {
        !self.left_out && (self.high - self.low).is_finite()
    }

    fn width(&self) -> f64 {
        f64::from(self.exponent).exp2()
    }

    /// Widens the bins until both numbers have one.
    fn cover(&mut self, low: f32, high: f32) {
        (self.low, self.high) = (self.low.min(low), self.high.max(high));
        let index = |x: f32, exponent: i32| (f64::from(x) / f64::from(exponent).exp2()).floor() as i64;
        // Narrow bins have indices beyond i64.
        let fits = |exponent: i32| index(self.high, exponent).saturating_sub(index(self.low, exponent)) < BINS as i64;
        let exponent = (self.exponent..).find(|&exponent| fits(exponent)).unwrap_or(i32::MAX);
        let first = index(self.low, exponent);
        if (first, exponent) == (self.first, self.exponent) {
            return;
        }
        let mut counts = vec![0; BINS];
        for (i, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let merged = (self.first + i as i64) >> (exponent - self.exponent).min(62);
            counts[(merged - first) as usize] += count;
        }
        (self.counts, self.first, self.exponent) = (counts, first, exponent);
    }

    /// Occupied bins: the number in the middle and how often.
    fn bins(&self) -> Vec<(f64, f64)> {
        let middle = |i: usize| (self.first as f64 + i as f64 + 0.5) * self.width();
        let occupied = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        occupied.map(|(i, &count)| (middle(i), count as f64)).collect()
    }

    fn percentile(&self, percent: f64) -> (f32, f32) {
        let total = self.counts.iter().sum::<u64>() + self.zeros;
        let cut = total as f64 * (1.0 - percent / 100.0) / 2.0;
        let (bins, half) = (self.bins(), self.width() / 2.0);
        let low = (reached(bins.iter(), cut) - half).min(0.0) as f32;
        let high = (reached(bins.iter().rev(), cut) + half).max(0.0) as f32;
        (low.max(self.low), high.min(self.high))
    }

    /// Shrinks both ends together, then each by itself. What counts is the error behind `reader`. Numbers are rounded
    /// as they will be rather than by a formula for evenly spread ones: hard-swish and its like crowd them around their
    /// least value.
    fn least_error(&self, (least, most): (f32, f32), reader: Activation) -> (f32, f32) {
        const STEPS: u32 = 64;
        let read = |(x, count): (f64, f64)| (x as f32, reader.apply(x as f32), count);
        let bins: Vec<_> = self.bins().into_iter().map(read).collect();
        let error = |low: f32, high: f32| {
            let affine = Affine::covering((low, high));
            let of = |&(x, y, count): &(f32, f32, f64)| {
                let error = f64::from(reader.apply(affine.round(x)) - y);
                count * error * error
            };
            bins.iter().map(of).sum::<f64>()
        };
        let best = |candidate: &dyn Fn(f32) -> (f32, f32)| {
            let candidates = (1..=STEPS).rev().map(|i| candidate(i as f32 / STEPS as f32));
            let compared = candidates.map(|(low, high)| (error(low, high), (low, high)));
            compared.min_by(|(a, _), (b, _)| a.total_cmp(b)).map_or((least, most), |(_, range)| range)
        };
        let (_, high) = best(&|part| (least * part, most * part));
        let (low, _) = best(&|part| (least * part, high));
        best(&|part| (low, most * part))
    }
}

/// The part of a range within which a function changes, as far as bytes can tell: hard-swish makes zeros of all below
/// -3, so no bytes are spent there.
fn steep((low, high): (f32, f32), function: Activation) -> (f32, f32) {
    const STEPS: u16 = 1024;
    let at = |i: u16| low + (high - low) * f32::from(i) / f32::from(STEPS);
    let results = || (0..=STEPS).map(|i| function.apply(at(i)));
    let spread = results().fold(f32::MIN, f32::max) - results().fold(f32::MAX, f32::min);
    let differs = |i: &u16, end: f32| (function.apply(at(*i)) - function.apply(end)).abs() > spread / 4096.0;
    let first = (0..=STEPS).find(|i| differs(i, low)).map_or(0, |i| i.saturating_sub(1));
    let last = (0..=STEPS).rev().find(|i| differs(i, high)).map_or(STEPS, |i| i + 1);
    (at(first).min(0.0), at(last.min(STEPS)).max(0.0))
}

/// The bin in which more than `cut` numbers were passed.
fn reached<'a>(mut bins: impl Iterator<Item = &'a (f64, f64)>, cut: f64) -> f64 {
    let mut passed = 0.0;
    let last = bins.find(|(_, count)| {
        passed += count;
        passed > cut
    });
    last.map_or(0.0, |&(middle, _)| middle)
}
