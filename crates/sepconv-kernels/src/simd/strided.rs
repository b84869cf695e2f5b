use core::mem::MaybeUninit;

use crate::unroll::unrolled_array;

/// Runs of `length` numbers each, of which run `i` starts at `i·step`: the inputs of `N` neighboring pixels. Panics
/// when `data` is too short for the last.
#[inline(always)]
pub fn strided<T, const N: usize>(data: &[T], step: usize, length: usize) -> [&[T]; N] {
    let end = const { N - 1 }.checked_mul(step).and_then(|last| last.checked_add(length));
    assert!(end.is_some_and(|end| end <= data.len()), "runs beyond their row");
    // SAFETY: the last run lies in `data`, and the others lie before it.
    unrolled_array(|i| unsafe { data.get_unchecked(i * step..i * step + length) })
}

/// Runs of `length` numbers that follow each other: as `chunks_exact`, by index. A `zip` of those is not always inlined.
#[derive(Clone, Copy)]
pub struct Chunks<'a, T> {
    data: &'a [T],
    length: usize,
    count: usize,
}

impl<'a, T> Chunks<'a, T> {
    /// The whole runs of `data`.
    #[inline(always)]
    pub fn new(data: &'a [T], length: usize) -> Self {
        Self { data, length, count: data.len() / length }
    }

    /// How many there are.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Run `i`. Panics when there are no more than that; in a loop below [`count`](Self::count) nothing is checked.
    #[inline(always)]
    pub fn get(&self, i: usize) -> &'a [T] {
        assert!(i < self.count, "a run beyond the last");
        // SAFETY: `count` runs lie in `data`.
        unsafe { self.data.get_unchecked(i * self.length..(i + 1) * self.length) }
    }
}

/// As [`strided`], to be written to. Panics also when runs overlap.
#[inline(always)]
pub fn strided_mut<T, const N: usize>(data: &mut [T], step: usize, length: usize) -> [&mut [T]; N] {
    let end = const { N - 1 }.checked_mul(step).and_then(|last| last.checked_add(length));
    assert!(end.is_some_and(|end| end <= data.len()) && (N == 1 || length <= step), "runs beyond their row");
    let start = data.as_mut_ptr();
    let mut runs = [const { MaybeUninit::uninit() }; N];
    unroll!(i in 0..N, {
        // SAFETY: the last run lies in `data`, the others lie before it, and none reaches the next.
        runs[i].write(unsafe { core::slice::from_raw_parts_mut(start.add(i * step), length) });
    });
    // SAFETY: all are written. `array::from_fn` is not always inlined.
    unsafe { runs.as_ptr().cast::<[&mut [T]; N]>().read() }
}
