//! Names what images show: `cargo run --release -p sepconv --example classify -- MODEL LABELS PICTURE…`.

use sepconv::{Classifier, Image, Labels, Model, Options, Preprocess, Result};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, labels, pictures @ ..] = &arguments[..] else {
        eprintln!("usage: classify MODEL LABELS PICTURE…");
        std::process::exit(2);
    };
    if let Err(error) = classify(model, labels, pictures) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn classify(model: &str, labels: &str, pictures: &[String]) -> Result<()> {
    // How pixels become numbers belongs to the network. Leave `with_preprocess` out to take what the file states.
    let mut classifier = Classifier::new(&Model::open(model)?, &Options::default())?
        .with_labels(Labels::open(labels)?)?
        .with_preprocess(Preprocess::tf());
    for picture in pictures {
        println!("{picture}");
        for prediction in classifier.classify(&Image::open(picture)?, 3)? {
            println!("{:8.2} %  {}", 100.0 * prediction.score, prediction.label.unwrap_or_default());
        }
    }
    Ok(())
}
