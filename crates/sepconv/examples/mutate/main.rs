//! Model files cut off at every byte, and changed at random: each must give an error or an answer, in little memory and
//! time.
//!
//! ```text
//! (ulimit -v 2097152; cargo run --release -p sepconv --example mutate -- 10000 FILE...)
//! ```
//!
//! The number is that of random changes of each file. A panic, ten seconds without an end, or the system ends the
//! program. The last number that it has written is then that of the change, or of the cut rounded down to a multiple of
//! `TOLD_CUTS`.

mod mutation;

use std::fs;
use std::io::{Write, stderr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sepconv::Result;
use sepconv_formats::ImportOptions;
use sepconv_formats::onnx::Onnx;
use sepconv_formats::tflite::Tflite;

use mutation::{SplitMix, mutated, used};

/// What one file may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// One cut of so many is told: they are over in a microsecond, and there are millions.
const TOLD_CUTS: usize = 64;

/// Cases begun: shows whether the run advances.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let count = arguments.next().and_then(|count| count.to_str()?.parse().ok());
    let Some(count) = count else { panic!("usage: mutate NUMBER FILE...") };
    thread::spawn(watch);
    for path in arguments {
        let bytes = Bytes::from(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        let name = Path::new(&path).file_name().unwrap_or_default().display();
        all(&format!("{name}, cut off"), bytes.len(), TOLD_CUTS, |cut| imported(bytes.slice(..cut)));
        all(&format!("{name}, changed"), count, 1, |seed| used(mutated(&bytes, &mut SplitMix(seed as u64))));
    }
}

/// What is cut off is only read: a network that comes of it is that of the whole file.
fn imported(bytes: Bytes) -> Result<()> {
    let graph = match bytes.get(4..8) {
        Some(b"TFL3") => Tflite::parse(bytes)?.graph(&ImportOptions::default()),
        _ => Onnx::parse(bytes)?.graph(&ImportOptions::default()),
    };
    graph.map(|_| ())
}

/// Runs so many cases, tells one of `told` before it begins, and says what became of them.
fn all(name: &str, cases: usize, told: usize, mut run: impl FnMut(usize) -> Result<()>) {
    let (mut answers, mut slowest) = (0, (Duration::ZERO, 0));
    let begin = Instant::now();
    for case in 0..cases {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        if case.is_multiple_of(told) {
            let _ = write!(stderr(), "\r{name}: {case} ");
        }
        let start = Instant::now();
        answers += usize::from(run(case).is_ok());
        slowest = slowest.max((start.elapsed(), case));
    }
    let _ = write!(stderr(), "\r");
    println!(
        "{name}: {answers} answers, {} errors, slowest {:.3} s (case {}), {:.0} s in all",
        cases - answers,
        slowest.0.as_secs_f64(),
        slowest.1,
        begin.elapsed().as_secs_f64()
    );
}

/// Ends the program where a case does not.
fn watch() {
    loop {
        let begun = BEGUN.load(Ordering::Relaxed);
        thread::sleep(PATIENCE);
        if begun > 0 && BEGUN.load(Ordering::Relaxed) == begun {
            eprintln!("\nno end after {} s", PATIENCE.as_secs());
            std::process::abort();
        }
    }
}
