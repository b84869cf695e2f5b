//! What `serve` does.

use std::env;
use std::io::Write;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use sepconv::{Error, Result, zoo};
use sepconv_serve::{ServedModel, Server, Settings};
use serde::Serialize;

use crate::args::warn_of_assumed;
use crate::commands::serve::Args;
use crate::failure::{Failure, note, warn};
use crate::report::{self, shown};

/// The environment variable that has the token where no argument does.
const TOKEN_VARIABLE: &str = "SEPCONV_TOKEN";
const MB: usize = 1_000_000;

#[derive(Debug, Serialize)]
struct Output {
    address: String,
    models: Vec<ModelJson>,
}

#[derive(Debug, Serialize)]
struct ModelJson {
    name: String,
    batch: usize,
    preprocess: Option<String>,
}

pub(crate) fn serve(args: Args, out: &mut impl Write) -> std::result::Result<(), Failure> {
    let models = args.model.iter().map(|text| model(text, &args)).collect::<Result<Vec<_>>>()?;
    let settings = settings(&args)?;
    let has_token = settings.token.is_some();
    let server = Server::bind(&args.address, models, settings)?;
    let address = server.address();
    if !address.ip().is_loopback() && !has_token {
        warn(format_args!("whatever reaches {address} can use this server; --token asks for a token"));
    }
    let models = server.models().iter().map(|model| ModelJson {
        name: model.name().to_owned(),
        batch: model.batch(),
        preprocess: model.preprocess().map(|preprocess| preprocess.text()),
    });
    let output = Output { address: address.to_string(), models: models.collect() };
    match args.json {
        true => report::json(out, &output)?,
        false => print_text(&output, out)?,
    }
    out.flush()?;
    server.run_until_signal(|line| note(line))?;
    Ok(())
}

fn print_text(output: &Output, out: &mut impl Write) -> std::result::Result<(), Failure> {
    for ModelJson { name, batch, preprocess } in &output.models {
        let images = match preprocess {
            Some(preprocess) => format!("tensors, or images with --preprocess {preprocess}"),
            None => "tensors".to_owned(),
        };
        writeln!(out, "http://{}/v2/models/{name}  {images}; up to {batch} at a time", output.address)?;
    }
    Ok(())
}

/// The network of `NAME=MODEL`, or of `MODEL`.
fn model(text: &str, args: &Args) -> Result<ServedModel> {
    let named = text.split_once('=').filter(|(name, _)| ServedModel::is_name(name) && !Path::new(text).exists());
    let (name, path) = match named {
        Some((name, path)) => (name.to_owned(), Path::new(path)),
        None => {
            let path = Path::new(text);
            let is_name = zoo::is_name(text);
            let stem = if is_name { path.as_os_str() } else { path.file_stem().unwrap_or(path.as_os_str()) };
            (stem.to_string_lossy().into_owned(), path)
        }
    };
    let model = args.load.open(path)?;
    if args.load.has_random_weights(path)? {
        warn(format_args!("{}: network has random weights, its answers mean nothing", shown(path.display())));
    }
    let preprocess = args.preprocess.of(&model)?;
    let served = ServedModel::new(name, model, &args.load.options()?.threads(args.threads), args.load.batch())?;
    if let Some(reason) = served.without_batch() {
        warn(format_args!("{}: requests are computed one by one: {reason}", served.name()));
    }
    if served.preprocess().is_some() {
        warn_of_assumed(&preprocess);
    }
    Ok(served.with_preprocess(preprocess))
}

fn settings(args: &Args) -> Result<Settings> {
    let cores = available_parallelism().map_or(1, usize::from);
    let token = match &args.token {
        Some(token) => Some(token.clone()),
        None => env::var(TOKEN_VARIABLE).ok(),
    };
    if token.as_deref().is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Error::argument("token cannot be sent in a header")
            .expected("visible ASCII characters without spaces", "others, or none"));
    }
    Ok(Settings {
        workers: args.workers.unwrap_or(cores.div_ceil(args.threads)),
        batch_delay: Duration::from_secs_f64(args.batch_delay / 1e3),
        queue: args.queue,
        max_body: args.max_body * MB,
        max_bodies: args.max_bodies * MB,
        max_connections: args.max_connections,
        timeout: Duration::from_secs_f64(args.timeout),
        token,
        ..Settings::default()
    })
}
