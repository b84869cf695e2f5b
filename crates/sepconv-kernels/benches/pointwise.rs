//! Every tile on every shape: useful arithmetic on one thread with warm caches, two operations for each product, and how near the
//! best comes to the fastest that multiply-adds alone run. `cargo bench -p sepconv-kernels --bench pointwise [isa] [f32|int8]`

use std::hint::black_box;
use std::time::Instant;

use sepconv_kernels::pointwise::{Tile, pack, pack_int8, packed_len, packed_len_int8, pointwise, pointwise_int8};
use sepconv_kernels::{Activation, Epilogue, Filters, Isa, Requantize, Weights8, peak};

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
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let numbers =
        |name| !arguments.iter().any(|argument| ["f32", "int8"].contains(&argument.as_str()) && argument != name);
    let isa = |isa: &Isa| {
        let mut named = arguments.iter().filter(|argument| Isa::named(argument).is_some()).peekable();
        named.peek().is_none() || named.any(|name| name == isa.name())
    };
    // The plainest is left out: how fast plain Rust can run is up to the compiler, so it has no peak to compare with.
    for isa in Isa::floats().skip(1).filter(isa).filter(|_| numbers("f32")) {
        println!("{isa}, f32");
        report(isa, peak::floats, Tile::variants(isa).collect(), Tile::choose, measure);
    }
    for isa in Isa::available().skip(1).filter(isa).filter(|_| numbers("int8")) {
        println!("{isa}, int8");
        report(isa, peak::bytes, Tile::variants_int8(isa).collect(), Tile::choose_int8, measure_int8);
    }
}

fn report(
    isa: Isa,
    peak: fn(Isa) -> u64,
    tiles: Vec<Tile>,
    choose: impl Fn(Isa, usize, usize, usize) -> Tile,
    measure: impl Fn(Isa, Tile, usize, usize, usize) -> f64,
) {
    let peak = best(peak(isa) as f64, || {
        black_box(peak(isa));
    });
    println!("peak {peak:.1} G operations in a second");
    for [m, k, n] in SHAPES {
        let mut speeds: Vec<_> = tiles.iter().map(|&tile| (measure(isa, tile, m, k, n), tile)).collect();
        let chosen = choose(isa, m, k, n);
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

/// Numbers that start on a cache line, as a plan keeps them.
struct Aligned<T>(Vec<T>, usize, usize);

impl<T> Aligned<T> {
    fn new(length: usize, number: impl Fn(usize) -> T) -> Self {
        let data: Vec<_> = (0..length + 64).map(|i| number(i % 7)).collect();
        let start = data.as_ptr().align_offset(64);
        Self(data, start, length)
    }

    fn get(&mut self) -> &mut [T] {
        &mut self.0[self.1..][..self.2]
    }
}

/// The best of several runs of `call`, which does so many `operations`, in billions of operations in a second.
fn best(operations: f64, mut call: impl FnMut()) -> f64 {
    let calls = (2e6 / operations).ceil() as usize;
    let seconds = (0..40).map(|_| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_secs_f64() / calls as f64
    });
    operations / seconds.fold(f64::MAX, f64::min) / 1e9
}

fn measure(isa: Isa, tile: Tile, m: usize, k: usize, n: usize) -> f64 {
    let [mut x, mut weights, mut bias, mut out] =
        [m * k, n * k, n, m * n].map(|length| Aligned::new(length, |i| i as f32 - 3.0));
    let mut packed = Aligned::new(packed_len(isa, tile, k, n), |_| 0.0);
    pack(isa, tile, k, weights.get(), bias.get(), packed.get());
    best(2.0 * (m * k * n) as f64, || {
        let (x, out) = (black_box(x.get()), black_box(out.get()));
        pointwise(isa, tile, k, n, x, packed.get(), None, Activation::RELU6, out);
    })
}

fn measure_int8(isa: Isa, tile: Tile, m: usize, k: usize, n: usize) -> f64 {
    let [mut x, mut out] = [m * k, m * n].map(|length| Aligned::new(length, |i| 30 * i as u8));
    let (mut weights, mut packed) =
        (Aligned::new(n * k, |i| 3 - i as i8), Aligned::new(packed_len_int8(isa, tile, k, n), |_| 0));
    let (bias, scale) = (vec![100; n], vec![0.001; n]);
    let filters = Filters { weights: Weights8::I8(weights.get(), 0), x_zero_point: 3, bias: &bias, scale: &scale };
    pack_int8(isa, tile, k, &filters, packed.get());
    let zero_points = filters.zero_points();
    let output = Requantize { zero_point: 3, low: 3, high: 250 };
    let epilogue = Epilogue { output, table: None, residual: None };
    best(2.0 * (m * k * n) as f64, || {
        let (x, out) = (black_box(x.get()), black_box(out.get()));
        pointwise_int8(isa, tile, k, n, zero_points, x, packed.get(), None, &epilogue, out);
    })
}
