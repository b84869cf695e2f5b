/// Elements that are moved a vector at a time. Vectors are of 128 bits, which every machine of an architecture has: a
/// copy needs no token, and is as fast as memory.
pub trait Shuffle: Copy {
    /// [`LANES`](Self::LANES) elements.
    type Vector: Copy;
    /// Elements in a vector; one where there are no vectors.
    const LANES: usize;

    /// The first [`LANES`](Self::LANES) elements of `from`. Panics when it is shorter.
    fn load(from: &[Self]) -> Self::Vector;
    /// Writes the first [`LANES`](Self::LANES) elements of `to`. Panics when it is shorter.
    fn store(x: Self::Vector, to: &mut [Self]);
    /// `a0 b0 a1 b1 …`, in two vectors.
    fn zip(a: Self::Vector, b: Self::Vector) -> [Self::Vector; 2];
    /// Transposes as many rows of a vector: those read lie `x_step` apart, those written `out_step`.
    fn transpose_tile(x: (&[Self], usize), out: (&mut [Self], usize));
}

/// `V` vectors, the first half of all elements zipped with the second, `stages` times: each time, the bits of every
/// element's place move to the left by one, and the highest becomes the lowest. So `log2(V)` stages make columns of `V`
/// rows, `log2(LANES)` make rows of `V` columns, and where `V` is `LANES`, they transpose.
#[inline(always)]
pub(crate) fn zip_stages<T: Shuffle, const V: usize>(mut vectors: [T::Vector; V], stages: u32) -> [T::Vector; V] {
    unroll!(stage in 0..MOST_STAGES, {
        if (stage as u32) < stages {
            let before = vectors;
            unroll!(i in 0..V, of 19, {
                vectors[i] = T::zip(before[i / 2], before[i / 2 + V / 2])[i % 2];
            });
        }
    });
    vectors
}

/// Those of sixteen elements.
const MOST_STAGES: usize = 4;

/// An element that is its own vector.
macro_rules! single {
    ($($element:ty),*) => {
        $(impl Shuffle for $element {
            type Vector = Self;
            const LANES: usize = 1;

            #[inline(always)]
            fn load(from: &[Self]) -> Self {
                from[0]
            }
            #[inline(always)]
            fn store(x: Self, to: &mut [Self]) {
                to[0] = x;
            }
            #[inline(always)]
            fn zip(a: Self, b: Self) -> [Self; 2] {
                [a, b]
            }
            #[inline(always)]
            fn transpose_tile((x, _): (&[Self], usize), (out, _): (&mut [Self], usize)) {
                out[0] = x[0];
            }
        })*
    };
}
single!(i64);

/// Elements with vectors: how these are loaded and stored, and the two halves of a zip.
#[cfg(any(target_arch = "x86_64", target_feature = "neon", target_feature = "simd128"))]
macro_rules! vectors {
    ($($element:ty: $lanes:literal x $vector:ty, $load:expr, $store:expr, $low:expr, $high:expr;)*) => {
        $(impl Shuffle for $element {
            type Vector = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn load(from: &[Self]) -> $vector {
                let from: &[Self; $lanes] = from.first_chunk().expect("a whole vector");
                // SAFETY: `from` is a vector long; every machine of the architecture has the instructions.
                unsafe { $load(from.as_ptr().cast()) }
            }
            #[inline(always)]
            fn store(x: $vector, to: &mut [Self]) {
                let to: &mut [Self; $lanes] = to.first_chunk_mut().expect("a whole vector");
                // SAFETY: as above.
                unsafe { $store(to.as_mut_ptr().cast(), x) }
            }
            #[inline(always)]
            #[allow(unused_unsafe, reason = "some architectures have these as safe functions")]
            fn zip(a: $vector, b: $vector) -> [$vector; 2] {
                // SAFETY: every machine of the architecture has the instructions.
                unsafe { [$low(a, b), $high(a, b)] }
            }
            #[inline(always)]
            fn transpose_tile((x, x_step): (&[Self], usize), (out, out_step): (&mut [Self], usize)) {
                // One check for all rows.
                let x = &x[..($lanes - 1) * x_step + $lanes];
                let out = &mut out[..($lanes - 1) * out_step + $lanes];
                let mut rows = [Self::load(x); $lanes];
                unroll!(i in 0..$lanes, of 19, { rows[i] = Self::load(&x[i * x_step..]) });
                let rows = zip_stages::<Self, $lanes>(rows, const { ($lanes as u32).ilog2() });
                unroll!(i in 0..$lanes, of 19, { Self::store(rows[i], &mut out[i * out_step..]) });
            }
        })*
    };
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use core::arch::x86_64::*;

    use super::{Shuffle, zip_stages};

    vectors! {
        f32: 4 x __m128, _mm_loadu_ps, _mm_storeu_ps, _mm_unpacklo_ps, _mm_unpackhi_ps;
        u8: 16 x __m128i, _mm_loadu_si128, _mm_storeu_si128, _mm_unpacklo_epi8, _mm_unpackhi_epi8;
    }
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod machine {
    use core::arch::aarch64::*;

    use super::{Shuffle, zip_stages};

    vectors! {
        f32: 4 x float32x4_t, vld1q_f32, vst1q_f32, vzip1q_f32, vzip2q_f32;
        u8: 16 x uint8x16_t, vld1q_u8, vst1q_u8, vzip1q_u8, vzip2q_u8;
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod machine {
    use core::arch::wasm32::*;

    use super::{Shuffle, zip_stages};

    vectors! {
        f32: 4 x v128, v128_load, v128_store, i32x4_shuffle::<0, 4, 1, 5>, i32x4_shuffle::<2, 6, 3, 7>;
        u8: 16 x v128, v128_load, v128_store,
            i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>,
            i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>;
    }
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
single!(f32, u8);
