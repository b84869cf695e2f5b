//! The roofline of a profile (Williams, Waterman and Patterson 2009): what each step reaches beside what its arithmetic
//! for each byte allows.

use std::fmt::Write;

use sepconv::Machine;
use sepconv::measure::profile::Step;

use crate::drawing;
use crate::report::{shorten, threads};

const WIDTH: usize = 760;
const HEIGHT: usize = 490;
/// The corners of the plane.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 730.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 430.0;

/// A step as the plane shows it.
struct Point {
    /// Operations for each byte that is read or written.
    intensity: f64,
    gops: f64,
    share: f64,
    number: usize,
}

/// A plane with logarithmic axes, each a range of powers of ten.
struct Plane {
    x: [f64; 2],
    y: [f64; 2],
}

/// The drawing as SVG; steps without arithmetic are not on it.
pub(super) fn draw(model: &str, machine: &Machine, steps: &[Step], bytes: bool) -> String {
    let points: Vec<_> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.macs > 0)
        .map(|(number, step)| Point {
            intensity: 2.0 * step.macs as f64 / (step.activation_bytes + step.weight_bytes).max(1) as f64,
            gops: step.gops,
            share: step.share,
            number,
        })
        .collect();
    let peaks = machine.peaks(machine.threads);
    let (roof, name) = if bytes { (peaks.bytes, "int8") } else { (peaks.floats, "f32") };
    let powers = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        [low.log10().floor(), high.log10().ceil()]
    };
    let edge = roof / peaks.dram;
    let plane = Plane {
        x: powers(&mut points.iter().map(|point| point.intensity).chain([0.5, edge])),
        y: powers(&mut points.iter().map(|point| point.gops).chain([roof])),
    };
    let mut body = plane.grid(&format!("{}, {}", machine.isa, threads(machine.threads)));
    for (rate, place) in [(peaks.l2, "L2"), (peaks.l3, "L3"), (peaks.dram, "memory")] {
        body += &plane.slope(rate, roof, &format!("{place} {rate:.0} GB/s"));
    }
    body += &plane.ceiling(roof, &format!("{name} {roof:.0} GOP/s"));
    points.iter().for_each(|point| body += &plane.point(point));
    body += &plane.numbers(&points);
    let title = format!("Where the time of {} goes", shorten(model, 48));
    let description = format!(
        "Operations in a second over operations for each byte, {} on {}; areas are shares of time, numbers those of steps.",
        threads(machine.threads),
        machine.isa
    );
    drawing::svg(&title, &description, [WIDTH, HEIGHT], &body)
}

impl Plane {
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let part = |value: f64, [low, high]: [f64; 2]| (value.log10() - low) / (high - low).max(1.0);
        (LEFT + (RIGHT - LEFT) * part(x, self.x), BOTTOM - (BOTTOM - TOP) * part(y, self.y))
    }

    fn grid(&self, machine: &str) -> String {
        let mut svg = String::new();
        let powers = |[low, high]: [f64; 2]| (low as i32..=high as i32).map(|power| 10_f64.powi(power));
        for x in powers(self.x) {
            let (at, _) = self.place(x, 1.0);
            let _ = writeln!(svg, "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{BOTTOM}\"/>");
            let _ = writeln!(svg, "<text class=\"middle\" x=\"{at:.1}\" y=\"{}\">{x}</text>", BOTTOM + 18.0);
        }
        for y in powers(self.y) {
            let (_, at) = self.place(1.0, y);
            let _ = writeln!(svg, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{RIGHT}\" y2=\"{at:.1}\"/>");
            let _ = writeln!(svg, "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{y}</text>", LEFT - 8.0, at + 4.0);
        }
        let center = f64::midpoint(LEFT, RIGHT);
        let _ = writeln!(
            svg,
            "<text class=\"middle\" x=\"{center}\" y=\"{}\">operations per byte ({machine})</text>",
            BOTTOM + 42.0
        );
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\">GOP/s</text>", TOP - 16.0);
        svg
    }

    /// What `rate` billions of bytes in a second allow, up to where arithmetic ends.
    fn slope(&self, rate: f64, roof: f64, label: &str) -> String {
        let least = 10_f64.powf(self.y[0]).max(rate * 10_f64.powf(self.x[0]));
        let ((x1, y1), (x2, y2)) = (self.place(least / rate, least), self.place(roof / rate, roof));
        let angle = (y2 - y1).atan2(x2 - x1).to_degrees();
        let (x, y) = (x1 + 0.45 * (x2 - x1), y1 + 0.45 * (y2 - y1));
        format!(
            "<line class=\"roof\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n\
             <text transform=\"translate({x:.1} {y:.1}) rotate({angle:.1})\" dy=\"-4\">{label}</text>\n"
        )
    }

    fn ceiling(&self, roof: f64, label: &str) -> String {
        let (_, y) = self.place(1.0, roof);
        format!(
            "<line class=\"roof\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\n\
             <text x=\"{}\" y=\"{:.1}\">{label}</text>\n",
            LEFT + 8.0,
            y - 5.0
        )
    }

    /// A disc whose area is the share of time.
    fn point(&self, point: &Point) -> String {
        let (x, y) = self.place(point.intensity, point.gops);
        let radius = radius(point);
        format!("<circle class=\"strong\" fill-opacity=\"0.6\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>\n")
    }

    /// The numbers of steps above their discs; those that would stand on each other stand beside each other.
    fn numbers(&self, points: &[Point]) -> String {
        const CLOSE: f64 = 14.0;
        let mut labels: Vec<(f64, f64, Vec<usize>)> = Vec::new();
        for point in points.iter().filter(|point| point.share >= 0.02) {
            let (x, y) = self.place(point.intensity, point.gops);
            let y = y - radius(point) - 3.0;
            match labels.iter_mut().find(|label| (label.0 - x).abs() < 2.0 * CLOSE && (label.1 - y).abs() < CLOSE) {
                Some((_, top, numbers)) => {
                    *top = top.min(y);
                    numbers.push(point.number);
                }
                None => labels.push((x, y, vec![point.number])),
            }
        }
        let text = |(x, y, numbers): (f64, f64, Vec<usize>)| {
            let numbers = match numbers[..] {
                [first, _, .., last] if numbers.len() > 3 => format!("{first} … {last}"),
                _ => numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            };
            format!("<text class=\"middle\" x=\"{x:.1}\" y=\"{y:.1}\">{numbers}</text>\n")
        };
        labels.into_iter().map(text).collect()
    }
}

fn radius(point: &Point) -> f64 {
    (40.0 * point.share.sqrt()).max(2.0)
}
