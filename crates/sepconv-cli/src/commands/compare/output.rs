use std::io::{self, Write};

use sepconv::measure::compare::{Comparison, LayerComparison, NetworkComparison};
use serde::Serialize;

use super::figures::{Both, Figures, Totals};
use crate::report::{self, Align, bytes, count, plural, shown, threads};

/// What the command tells programs.
#[derive(Debug, Serialize)]
pub(super) struct Output<'a> {
    model: String,
    isa: &'static str,
    threads: usize,
    rounds: usize,
    pairs: Vec<PairJson<'a>>,
    unpaired: Vec<Unpaired<'a>>,
    totals: Totals,
    network: ComparisonJson<'a>,
}

#[derive(Debug, Serialize)]
struct PairJson<'a> {
    depthwise: &'a str,
    pointwise: &'a str,
    kind: &'static str,
    squeeze_excite: bool,
    kernel: [usize; 2],
    stride: [usize; 2],
    channels: [usize; 2],
    plane: [usize; 2],
    #[serde(flatten)]
    comparison: ComparisonJson<'a>,
}

#[derive(Debug, Serialize)]
struct ComparisonJson<'a> {
    separable: CandidateJson<'a>,
    standard: CandidateJson<'a>,
    theoretical_speedup: f64,
    measured_speedup: f64,
}

#[derive(Debug, Serialize)]
struct CandidateJson<'a> {
    #[serde(flatten)]
    figures: Figures,
    ms: &'a [f64],
}

#[derive(Debug, Serialize)]
struct Unpaired<'a> {
    name: &'a str,
    reason: &'a str,
}

impl<'a> Output<'a> {
    pub(super) fn new(model: String, rounds: usize, comparison: &'a NetworkComparison) -> Self {
        Self {
            model,
            isa: comparison.isa(),
            threads: comparison.threads(),
            rounds,
            pairs: comparison.pairs().iter().map(PairJson::new).collect(),
            unpaired: comparison.unpaired().iter().map(|(name, reason)| Unpaired { name, reason }).collect(),
            totals: Totals::of(comparison),
            network: ComparisonJson::new(comparison.network()),
        }
    }
}

impl<'a> PairJson<'a> {
    fn new(pair: &'a LayerComparison) -> Self {
        Self {
            depthwise: &pair.depthwise,
            pointwise: &pair.pointwise,
            kind: if pair.projection { "projection" } else { "separable" },
            squeeze_excite: pair.squeeze_excite,
            kernel: pair.kernel,
            stride: pair.stride,
            channels: pair.channels,
            plane: pair.plane,
            comparison: ComparisonJson::new(&pair.comparison),
        }
    }
}

impl<'a> ComparisonJson<'a> {
    fn new(comparison: &'a Comparison) -> Self {
        let Both { separable, standard } = Both::of(comparison);
        Self {
            separable: CandidateJson { figures: separable, ms: comparison.separable.times().all() },
            standard: CandidateJson { figures: standard, ms: comparison.standard.times().all() },
            theoretical_speedup: comparison.theoretical_speedup(),
            measured_speedup: comparison.measured_speedup(),
        }
    }
}

pub(super) fn print_text(
    model: &str,
    rounds: usize,
    comparison: &NetworkComparison,
    out: &mut impl Write,
) -> io::Result<()> {
    let totals = Totals::of(comparison);
    let rounds = plural(rounds, "round");
    writeln!(out, "{} on {}, {}, {rounds}\n", shown(model), comparison.isa(), threads(comparison.threads()))?;
    writeln!(out, "what pairs cost, and the standard (std) convolutions that they stand for")?;
    print_costs(comparison, &totals, out)?;
    writeln!(out, "\ntheoretical speedup: MACs; measured speedup: shortest times")?;
    print_times(comparison, &totals, out)?;
    for (name, reason) in comparison.unpaired() {
        writeln!(out, "\nnot compared: {}, {reason}", shown(name))?;
    }
    let (theoretical, measured) = (totals.network.theoretical_speedup(), totals.network.measured_speedup());
    let faster =
        if measured >= 1.0 { format!("{measured:.1}x faster") } else { format!("{:.1}x slower", 1.0 / measured) };
    writeln!(out, "\n{theoretical:.2}x fewer MACs, {faster}")
}

