use std::io::{self, Write};

use sepconv::{Accuracy, Times, quantize::LayerReport};
use serde::Serialize;

use super::candidate::Candidate;
use super::{Args, Refusal};
use crate::accuracy::{AccuracyJson, interval};
use crate::experiment::Experiment;
use crate::report::{self, Align, PreprocessJson, bytes, plural, threads};

/// What the command tells programs.
#[derive(Debug, Serialize)]
pub(super) struct Output<'a> {
    model: String,
    output: String,
    file_bytes: usize,
    refused: Option<&'static str>,
    preprocess: PreprocessJson,
    calibration_images: usize,
    isa: &'a str,
    threads: usize,
    layers: Vec<LayerJson<'a>>,
    equalized: &'a [[String; 2]],
    sqnr_db: f64,
    float: NetworkJson,
    quantized: NetworkJson,
    speedup: f64,
}

/// Ratios are `null` where there is no noise.
#[derive(Debug, Serialize)]
struct LayerJson<'a> {
    name: &'a str,
    kind: &'a str,
    dtype: &'static str,
    sqnr_db: f64,
    alone_db: Option<f64>,
}

#[derive(Debug, Serialize)]
struct NetworkJson {
    weight_bytes: usize,
    accuracy: Option<AccuracyJson>,
    median_ms: f64,
    min_ms: f64,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        args: &Args,
        experiment: &Experiment,
        candidate: &'a Candidate,
        refusal: Option<Refusal>,
    ) -> Self {
        let Candidate { report, file, isa, threads, .. } = candidate;
        let [float, quantized] = &candidate.times;
        Self {
            model: args.model.display().to_string(),
            output: args.output.display().to_string(),
            file_bytes: file.len(),
            refused: refusal.map(Refusal::key),
            preprocess: (&experiment.preprocess).into(),
            calibration_images: experiment.samples.len(),
            isa,
            threads: *threads,
            layers: report.layers.iter().map(LayerJson::new).collect(),
            equalized: &report.equalized,
            sqnr_db: report.sqnr,
            float: NetworkJson::new(report.float_bytes, experiment.accuracy, float),
            quantized: NetworkJson::new(report.bytes, candidate.accuracy, quantized),
            speedup: candidate.speedup(),
        }
    }
}

impl<'a> LayerJson<'a> {
    fn new(layer: &'a LayerReport) -> Self {
        let LayerReport { name, kind, sqnr, alone, .. } = layer;
        Self { name, kind, dtype: dtype(layer), sqnr_db: *sqnr, alone_db: *alone }
    }
}

impl NetworkJson {
    fn new(weight_bytes: usize, accuracy: Option<Accuracy>, times: &Times) -> Self {
        Self { weight_bytes, accuracy: accuracy.map(Into::into), median_ms: times.median(), min_ms: times.min() }
    }
}

/// What a layer takes.
fn dtype(layer: &LayerReport) -> &'static str {
    if layer.integer { "u8" } else { "f32" }
}

pub(super) fn print_text(experiment: &Experiment, candidate: &Candidate, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "preprocess   {}", report::preprocess(&experiment.preprocess))?;
    writeln!(out, "calibration  {}", plural(experiment.samples.len(), "image"))?;
    match candidate.report.equalized.len() {
        0 => writeln!(out)?,
        pairs => writeln!(out, "equalized    {}\n", plural(pairs, "layer pair"))?,
    }
    print_layers(&candidate.report.layers, out)?;
    writeln!(out, "\nbehind the last layers: {}\n", decibels(candidate.report.sqnr))?;
    print_totals(experiment, candidate, out)
}

fn print_layers(layers: &[LayerReport], out: &mut impl Write) -> io::Result<()> {
    let measured = layers.iter().any(|layer| layer.alone.is_some());
    let headings = [
        ("layer", Align::Left),
        ("kind", Align::Left),
        ("type", Align::Left),
        ("SQNR dB", Align::Right),
        (if measured { "alone dB" } else { "" }, Align::Right),
    ];
    let row = |layer: &LayerReport| {
        [
            report::shorten(&layer.name, 52),
            layer.kind.clone(),
            dtype(layer).to_owned(),
            decibels(layer.sqnr),
            layer.alone.map_or_else(String::new, decibels),
        ]
    };
    report::table(out, headings, &layers.iter().map(row).collect::<Vec<_>>())
}

/// Before and after, side by side.
fn print_totals(experiment: &Experiment, candidate: &Candidate, out: &mut impl Write) -> io::Result<()> {
    let Candidate { report, times: [float, quantized], .. } = candidate;
    let smaller = report.float_bytes as f64 / report.bytes.max(1) as f64;
    let times =
        format!("{:.2} times as fast, {} on {}", candidate.speedup(), threads(candidate.threads), candidate.isa);
    let (layers, of_bytes) = (report.layers.len(), report.layers.iter().filter(|layer| layer.integer).count());
    let mut rows = vec![
        ["u8 layers".to_owned(), "0".to_owned(), of_bytes.to_string(), format!("of {layers}")],
        ["weights".to_owned(), bytes(report.float_bytes), bytes(report.bytes), format!("{smaller:.2} times smaller")],
    ];
    if let Some((before, after)) = experiment.accuracy.zip(candidate.accuracy) {
        let percent = |accuracy: Accuracy| format!("{:.1} %", accuracy.top1_percent());
        let right = format!("{} and {} of {} right", before.top1, after.top1, after.images);
        rows.push(["top-1".to_owned(), percent(before), percent(after), right]);
        let ends = |accuracy: Accuracy| interval(accuracy.top1_interval());
        rows.push(["".to_owned(), ends(before), ends(after), "with 95 % confidence".to_owned()]);
    }
    let ms = |time: f64| format!("{time:.3} ms");
    rows.push(["min".to_owned(), ms(float.min()), ms(quantized.min()), times]);
    rows.push(["median".to_owned(), ms(float.median()), ms(quantized.median()), String::new()]);
    let headings = [("", Align::Left), ("float", Align::Right), ("quantized", Align::Right), ("", Align::Left)];
    report::table(out, headings, &rows)
}

/// `-` where there is no noise.
fn decibels(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.1}") } else { "-".to_owned() }
}
