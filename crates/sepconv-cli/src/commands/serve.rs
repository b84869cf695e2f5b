use std::io::Write;

use clap::builder::RangedU64ValueParser;
use sepconv::Options;

use crate::args::{LoadArgs, PreprocessArgs, number, positive};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(mut_arg("batch", |arg| arg.help("Requests that may be computed together, where the network allows it [default: 1]")))]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only told that it cannot"))]
pub(crate) struct Args {
    /// The networks: files (.onnx, .tflite) or names (`sepconv models`). Requests name them as the file is called,
    /// without its extension, or by NAME
    #[arg(required = true, value_name = "[NAME=]MODEL")]
    pub(crate) model: Vec<String>,

    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8000")]
    pub(crate) address: String,

    /// What clients must send as `Authorization: Bearer TOKEN`; the variable SEPCONV_TOKEN keeps it out of lists of
    /// processes [default: none]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,

    /// Threads that run networks, each a request or a batch at a time [default: the machine's cores by --threads]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) workers: Option<usize>,

    /// Threads that share the work of one request
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=Options::MAX_THREADS as u64)
    )]
    pub(crate) threads: usize,

    /// How long a request waits for others to be computed with
    #[arg(long, value_name = "MS", default_value = "2", value_parser = |text: &str| number(text, 0.0..=60_000.0))]
    pub(crate) batch_delay: f64,

    /// Requests that wait for each network; one more is answered with 503
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    pub(crate) queue: usize,

    /// Limit of a request's body, in MB
    #[arg(long, value_name = "MB", default_value = "16", value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    pub(crate) max_body: usize,

    /// Limit of what the bodies of all requests take, in MB
    #[arg(long, value_name = "MB", default_value = "256", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_bodies: usize,

    /// Connections at a time
    #[arg(long, value_name = "N", default_value = "1024", value_parser = positive)]
    pub(crate) max_connections: usize,

    /// How long a client may take to send headers or a body or to go on reading, and a request to be computed
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = |text: &str| number(text, 0.1..=86_400.0))]
    pub(crate) timeout: f64,

    #[command(flatten)]
    pub(crate) preprocess: PreprocessArgs,

    #[command(flatten)]
    pub(crate) load: LoadArgs,

    /// Print where it listens as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "serve")]
pub(crate) fn execute(args: Args, out: &mut impl Write) -> Result<(), Failure> {
    crate::serving::serve(args, out)
}

#[cfg(not(feature = "serve"))]
pub(crate) fn execute(_: Args, _: &mut impl Write) -> Result<(), Failure> {
    Err(sepconv::Error::unsupported("this program was built without the server")
        .help("install it with: cargo install --path crates/sepconv-cli --features serve")
        .into())
}
