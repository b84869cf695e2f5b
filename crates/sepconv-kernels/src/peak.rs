//! The fastest that a core multiplies: independent products on registers, with nothing to load or to store.
//!
//! Percentages of peak are of what these loops reach on the same machine, so they know its clock as it is, not as it is
//! sold.

use core::hint::black_box;

use crate::Isa;
use crate::simd::{Int8, Kernel, Simd};

/// Rounds of one call: some tens of microseconds.
const ROUNDS: usize = 1 << 14;

/// Multiply-adds of f32 values. Returns the number of operations, two for each.
pub fn f32(isa: Isa) -> u64 {
    let vectors = isa.run(MulAdds);
    2 * (vectors * isa.lanes()) as u64
}

/// Products of quads of bytes, summed by the fastest sequence of instructions that there is. Returns the number of
/// operations, two for each product.
pub fn int8(isa: Isa) -> u64 {
    let vectors = isa.run_int8(Dots);
    2 * 4 * (vectors * isa.lanes()) as u64
}

/// Copies f32 values, vector by vector: what kernels read and write, not what the memory routines of a system choose by
/// size and alignment. Panics when `to` is shorter than `from`.
pub fn copy(isa: Isa, from: &[f32], to: &mut [f32]) {
    isa.run(Copy { from, to });
}

struct Copy<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: S) {
        let (from, to) = (self.from, &mut self.to[..self.from.len()]);
        let whole = from.len() / S::LANES * S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            // A vector is stored only once it is there: no compiler makes a call of the system's routine of this.
            simd.store(simd.optimization_barrier(simd.load(&from[i..])), &mut to[i..]);
        }
        to[whole..].copy_from_slice(&from[whole..]);
    }
}

struct MulAdds;

impl<S: Simd> Kernel<S> for MulAdds {
    /// Vectors that were multiplied.
    type Output = usize;

    #[inline(always)]
    fn run(self, simd: S) -> usize {
        // As many chains as hide the latency of an instruction, where there are registers for them.
        if S::REGISTERS >= 32 { multiply_adds::<S, 24>(simd) } else { multiply_adds::<S, 12>(simd) }
    }
}

#[inline(always)]
fn multiply_adds<S: Simd, const CHAINS: usize>(simd: S) -> usize {
    let factor = simd.splat(black_box(0.5));
    // Numbers that the compiler does not know, or it would compute all chains as one.
    let mut sums = [factor; CHAINS];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = simd.splat(black_box(i as f32));
    }
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = simd.mul_add(*sum, factor, factor);
        }
    }
    for sum in sums {
        black_box(simd.sum(sum));
    }
    ROUNDS * CHAINS
}

struct Dots;

impl<S: Int8> Kernel<S> for Dots {
    /// Vectors that were multiplied.
    type Output = usize;

    #[inline(always)]
    fn run(self, simd: S) -> usize {
        if S::REGISTERS >= 32 { dots::<S, 24>(simd) } else { dots::<S, 12>(simd) }
    }
}

#[inline(always)]
fn dots<S: Int8, const CHAINS: usize>(simd: S) -> usize {
    let w = simd.splat_i32(black_box(5));
    let mut sums = [w; CHAINS];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = simd.splat_i32(black_box(i as i32));
    }
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            // What is multiplied changes, or preparing it would be done once.
            *sum = simd.dot_saturating(*sum, *sum, w);
        }
    }
    let mut lanes = [0; 16];
    for sum in sums {
        simd.store_i32(sum, &mut lanes);
        black_box(&lanes);
    }
    ROUNDS * CHAINS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_floats_are_copied() {
        for isa in Isa::available() {
            for len in [0, 1, 15, 16, 37] {
                let from: [f32; 37] = core::array::from_fn(|i| i as f32);
                let mut to = [-1.0; 40];
                copy(isa, &from[..len], &mut to);
                assert!(to[..len] == from[..len] && to[len..].iter().all(|&x| x == -1.0), "{isa}, {len}");
            }
        }
    }

    #[test]
    fn wider_instructions_do_more_in_a_call() {
        for isa in Isa::available() {
            let chains = if isa.registers() >= 32 { 24 } else { 12 };
            let vectors = (ROUNDS * chains) as u64;
            assert_eq!(f32(isa), 2 * vectors * isa.lanes() as u64, "{isa}");
            assert_eq!(int8(isa), 8 * vectors * isa.lanes() as u64, "{isa}");
        }
    }
}
