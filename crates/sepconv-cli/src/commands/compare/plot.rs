//! Theoretical and measured speedups as a drawing: a broad pale bar for each pair and the network, a narrow strong one
//! in it.

use std::fmt::Write;

use sepconv::measure::compare::{Comparison, NetworkComparison};

use super::output::convolution;
use crate::drawing::{self, escape};
use crate::report::{shorten, threads};

const WIDTH: usize = 760;
/// Where bars begin and end.
const LEFT: usize = 190;
const RIGHT: usize = 700;
/// Where the first row begins, and how high one is.
const TOP: usize = 84;
const ROW: usize = 26;

/// The drawing as SVG, for light and dark pages.
pub(super) fn draw(model: &str, comparison: &NetworkComparison) -> String {
    let network = comparison.network();
    let pairs = comparison.pairs().iter().enumerate();
    let rows: Vec<(String, &Comparison)> = pairs
        .map(|(i, pair)| (format!("{}  {}", i + 1, convolution(pair)), &pair.comparison))
        .chain([("network".to_owned(), network)])
        .collect();
    let title = format!("What separable convolutions save: {}", shorten(model, 48));
    let machine = format!("{}, {}", comparison.isa(), threads(comparison.threads()));
    let (theoretical, measured) = (network.theoretical_speedup(), network.measured_speedup());
    let description = format!("{theoretical:.2}x fewer MACs, {measured:.2}x less time, for the whole network.");
    let bottom = TOP + ROW * rows.len() + 8;
    let body = axis(&rows, bottom, &machine) + &legend() + &bars(&rows);
    drawing::svg(&title, &description, [WIDTH, bottom + 48], &body)
}

fn legend() -> String {
    let entry = |x: usize, class: &str, y: usize, height: usize, text: &str| {
        format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"28\" height=\"{height}\"/>\n<text x=\"{}\" y=\"58\">{text}</text>\n",
            x + 36
        )
    };
    entry(LEFT, "pale", 45, 18, "theoretical: MACs")
        + &entry(LEFT + 160, "strong", 50, 8, "measured: time (shortest runs)")
}

/// Lines at round numbers, named below.
fn axis(rows: &[(String, &Comparison)], bottom: usize, machine: &str) -> String {
    let mut svg = String::new();
    let (most, step) = (most(rows), step(most(rows)));
    let mut tick = 0.0;
    while tick <= most {
        let x = place(tick, most);
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>", TOP - 8);
        let _ = writeln!(svg, "<text class=\"middle\" x=\"{x:.1}\" y=\"{}\">{tick}x</text>", bottom + 18);
        tick += step;
    }
    let middle = LEFT.midpoint(RIGHT);
    let _ = writeln!(
        svg,
        "<text class=\"middle\" x=\"{middle}\" y=\"{}\">times as much for standard convolutions ({machine})</text>",
        bottom + 38
    );
    svg
}

fn bars(rows: &[(String, &Comparison)]) -> String {
    let mut svg = String::new();
    let most = most(rows);
    for (i, (label, comparison)) in rows.iter().enumerate() {
        let (y, theoretical, measured) =
            (TOP + ROW * i, comparison.theoretical_speedup(), comparison.measured_speedup());
        let length = |times: f64| place(times, most) - LEFT as f64;
        let text = place(theoretical.max(measured), most) + 6.0;
        let _ = writeln!(svg, "<text class=\"end\" x=\"{}\" y=\"{}\">{}</text>", LEFT - 8, y + 16, escape(label));
        let mut bar = |class: &str, y: usize, times: f64, height: usize| {
            let length = length(times);
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{height}\"/>"
            );
        };
        bar("pale", y + 2, theoretical, ROW - 6);
        bar("strong", y + 8, measured, ROW - 18);
        let _ = writeln!(svg, "<text x=\"{text:.1}\" y=\"{}\">{measured:.1}</text>", y + 16);
    }
    svg
}

/// The longest bar.
fn most(rows: &[(String, &Comparison)]) -> f64 {
    rows.iter()
        .flat_map(|(_, comparison)| [comparison.theoretical_speedup(), comparison.measured_speedup()])
        .fold(1.0, f64::max)
}

/// Where a number stands.
fn place(times: f64, most: f64) -> f64 {
    LEFT as f64 + (RIGHT - LEFT) as f64 * times / most
}

/// The least of 1, 2, 5, 10, 20, 50, … that divides an axis into at most ten parts.
fn step(most: f64) -> f64 {
    let mut steps = (0..).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
    steps.find(|step| most / step <= 10.0).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_few_round_numbers() {
        assert_eq!([1.0, 8.7, 10.0, 14.0, 49.0, 320.0].map(step), [1.0, 1.0, 1.0, 2.0, 5.0, 50.0]);
    }
}
