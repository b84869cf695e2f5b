//! Model files cut off at every byte, and changed at random: each must give an error or an answer, in little memory and time.
//!
//! ```text
//! (ulimit -v 2097152; cargo run --release -p sepconv --example mutate -- 10000 FILE...)
//! ```
//!
//! The number is that of random changes of each file. A panic, or ten seconds without an end, ends the program with the number of the
//! change; what the system kills leaves that number on the last line.

mod mutation;

use std::fs;
use std::io::{Write, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sepconv::{Limits, Result};
use sepconv_formats::Binding;
use sepconv_formats::onnx::Onnx;
use sepconv_formats::tflite::Tflite;

use mutation::{SplitMix, mutated, used};

/// What one file may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files up to this size are cut off at every byte; of larger ones the ends are, and every `STRIDE`th byte between them.
const SMALL: usize = 1 << 19;
const ENDS: usize = 1 << 16;
const STRIDE: usize = 509;

/// How many cases have begun: whoever watches sees whether that goes on.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let count = arguments.next().and_then(|count| count.to_str()?.parse().ok());
    let Some(count) = count else { panic!("usage: mutate NUMBER FILE...") };
    thread::spawn(watch);
    for path in arguments {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cuts = cuts(bytes.len());
        let shared = bytes::Bytes::from(bytes.clone());
        Tally::default().all(&format!("{name}, cut off"), cuts, |cut| imported(shared.slice(..cut)));
        Tally::default()
            .all(&format!("{name}, changed"), 0..count, |seed| used(mutated(&bytes, &mut SplitMix(seed as u64))));
    }
}

fn cuts(length: usize) -> Box<dyn Iterator<Item = usize>> {
    if length <= SMALL {
        return Box::new(0..length);
    }
    Box::new((0..ENDS).chain((ENDS..length - ENDS).step_by(STRIDE)).chain(length - ENDS..length))
}

fn imported(bytes: bytes::Bytes) -> Result<()> {
    let binding = Binding { limits: Limits::default(), ..Binding::default() };
    if bytes.get(4..8) == Some(b"TFL3") {
        Tflite::parse(bytes)?.graph(&binding).map(|_| ())
    } else {
        Onnx::parse(bytes)?.graph(&binding).map(|_| ())
    }
}

/// What became of the cases.
#[derive(Default)]
struct Tally {
    answers: usize,
    errors: usize,
    slowest: (Duration, usize),
}

impl Tally {
    fn all(mut self, name: &str, cases: impl Iterator<Item = usize>, mut run: impl FnMut(usize) -> Result<()>) {
        let begin = Instant::now();
        for case in cases {
            BEGUN.fetch_add(1, Ordering::Relaxed);
            // Should the system kill us, this says at which case.
            if case % 64 == 0 || name.ends_with("changed") {
                let _ = write!(stderr(), "\r{name}: {case} ");
            }
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| run(case)));
            match result {
                Ok(Ok(())) => self.answers += 1,
                Ok(Err(_)) => self.errors += 1,
                Err(_) => panic!("{name}: case {case} panics"),
            }
            self.slowest = self.slowest.max((start.elapsed(), case));
        }
        let Self { answers, errors, slowest: (time, case) } = self;
        let _ = write!(stderr(), "\r");
        println!(
            "{name}: {answers} answers, {errors} errors, slowest {:.3} s (case {case}), {:.0} s in all",
            time.as_secs_f64(),
            begin.elapsed().as_secs_f64()
        );
    }
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
