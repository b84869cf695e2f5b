//! Runs a network of any kind on zeros and shows what it takes and gives: `cargo run --release -p sepconv --example
//! tensors -- MODEL`.

use sepconv::{Model, Options, Result, Tensor};

fn main() {
    let Some(model) = std::env::args().nth(1) else {
        eprintln!("usage: tensors MODEL");
        std::process::exit(2);
    };
    if let Err(error) = run(&model) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(model: &str) -> Result<()> {
    let mut session = Model::open(model)?.compile(&Options::default().threads(1))?.session()?;
    let inputs: Vec<Tensor> =
        session.inputs().iter().map(|input| Tensor::zeros(input.shape.clone(), input.dtype)).collect();
    for input in session.inputs() {
        println!("input  {} {} {}", input.name, input.shape, input.dtype);
    }

    let names: Vec<String> = session.outputs().iter().map(|output| output.name.clone()).collect();
    let outputs = session.run(&inputs.iter().collect::<Vec<_>>())?;
    for (name, output) in names.iter().zip(outputs) {
        let numbers = output.as_f32().unwrap_or_default();
        let largest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        println!("output {name} {} largest {largest}", output.shape());
    }
    Ok(())
}
