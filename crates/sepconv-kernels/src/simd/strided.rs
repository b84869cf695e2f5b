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
