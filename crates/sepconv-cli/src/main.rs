//! The `sepconv` program: thin commands over the [`sepconv`] crate.
#![forbid(unsafe_code)]

mod accuracy;
mod args;
mod calibration;
mod commands;
mod drawing;
mod experiment;
mod failure;
mod files;
mod inputs;
mod output;
mod progress;
mod report;
#[cfg(feature = "serve")]
mod serving;
#[cfg(feature = "train")]
mod training;

use std::env;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use serde_json::json;

use crate::commands::{
    bench, classify, compare, compile, completions, evaluate, export, factorize, finetune, inspect, machine, man,
    models, profile, quantize, run, serve, train, tune,
};
use crate::failure::Failure;
use crate::output::Output;
use crate::report::ErrorJson;

/// Run, measure, explain and quantize phone-sized vision networks (.onnx, .tflite).
#[derive(Debug, Parser)]
#[command(name = "sepconv", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Classify images.
    Classify(classify::Args),
    /// Measure top-1 and top-5 accuracy on labeled images.
    Evaluate(evaluate::Args),
    /// Show the layers of a network and their cost.
    Inspect(inspect::Args),
    /// Time a network.
    Bench(bench::Args),
    /// Measure the speedup of separable convolutions over the standard ones they replace.
    Compare(compare::Args),
    /// Show the time of each step and its bottleneck.
    Profile(profile::Args),
    /// Choose kernels by measuring them on this machine.
    Tune(tune::Args),
    /// Measure peak compute and memory bandwidth.
    Machine(machine::Args),
    /// Quantize an f32 network to int8.
    Quantize(quantize::Args),
    /// Make a standard network separable.
    Factorize(factorize::Args),
    /// Train a network on a folder of images.
    Train(train::Args),
    /// Train a network further, perhaps with a teacher.
    Finetune(finetune::Args),
    /// Compile an int8 network into a Rust module for microcontrollers.
    Compile(compile::Args),
    /// Write a network as an ONNX file.
    Export(export::Args),
    /// Run a network on tensors from NumPy files.
    Run(run::Args),
    /// Serve networks over HTTP.
    Serve(serve::Args),
    /// List the networks that are built in, by family.
    Models(models::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print a manual page.
    Man(man::Args),
}

impl Command {
    /// Whether a program reads the answer.
    fn is_json(&self) -> bool {
        match self {
            Self::Classify(args) => args.json,
            Self::Evaluate(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Bench(args) => args.json,
            Self::Compare(args) => args.json,
            Self::Profile(args) => args.json,
            Self::Tune(args) => args.json,
            Self::Machine(args) => args.json,
            Self::Quantize(args) => args.json,
            Self::Factorize(args) => args.json,
            Self::Serve(args) => args.json,
            Self::Models(args) => args.json,
            Self::Train(args) => args.training.json,
            Self::Finetune(args) => args.training.json,
            Self::Compile(_) | Self::Export(_) | Self::Run(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }

    fn execute(self, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Classify(args) => classify::execute(args, out),
            Self::Evaluate(args) => evaluate::execute(args, out),
            Self::Inspect(args) => inspect::execute(args, out),
            Self::Bench(args) => bench::execute(args, out),
            Self::Compare(args) => compare::execute(args, out),
            Self::Profile(args) => profile::execute(args, out),
            Self::Tune(args) => tune::execute(args, out),
            Self::Machine(args) => machine::execute(args, out),
            Self::Quantize(args) => quantize::execute(args, out),
            Self::Factorize(args) => factorize::execute(args, out),
            Self::Train(args) => train::execute(args, out),
            Self::Finetune(args) => finetune::execute(args, out),
            Self::Compile(args) => compile::execute(args, out),
            Self::Export(args) => export::execute(args, out),
            Self::Run(args) => run::execute(args),
            Self::Serve(args) => serve::execute(args, out),
            Self::Models(args) => models::execute(args, out),
            Self::Completions(args) => completions::execute(&args, Cli::command(), out),
            Self::Man(args) => man::execute(&args, Cli::command(), out),
        }
    }
}

fn main() -> ExitCode {
    let mut out = Output::new();
    let mut json = args_ask_for_json();
    let result = Cli::try_parse().map_err(Failure::from).and_then(|cli| {
        json = cli.command.is_json();
        cli.command.execute(&mut out)
    });
    ExitCode::from(end(result, json, out))
}

/// Whether a program reads the answer to arguments that cannot be parsed.
fn args_ask_for_json() -> bool {
    env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// Tells how a command ended and returns its exit code, which an output without readers does not change.
fn end(result: Result<(), Failure>, json: bool, mut out: Output) -> u8 {
    let code = match result {
        Ok(()) => 0,
        Err(Failure::Usage(help)) if !help.use_stderr() => {
            help.print().map_or_else(|error| Failure::Output(error).report(), |()| 0)
        }
        Err(failure) => {
            if let (true, Some(error)) = (json, failure.error()) {
                // The failure itself is what to tell, whatever becomes of this.
                let _ = report::json(&mut out, &json!({ "error": ErrorJson::from(&error) }));
            }
            failure.report()
        }
    };
    match out.finish() {
        Ok(()) => code,
        Err(error) => code.max(Failure::Output(error).report()),
    }
}