/// `3x3/2 32 -> 64`
pub(super) fn convolution(pair: &LayerComparison) -> String {
    let ([kh, kw], [down, right], [from, to]) = (pair.kernel, pair.stride, pair.channels);
    let stride = match (down, right) {
        (1, 1) => String::new(),
        (down, right) if down == right => format!("/{down}"),
        _ => format!("/{down}x{right}"),
    };
    format!("{kh}x{kw}{stride} {from} -> {to}")
}

fn names(pair: &LayerComparison) -> String {
    let between = if pair.squeeze_excite { " + SE + " } else { " + " };
    let [depthwise, pointwise] = [&pair.depthwise, &pair.pointwise].map(|name| report::shorten(name, 24));
    format!("{depthwise}{between}{pointwise}")
}

fn print_costs(comparison: &NetworkComparison, totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let headings = [
        ("#", Align::Right),
        ("pair", Align::Left),
        ("convolution", Align::Left),
        ("plane", Align::Right),
        ("MACs", Align::Right),
        ("std", Align::Right),
        ("parameters", Align::Right),
        ("std", Align::Right),
        ("weights", Align::Right),
        ("std", Align::Right),
        ("activations", Align::Right),
        ("std", Align::Right),
    ];
    let row = |head: [String; 4], Both { separable, standard }: Both| {
        let [number, pair, convolution, plane] = head;
        let [macs, macs_std] = [separable.macs, standard.macs].map(count);
        let [parameters, parameters_std] =
            [separable.parameters, standard.parameters].map(|number| count(number as u64));
        let [weights, weights_std] = [separable.weight_bytes, standard.weight_bytes].map(bytes);
        let [moved, moved_std] = [separable.activation_bytes, standard.activation_bytes]
            .map(|moved| if moved == 0 { "–".to_owned() } else { bytes(moved) });
        [
            number,
            pair,
            convolution,
            plane,
            macs,
            macs_std,
            parameters,
            parameters_std,
            weights,
            weights_std,
            moved,
            moved_std,
        ]
    };
    let pairs = comparison.pairs().iter().enumerate().map(|(i, pair)| {
        let plane = format!("{}x{}", pair.plane[0], pair.plane[1]);
        row([(i + 1).to_string(), names(pair), convolution(pair), plane], Both::of(&pair.comparison))
    });
    let sums = named(totals).map(|(name, both)| row(["".into(), name.into(), "".into(), "".into()], both));
    report::table(out, headings, &pairs.chain([Default::default()]).chain(sums).collect::<Vec<_>>())
}

fn print_times(comparison: &NetworkComparison, totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    let headings = [
        ("#", Align::Right),
        ("pair", Align::Left),
        ("theory", Align::Right),
        ("measured", Align::Right),
        ("share", Align::Right),
        ("min ms", Align::Right),
        ("std", Align::Right),
        ("median ms", Align::Right),
        ("std", Align::Right),
    ];
    let row = |number: String, name: String, both: Both, ratios: bool| {
        let Both { separable, standard } = both;
        let (theoretical, measured) = (both.theoretical_speedup(), both.measured_speedup());
        let share = format!("{:.0} %", 100.0 * measured / theoretical);
        let [theoretical, measured, share] = [format!("{theoretical:.2}x"), format!("{measured:.2}x"), share]
            .map(|ratio| if ratios { ratio } else { String::new() });
        let [min, min_std, median, median_std] =
            [separable.min_ms, standard.min_ms, separable.median_ms, standard.median_ms].map(|ms| format!("{ms:.3}"));
        [number, name, theoretical, measured, share, min, min_std, median, median_std]
    };
    let pairs = comparison.pairs().iter().enumerate();
    let pairs = pairs.map(|(i, pair)| row((i + 1).to_string(), names(pair), Both::of(&pair.comparison), true));
    // What is left of times are differences: their ratio says nothing.
    let sums = named(totals).map(|(name, both)| row(String::new(), name.to_owned(), both, name != "rest"));
    report::table(out, headings, &pairs.chain([Default::default()]).chain(sums).collect::<Vec<_>>())
}

fn named(totals: &Totals) -> [(&'static str, Both); 3] {
    [("pairs", totals.pairs), ("rest", totals.rest), ("network", totals.network)]
}
