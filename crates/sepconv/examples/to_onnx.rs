//! Writes a network as an ONNX file: `cargo run --release -p sepconv --example to_onnx -- MODEL OUT [INPUT=1,3,640,640]…`.

use sepconv::{Error, Model, Options, Result};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, out, shapes @ ..] = &arguments[..] else {
        eprintln!("usage: to_onnx MODEL OUT [INPUT=SIZES]…");
        std::process::exit(2);
    };
    if let Err(error) = convert(model, out, shapes) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn convert(model: &str, out: &str, shapes: &[String]) -> Result<()> {
    let mut options = Options::default();
    for shape in shapes {
        let parsed = shape.split_once('=').and_then(|(name, sizes)| {
            let sizes = sizes.split(',').map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?;
            Some((name, sizes))
        });
        let wrong = || Error::argument("not a shape").expected("INPUT=1,3,640,640", format_args!("{shape:?}"));
        let (name, sizes) = parsed.ok_or_else(wrong)?;
        options = options.shape(name, sizes);
    }
    // As its file says: simplified for this machine it would not be portable.
    let model = Model::open(model)?;
    let graph = model.import(&options)?;
    sepconv::onnx::save(&graph, &model.metadata()?, out.as_ref())
}
