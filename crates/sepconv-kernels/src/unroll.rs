/// Repeats `body` with constants `0..end`, eight of them at most: the compiler's own unrolling gives up on the larger
/// kernels, and sums that it indexes at run time are not in registers. With `of 19`, nineteen at most: each takes its
/// time to compile.
macro_rules! unroll {
    ($i:ident in 0..$end:expr, $body:block) => {
        unroll!(@ $i $end, $body, 8, 0 1 2 3 4 5 6 7)
    };
    ($i:ident in 0..$end:expr, of 19, $body:block) => {
        unroll!(@ $i $end, $body, 19, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18)
    };
    (@ $i:ident $end:expr, $body:block, $most:literal, $($value:literal)*) => {
        const { assert!($end <= $most) }
        $(if const { $value < $end } {
            let $i: usize = $value;
            $body
        })*
    };
}

/// What `f` makes of each number below `N`. Unlike `array::from_fn` and `map` it is always inlined and unrolled,
/// without which vectors pass through memory.
#[inline(always)]
pub(crate) fn unrolled_array<V: Copy, const N: usize>(f: impl Fn(usize) -> V) -> [V; N] {
    let mut all = [f(0); N];
    unroll!(i in 0..N, {
        all[i] = f(i);
    });
    all
}
