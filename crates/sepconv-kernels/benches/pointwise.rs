//! Every tile on every shape: GFLOP/s of useful work on one thread with warm caches, and how near the best comes to the
//! fastest that multiply-adds alone run. `cargo bench -p sepconv-kernels --bench pointwise [isa]`

use std::hint::black_box;
use std::time::Instant;

use sepconv_kernels::pointwise::{Tile, pack, packed_len, pointwise};
use sepconv_kernels::simd::{Kernel, Simd};
use sepconv_kernels::{Activation, Isa};

/// `m`, `k`, `n` of layers of MobileNetV1 to V3 and EfficientNet, and of a fully connected layer.
const SHAPES: [[usize; 3]; 21] = [
    [112, 32, 16],
    [12544, 32, 16],
    [12544, 16, 96],
    [12544, 32, 64],
    [3136, 24, 72],
    [3136, 24, 144],
    [3136, 144, 24],
    [784, 40, 240],
    [784, 192, 32],
    [784, 240, 40],
    [196, 384, 64],
    [196, 96, 576],
    [196, 576, 96],
    [196, 480, 112],
    [196, 512, 512],
    [49, 576, 160],
    [49, 160, 960],
    [49, 960, 320],
    [49, 1024, 1024],
    [1, 1280, 1000],
    [1, 1024, 1000],
];

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    // The plainest is left out: how fast plain Rust can run is up to the compiler, so it has no peak to compare with.
    for isa in Isa::floats().skip(1).filter(|isa| only.as_deref().is_none_or(|only| only == isa.name())) {
        let peak = (0..20).map(|_| isa.run(Peak)).fold(0.0, f64::max);
        println!("{isa}: peak {peak:.1} GFLOP/s");
        for [m, k, n] in SHAPES {
            let mut speeds: Vec<_> = Tile::variants(isa).map(|tile| (measure(isa, tile, m, k, n), tile)).collect();
            let chosen = Tile::choose(isa, m, k, n);
            let got = speeds.iter().find(|(_, tile)| *tile == chosen).map_or(0.0, |(speed, _)| *speed);
            speeds.sort_by(|a, b| b.0.total_cmp(&a.0));
            let (best, tile) = speeds[0];
            print!(
                "{m:>5} x {k:>4} x {n:>4}  best {:>6} {best:6.1} {:3.0}%",
                tile.name(isa).to_string(),
                100.0 * best / peak
            );
            print!("  chosen {:>6} {got:6.1} {:3.0}%  |", chosen.name(isa).to_string(), 100.0 * got / peak);
            for (speed, tile) in &speeds {
                print!(" {}:{speed:.0}", tile.name(isa));
            }
            println!();
        }
    }
}

/// Numbers that start on a cache line, as a plan keeps them.
struct Aligned(Vec<f32>, usize, usize);

impl Aligned {
    fn new(length: usize) -> Self {
        let data: Vec<_> = (0..length + 16).map(|i| (i % 7) as f32 - 3.0).collect();
        let start = data.as_ptr().align_offset(64);
        Self(data, start, length)
    }

    fn get(&mut self) -> &mut [f32] {
        &mut self.0[self.1..][..self.2]
    }
}

/// The best of several runs, in GFLOP/s.
fn measure(isa: Isa, tile: Tile, m: usize, k: usize, n: usize) -> f64 {
    let [mut x, mut weights, mut bias, mut out] = [m * k, n * k, n, m * n].map(Aligned::new);
    let mut packed = Aligned::new(packed_len(isa, tile, k, n));
    pack(isa, tile, k, weights.get(), bias.get(), packed.get());
    let operations = 2.0 * (m * k * n) as f64;
    let calls = (2e6 / operations).ceil() as usize;
    let seconds = (0..40).map(|_| {
        let start = Instant::now();
        for _ in 0..calls {
            let (x, out) = (black_box(x.get()), black_box(out.get()));
            pointwise(isa, tile, k, n, x, packed.get(), None, Activation::RELU6, out);
        }
        start.elapsed().as_secs_f64() / calls as f64
    });
    operations / seconds.fold(f64::MAX, f64::min) / 1e9
}

/// Multiply-adds in registers and nothing else, in GFLOP/s.
struct Peak;

impl<S: Simd> Kernel<S> for Peak {
    type Output = f64;

    #[inline(always)]
    fn run(self, simd: S) -> f64 {
        const SUMS: usize = 10;
        const STEPS: usize = 100_000;
        let (a, b) = (simd.splat(black_box(0.5)), simd.splat(black_box(1.0)));
        // Different numbers in every lane, or the compiler would compute them once.
        let start: [f32; 16 * SUMS] = black_box(std::array::from_fn(|i| i as f32));
        let mut sums: [_; SUMS] = std::array::from_fn(|i| simd.load(&start[i * S::LANES..]));
        let start = Instant::now();
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = simd.mul_add(*sum, a, b);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        black_box(sums.iter().map(|sum| simd.sum(*sum)).sum::<f32>());
        (2 * S::LANES * SUMS * STEPS) as f64 / seconds / 1e9
    }
}
