use std::hint::black_box;
use std::time::{Duration, Instant};

use sepconv_kernels::{Epilogue, Isa, QuantizedConvParams, QuantizedWeights, Requantize, Tile};

/// What the int8 layers end with.
pub(crate) const EPILOGUE: Epilogue<'static> =
    Epilogue { output: Requantize { zero_point: 3, low: 3, high: 250 }, lut: None, residual: None };

/// What is timed on one instruction set and type of numbers.
pub(crate) struct Bench<'a> {
    pub(crate) isa: Isa,
    numbers: &'a str,
    /// Billions of multiply-adds in a second.
    peak: f64,
    words: &'a [String],
}

impl<'a> Bench<'a> {
    /// `peak` gives how many operations it did, two for each multiply-add.
    pub(crate) fn new(isa: Isa, numbers: &'a str, peak: fn(Isa) -> u64, words: &'a [String]) -> Self {
        let peak = peak(isa) as f64 / 2e9 / fastest(|| _ = black_box(peak(isa)));
        println!("{isa} {numbers}: at most {peak:.1} GMAC/s");
        Self { isa, numbers, peak, words }
    }

    /// Prints what `measure` says of each of some variants of a kernel on a shape, in billions of multiply-adds in a
    /// second: first the one that is `chosen`, then all, fastest first.
    pub(crate) fn line<V: PartialEq>(
        &self,
        shape: &str,
        variants: impl Iterator<Item = V>,
        chosen: &V,
        name: impl Fn(&V) -> String,
        measure: impl Fn(&V) -> f64,
    ) {
        let text = format!("{:<10} {:<4} {shape}", self.isa.name(), self.numbers);
        if !self.words.iter().all(|word| text.split_whitespace().any(|other| other == word)) {
            return;
        }
        let mut rates: Vec<_> = variants.map(|variant| (measure(&variant), variant)).collect();
        rates.sort_by(|a, b| b.0.total_cmp(&a.0));
        let rate =
            |(rate, variant): &(f64, V)| format!("{:>7} {rate:6.1} {:3.0} %", name(variant), 100.0 * rate / self.peak);
        let of_chosen = rates.iter().find(|(_, variant)| variant == chosen).map_or_else(String::new, rate);
        println!("{text:<42} {of_chosen} | {}", rates.iter().map(rate).collect::<Vec<_>>().join(" "));
    }

    /// [`line`](Self::line) for the tiles of a matrix kernel.
    pub(crate) fn tiles(
        &self,
        shape: &str,
        tiles: impl Iterator<Item = Tile>,
        chosen: Tile,
        measure: impl Fn(Tile) -> f64,
    ) {
        self.line(shape, tiles, &chosen, |tile| tile.name(self.isa).to_string(), |&tile| measure(tile));
    }
}

/// Numbers that begin on a cache line, as a plan keeps them.
pub(crate) struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    length: usize,
}

impl<T> Aligned<T> {
    pub(crate) fn new(length: usize, number: impl Fn(usize) -> T) -> Self {
        let data: Vec<_> = (0..length + 64).map(|i| number(i % 7)).collect();
        let start = data.as_ptr().align_offset(64);
        Self { data, start, length }
    }

    pub(crate) fn get(&mut self) -> &mut [T] {
        &mut self.data[self.start..][..self.length]
    }
}

/// Calls `run` with weights of `n` output channels and `k` products each.
pub(crate) fn with_params<R>(k: usize, n: usize, run: impl FnOnce(&QuantizedConvParams<'_>) -> R) -> R {
    // Weights of all sizes, mostly small ones: of some instruction sets the time depends on them.
    let mut state = 1u32;
    let mut third = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i32 % 85 - 42
    };
    let weights: Vec<_> = (0..n * k).map(|_| (third() + third() + third()) as i8).collect();
    let (bias, scale) = (vec![100; n], vec![0.001; n]);
    run(&QuantizedConvParams {
        weights: QuantizedWeights::I8(&weights, 0),
        x_zero_point: 3,
        bias: &bias,
        scale: &scale,
    })
}

/// Billions of multiply-adds in a second, where `call` does so many.
pub(crate) fn rate(macs: usize, call: impl FnMut()) -> f64 {
    macs as f64 / fastest(call) / 1e9
}

/// The fewest seconds that one call takes, over batches of a millisecond and more.
fn fastest(mut call: impl FnMut()) -> f64 {
    let mut batch = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed()
    };
    let mut calls = 1;
    while batch(calls) < Duration::from_millis(1) {
        calls *= 2;
    }
    (0..25).map(|_| batch(calls).as_secs_f64() / f64::from(calls)).fold(f64::INFINITY, f64::min)
}
