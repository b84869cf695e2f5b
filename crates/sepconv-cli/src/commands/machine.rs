use std::io::Write;

use sepconv::{Machine, Options};
use serde::Serialize;

use crate::args::ThreadArgs;
use crate::calibration;
use crate::failure::Failure;
use crate::files::FilesRead;
use crate::report::{self, Align, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    threads: ThreadArgs,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    processor: &'a str,
    #[serde(flatten)]
    machine: &'a Machine,
}

/// Measures anew, so that `profile` compares with the machine as it is now.
pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let (machine, kept) = calibration::measured(&args.threads.of(Options::default()), &FilesRead::default())?;
    let processor = Machine::processor();
    if args.json {
        return report::json(out, &Output { processor: &processor, machine: &machine });
    }
    writeln!(out, "{processor}, {}", machine.isa)?;
    let headings = [
        ("threads", Align::Right),
        ("f32 GFLOP/s", Align::Right),
        ("int8 GOP/s", Align::Right),
        ("L2 GB/s", Align::Right),
        ("L3 GB/s", Align::Right),
        ("memory GB/s", Align::Right),
    ];
    let mut rows = vec![(1, machine.single_thread)];
    if machine.threads > 1 {
        rows.push((machine.threads, machine.all_threads));
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(threads, peaks)| {
            let rates = [peaks.floats, peaks.bytes, peaks.l2, peaks.l3, peaks.dram];
            let [floats, bytes, l2, l3, dram] = rates.map(|rate| format!("{rate:.0}"));
            [threads.to_string(), floats, bytes, l2, l3, dram]
        })
        .collect();
    report::table(out, headings, &rows)?;
    if machine.threads > 1 {
        writeln!(out, "sharing work between two threads takes {:.1} µs", machine.join_us)?;
    }
    match kept {
        Some(path) => writeln!(out, "kept for `profile` in {}", shown(path.display()))?,
        None => writeln!(out, "not kept: the file for it cannot be written (XDG_CACHE_HOME names another folder)")?,
    }
    Ok(())
}
