//! Threads that share one compiled model: `throughput MODEL THREADS RUNS`. Prints the least microseconds of a run, and
//! the runs that all threads do in a second.

use std::time::Instant;

use sepconv::{CompiledModel, Model, Options, Result, Tensor, Times, zoo};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, threads, runs] = &arguments[..] else {
        eprintln!("usage: throughput MODEL THREADS RUNS");
        std::process::exit(2);
    };
    let (threads, runs) = (threads.parse().unwrap_or(1), runs.parse().unwrap_or(100));
    let model = if zoo::is_name(model) { Model::named(model)? } else { Model::open(model)? };
    let compiled = model.compile(&Options::default().threads(1))?;
    let start = Instant::now();
    let least = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&compiled, runs))).collect();
        let least = workers.into_iter().map(|worker| worker.join().expect("a worker does not panic"));
        least.reduce(|a, b| Ok(a?.min(b?))).unwrap_or(Ok(f64::NAN))
    })?;
    let per_second = (threads * runs) as f64 / start.elapsed().as_secs_f64();
    println!("{least:.2} us min, {per_second:.1} runs/s");
    Ok(())
}

/// The least microseconds of a run in a session of this thread.
fn work(compiled: &CompiledModel, runs: usize) -> Result<f64> {
    let mut session = compiled.session()?;
    let inputs: Vec<Tensor> =
        session.inputs().iter().map(|input| Tensor::zeros(input.shape.clone(), input.dtype)).collect();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let mut times = Times::default();
    for _ in 0..runs {
        times.add(|| session.run(&inputs).map(drop))?;
    }
    Ok(1e3 * times.min())
}
