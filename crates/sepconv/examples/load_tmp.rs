//! Temporary.
use sepconv::{Limits, Options, models::{self, Weights}, npy};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let network = models::named(&args[0]).unwrap();
    if args.len() == 1 {
        let graph = network.graph(&mut models::Blank).unwrap();
        println!("{{\"inputs\":[{{\"shape\":[{}]}}],\"parameters\":{}}}", network.variant().input[2], graph.parameters());
        return;
    }
    let model = Weights::open(&args[1]).and_then(|w| network.load(&w)).unwrap_or_else(|e| panic!("{e}"));
    let x = npy::read(args[2].as_ref(), &Limits::default()).unwrap().remove(0).1;
    let mut runner = model.compile(&Options::default()).unwrap();
    let y = runner.run(&x).unwrap();
    npy::write(args[3].as_ref(), &[("y", y)]).unwrap();
}
