//! What the tests of several operators share.
use std::vec::Vec;

/// A linear congruential generator (Knuth's MMIX constants): the same numbers on every machine.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// Whole numbers in -4..=4: sums of their products are exact in any order, so that results can be compared by equality.
    pub(crate) fn integers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() % 9) as f32 - 4.0).collect()
    }

    /// Bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 8) as u8).collect()
    }

    /// Numbers in -1..1.
    pub(crate) fn reals(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next() as f32 / (1u64 << 30) as f32 - 1.0).collect()
    }
}

/// The absolute values, which turn a reference into the sum that an error bound is made of.
pub(crate) fn absolute(x: &[f32]) -> Vec<f32> {
    x.iter().map(|x| x.abs()).collect()
}

/// Asserts that `k` products, a bias and a residual were added with at most one rounding of half a unit for each
/// multiplication and addition: `|got - want| <= (2k + 3)·2^-24 · sum of the absolute terms`.
pub(crate) fn assert_within_bound(got: &[f32], want: &[f32], absolute: &[f32], k: usize, what: &str) {
    for (i, ((got, want), absolute)) in got.iter().zip(want).zip(absolute).enumerate() {
        let bound = (2 * k + 3) as f32 * f32::EPSILON / 2.0 * absolute;
        assert!((got - want).abs() <= bound, "{what}: expected {want}, got {got} at {i}, bound {bound:e}");
    }
}
