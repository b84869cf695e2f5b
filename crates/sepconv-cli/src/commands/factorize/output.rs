use std::io::{self, Write};

use sepconv::{Accuracy, factorize::LayerReport};
use serde::Serialize;

use super::candidate::Candidate;
use super::{Args, missed};
use crate::accuracy::{AccuracyJson, interval};
use crate::experiment::Experiment;
use crate::report::{self, Align, PreprocessJson, bytes, count, plural, threads};

/// What the command tells programs.
#[derive(Debug, Serialize)]
pub(super) struct Output<'a> {
    model: String,
    output: String,
    file_bytes: usize,
    missed: Vec<String>,
    preprocess: PreprocessJson,
    calibration_images: usize,
    isa: &'a str,
    threads: usize,
    layers: Vec<LayerJson<'a>>,
    sqnr_db: Option<f64>,
    original: NetworkJson,
    factorized: NetworkJson,
    speedup: Option<f64>,
}

/// Times are `null` where nothing is timed, ratios where nothing is lost.
#[derive(Debug, Serialize)]
struct LayerJson<'a> {
    name: &'a str,
    kind: String,
    kernel: [usize; 2],
    stride: [usize; 2],
    channels: [usize; 2],
    terms: Option<usize>,
    macs: [u64; 2],
    ms: Option<[f64; 2]>,
    sqnr_db: f64,
}

#[derive(Debug, Serialize)]
struct NetworkJson {
    macs: u64,
    weight_bytes: usize,
    accuracy: Option<AccuracyJson>,
    median_ms: Option<f64>,
    min_ms: Option<f64>,
}

impl<'a> Output<'a> {
    pub(super) fn new(args: &Args, experiment: &Experiment, candidate: &'a Candidate) -> Self {
        let Candidate { report, file, isa, threads, .. } = candidate;
        let network = |i: usize, accuracy: Option<Accuracy>| {
            let times = candidate.times.as_ref().map(|times| &times[i]);
            NetworkJson {
                macs: report.macs[i],
                weight_bytes: report.weight_bytes[i],
                accuracy: accuracy.map(Into::into),
                median_ms: times.map(|times| times.median()),
                min_ms: times.map(|times| times.min()),
            }
        };
        Self {
            model: args.model.display().to_string(),
            output: args.output.display().to_string(),
            file_bytes: file.len(),
            missed: missed(args, experiment, candidate),
            preprocess: (&experiment.preprocess).into(),
            calibration_images: report.samples,
            isa,
            threads: *threads,
            layers: report.layers.iter().map(LayerJson::new).collect(),
            sqnr_db: report.sqnr,
            original: network(0, experiment.accuracy),
            factorized: network(1, candidate.accuracy),
            speedup: candidate.speedup(),
        }
    }
}

impl<'a> LayerJson<'a> {
    fn new(layer: &'a LayerReport) -> Self {
        let LayerReport { name, kind, kernel, stride, channels, terms, macs, ms, sqnr } = layer;
        let (kernel, stride, channels, macs) = (*kernel, *stride, *channels, *macs);
        Self { name, kind: kind.to_string(), kernel, stride, channels, terms: *terms, macs, ms: *ms, sqnr_db: *sqnr }
    }
}

pub(super) fn print_text(experiment: &Experiment, candidate: &Candidate, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "preprocess   {}", report::preprocess(&experiment.preprocess))?;
    match candidate.report.samples {
        0 => writeln!(out, "calibration  none, weights alone decide\n")?,
        samples => writeln!(out, "calibration  {}\n", plural(samples, "image"))?,
    }
    print_layers(&candidate.report.layers, out)?;
    match candidate.report.sqnr {
        Some(sqnr) => writeln!(out, "\nat the output: {} dB\n", decibels(sqnr))?,
        None => writeln!(out)?,
    }
    print_totals(experiment, candidate, out)
}

fn print_layers(layers: &[LayerReport], out: &mut impl Write) -> io::Result<()> {
    let headings = [
        ("layer", Align::Left),
        ("convolution", Align::Left),
        ("terms", Align::Right),
        ("MACs", Align::Right),
        ("after", Align::Right),
        ("ms", Align::Right),
        ("after", Align::Right),
        ("SQNR dB", Align::Right),
    ];
    let row = |layer: &LayerReport| {
        let ([kh, kw], [c, o]) = (layer.kernel, layer.channels);
        let stride = if layer.stride == [1, 1] { String::new() } else { format!(" /{}", layer.stride[0]) };
        let ms = |i: usize| layer.ms.map_or_else(String::new, |ms| format!("{:.3}", ms[i]));
        [
            report::shorten(&layer.name, 26),
            format!("{kh}x{kw}, {c} to {o}{stride}"),
            layer.terms.map_or_else(|| "-".to_owned(), |terms| terms.to_string()),
            count(layer.macs[0]),
            count(layer.macs[1]),
            ms(0),
            ms(1),
            decibels(layer.sqnr),
        ]
    };
    report::table(out, headings, &layers.iter().map(row).collect::<Vec<_>>())
}

/// Before and after, side by side.
fn print_totals(experiment: &Experiment, candidate: &Candidate, out: &mut impl Write) -> io::Result<()> {
    let report = &candidate.report;
    let fewer = |[before, after]: [f64; 2]| format!("{:.2} times fewer", before / after.max(1.0));
    let mut rows = vec![
        ["MACs".to_owned(), count(report.macs[0]), count(report.macs[1]), fewer(report.macs.map(|macs| macs as f64))],
        [
            "weights".to_owned(),
            bytes(report.weight_bytes[0]),
            bytes(report.weight_bytes[1]),
            fewer(report.weight_bytes.map(|bytes| bytes as f64)),
        ],
    ];
    if let Some((before, after)) = experiment.accuracy.zip(candidate.accuracy) {
        let percent = |accuracy: Accuracy| format!("{:.2} %", accuracy.top1_percent());
        let right = format!("{} and {} of {} right", before.top1, after.top1, after.images);
        rows.push(["top-1".to_owned(), percent(before), percent(after), right]);
        let ends = |accuracy: Accuracy| interval(accuracy.top1_interval());
        rows.push(["".to_owned(), ends(before), ends(after), "with 95 % confidence".to_owned()]);
    }
    if let Some(times @ [before, after]) = &candidate.times {
        let ms = |time: f64| format!("{time:.3} ms");
        let on = format!("{} on {}", threads(candidate.threads), candidate.isa);
        let speedup = format!("{:.2} times as fast, {on}", crate::experiment::speedup(times));
        rows.push(["min".to_owned(), ms(before.min()), ms(after.min()), speedup]);
        rows.push(["median".to_owned(), ms(before.median()), ms(after.median()), String::new()]);
    }
    let headings = [("", Align::Left), ("original", Align::Right), ("factorized", Align::Right), ("", Align::Left)];
    report::table(out, headings, &rows)
}

/// `-` where nothing is lost.
fn decibels(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.1}") } else { "-".to_owned() }
}
