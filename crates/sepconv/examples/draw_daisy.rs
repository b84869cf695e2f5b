//! Draws the daisy of `examples/daisy.png`: `cargo run --release -p sepconv --example draw_daisy --
//! examples/daisy.png`.

use std::f64::consts::TAU;

use sepconv::{Image, file};

const WIDTH: u32 = 384;
const HEIGHT: u32 = 288;
const CENTRE: [f64; 2] = [192.0, 138.0];
/// The radius of the yellow disc.
const DISC: f64 = 30.0;
/// Each pixel is the mean of this many samples squared.
const SAMPLES: u32 = 2;
/// Leaves out of focus: middle, radius, color.
const MEADOW: [([f64; 2], f64, Color); 7] = [
    ([60.0, 60.0], 50.0, [0.30, 0.50, 0.16]),
    ([330.0, 50.0], 60.0, [0.26, 0.46, 0.14]),
    ([300.0, 240.0], 70.0, [0.34, 0.55, 0.20]),
    ([90.0, 250.0], 60.0, [0.12, 0.30, 0.07]),
    ([200.0, 20.0], 45.0, [0.14, 0.33, 0.08]),
    ([20.0, 160.0], 40.0, [0.32, 0.52, 0.18]),
    ([370.0, 150.0], 45.0, [0.13, 0.30, 0.08]),
];

type Color = [f64; 3];

/// A ring of petals.
struct Petals {
    turn: f64,
    length: f64,
    width: f64,
    brightness: f64,
}

const PETALS: u32 = 21;
/// The ring in front comes first.
const RINGS: [Petals; 2] = [
    Petals { turn: 0.22, length: 98.0, width: 12.5, brightness: 0.99 },
    Petals { turn: 0.07, length: 104.0, width: 13.0, brightness: 0.86 },
];

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: draw_daisy FILE.png");
        std::process::exit(2);
    };
    let rgb = (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| pixel(x, y))).collect();
    let image = Image::from_rgb(WIDTH as usize, HEIGHT as usize, rgb);
    if let Err(error) = image.and_then(|image| file::write(path.as_ref(), &image.to_png())) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn pixel(x: u32, y: u32) -> [u8; 3] {
    let mut sum = [0.0; 3];
    for (i, j) in (0..SAMPLES).flat_map(|i| (0..SAMPLES).map(move |j| (i, j))) {
        let at = |whole: u32, part: u32| f64::from(whole) + f64::from(part) / f64::from(SAMPLES);
        let color = sample(at(x, i), at(y, j));
        sum = std::array::from_fn(|channel| sum[channel] + color[channel]);
    }
    let samples = f64::from(SAMPLES * SAMPLES);
    sum.map(|value| ((value / samples).clamp(0.0, 1.0) * 255.0).round() as u8)
}

/// What is in front at a point.
fn sample(x: f64, y: f64) -> Color {
    let (u, v) = (x - CENTRE[0], y - CENTRE[1]);
    disc(u, v)
        .or_else(|| RINGS.iter().find_map(|ring| petal(ring, u, v)))
        .or_else(|| stem(x, y))
        .unwrap_or_else(|| meadow(x, y))
}

/// Florets along a spiral of golden angles, each a small bump of light.
fn disc(u: f64, v: f64) -> Option<Color> {
    let distance = u.hypot(v) / DISC;
    if distance >= 1.0 {
        return None;
    }
    let floret = |k: u32| {
        let (radius, angle) = (DISC * (f64::from(k) / 220.0).sqrt(), f64::from(k) * 2.399_963);
        1.0 - (u - radius * angle.cos()).hypot(v - radius * angle.sin()) / 2.3
    };
    let bump = (0..220).map(floret).fold(0.0, f64::max);
    let light = (0.78 + 0.30 * bump) * (1.0 - 0.28 * distance.powi(3)) - 0.06 * (u + v) / DISC;
    Some([light * 0.98, light * 0.74, light * 0.10])
}

/// The last petal of a ring that covers the point: later ones lie above earlier ones.
fn petal(ring: &Petals, u: f64, v: f64) -> Option<Color> {
    (0..PETALS).rev().find_map(|k| {
        let angle = ring.turn + TAU * f64::from(k) / f64::from(PETALS);
        let length = ring.length * (1.0 + 0.06 * (7.0 * f64::from(k) + 1.3).sin());
        let along = (u * angle.cos() + v * angle.sin()) / length;
        let across = v * angle.cos() - u * angle.sin();
        if !(0.1..1.0).contains(&along) {
            return None;
        }
        let half = ring.width * along.sqrt() * (1.0 - along.powi(6)).sqrt();
        if across.abs() >= half {
            return None;
        }
        let side = across / half;
        let light = ring.brightness * (0.80 + 0.20 * along) * (1.0 - 0.13 * side * side)
            - 0.04 * (6.0 * side).sin().abs() * (1.0 - along)
            + 0.05 * side * angle.cos();
        Some([light, light * 0.995, light * 0.97])
    })
}

fn stem(x: f64, y: f64) -> Option<Color> {
    let side = (x - 192.0 - 0.12 * (y - 144.0)) / 4.5;
    (y > 144.0 && side.abs() < 1.0).then_some([0.30 - 0.10 * side, 0.50 - 0.14 * side, 0.16 - 0.05 * side])
}

fn meadow(x: f64, y: f64) -> Color {
    let down = y / f64::from(HEIGHT);
    let ground = [0.18 + 0.10 * down, 0.36 + 0.16 * down, 0.10 + 0.05 * down];
    MEADOW.iter().fold(ground, |under, &([cx, cy], radius, leaf)| {
        let cover = 0.7 * (1.2 - (x - cx).hypot(y - cy) / radius).clamp(0.0, 1.0);
        std::array::from_fn(|channel| under[channel] * (1.0 - cover) + leaf[channel] * cover)
    })
}
