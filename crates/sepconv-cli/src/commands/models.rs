use std::io::Write;
use std::sync::Arc;

use sepconv::zoo::{self, Network, Padding, Table, Variant, ZeroWeights};
use serde::Serialize;

use crate::failure::Failure;
use crate::report::{self, Align, count};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every command that takes a network takes NAME[@RESOLUTION][xWIDTH]: mobilenet_v1@160x0.5. Weights \
                  are random, the same every time, unless --weights names a file."
)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    models: Vec<Row<'a>>,
}

/// A variant and what it costs.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    family: &'a str,
    paper: &'a str,
    width: f64,
    depth: f64,
    input: [usize; 3],
    classes: usize,
    padding: &'static str,
    epsilon: f32,
    preprocess: String,
    parameters: usize,
    macs: u64,
    weights: &'a [String],
}

impl<'a> Row<'a> {
    fn new(table: &'a Arc<Table>, variant: &'a Variant) -> sepconv::Result<Self> {
        let graph = Network::new(table.clone(), &variant.name)?.graph(&mut ZeroWeights)?;
        Ok(Self {
            name: &variant.name,
            family: &table.title,
            paper: &table.paper,
            width: variant.width,
            depth: variant.depth,
            input: variant.input,
            classes: variant.classes,
            padding: match variant.padding {
                Padding::Symmetric => "symmetric",
                Padding::Same => "same",
            },
            epsilon: variant.epsilon,
            preprocess: variant.preprocess.text(),
            parameters: graph.parameters(),
            macs: graph.macs(),
            weights: &variant.weights,
        })
    }
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for table in zoo::all() {
        for variant in &table.variants {
            rows.push(Row::new(table, variant)?);
        }
    }
    if args.json {
        return report::json(out, &Output { models: rows });
    }
    let headings = [
        ("family", Align::Left),
        ("name", Align::Left),
        ("input", Align::Left),
        ("parameters", Align::Right),
        ("MACs", Align::Right),
        ("weights", Align::Left),
    ];
    let mut family = "";
    let cells = rows.iter().map(|row| {
        // A family is named once.
        let first = std::mem::replace(&mut family, row.family) != row.family;
        [
            if first { row.family } else { "" }.to_owned(),
            row.name.to_owned(),
            row.input.map(|size| size.to_string()).join("x"),
            count(row.parameters as u64),
            count(row.macs),
            row.weights.join(", "),
        ]
    });
    report::table(out, headings, &cells.collect::<Vec<_>>())?;
    Ok(writeln!(out, "\nNAME[@RESOLUTION][xWIDTH] stands for a model file in every command: mobilenet_v1@160x0.5")?)
}
