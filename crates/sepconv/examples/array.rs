//! Runs a network on an array in a `.npy` file and prints the first output, a number a line:
//! `cargo run --release -p sepconv --example array -- MODEL ARRAY`.

use sepconv::{Data, Limits, Model, Options, Result, npy};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, array] = &arguments[..] else {
        eprintln!("usage: array MODEL ARRAY");
        std::process::exit(2);
    };
    if let Err(error) = run(model, array) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run(model: &str, array: &str) -> Result<()> {
    let mut session = Model::open(model)?.compile(&Options::default())?.session()?;
    let (_, x) = npy::read(array.as_ref(), &Limits::default())?.swap_remove(0);
    match session.run(&[&x])?[0].data() {
        Data::F32(numbers) => print(numbers),
        Data::U8(numbers) => print(numbers),
        Data::I8(numbers) => print(numbers),
        Data::I64(numbers) => print(numbers),
    }
    Ok(())
}

fn print(numbers: &[impl std::fmt::Display]) {
    for number in numbers {
        println!("{number}");
    }
}
