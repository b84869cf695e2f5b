mod figures;
mod output;
mod plot;

use std::io::Write;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use sepconv::{file, measure::compare::NetworkComparison};

use self::output::{Output, print_text};
use crate::args::CompileArgs;
use crate::failure::Failure;
use crate::progress::Bars;
use crate::report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A pair is a depthwise convolution, the pointwise one after it and the layers between them; the \
                  standard convolution that replaces it has the same window, stride and channels. Both run in f32."
)]
pub(crate) struct Args {
    /// The f32 network: a file (.onnx, .tflite) or a name (`sepconv models`)
    model: PathBuf,

    /// Timed rounds, separable and standard in turns
    #[arg(long, value_name = "N", default_value = "20", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    rounds: usize,

    /// Draw theoretical and measured speedups (.svg)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    #[command(flatten)]
    compile: CompileArgs,

    /// Print JSON, with every time
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    let model = args.compile.open(&args.model)?;
    let read = args.compile.files_read(&args.model, &model);
    args.plot.iter().try_for_each(|plot| read.check_output(plot, &["svg"]))?;
    let mut comparison = NetworkComparison::new(&model, &args.compile.options()?)?;
    let mut bars = Bars::new(args.json);
    comparison.measure(args.rounds, &mut |event| bars.show(event))?;
    drop(bars);
    if let Some(plot) = &args.plot {
        file::write(plot, plot::draw(model.name(), &comparison).as_bytes())?;
    }
    if args.json {
        report::json(out, &Output::new(args.model.display().to_string(), args.rounds, &comparison))
    } else {
        Ok(print_text(model.name(), args.rounds, &comparison, out)?)
    }
}
