//! The kernels on the layers of real networks, in every variant, on one thread and warm caches: billions of
//! multiply-adds in a second, and how near that comes to the fastest that multiply-adds alone run on this machine.
//!
//! `cargo bench -p sepconv-kernels -- WORDS` prints the lines that begin with all of these words, in any order: an
//! instruction set, `f32` or `int8`, `pointwise`, `depthwise` or `conv2d`, and a shape as it is printed.

mod conv2d;
mod depthwise;
mod harness;
mod pointwise;

use harness::Bench;
use sepconv_kernels::{Isa, peak};

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    // Plain Rust is left out: how fast it runs is up to the compiler, so there is no peak to compare with.
    let vectors = |isa: &Isa| !matches!(isa, Isa::Scalar(_));
    for isa in Isa::available_f32().filter(vectors) {
        let bench = Bench::new(isa, "f32", peak::f32, &words);
        pointwise::f32(&bench);
        conv2d::f32(&bench);
        depthwise::f32(&bench);
    }
    for isa in Isa::available().filter(vectors) {
        let bench = Bench::new(isa, "int8", peak::int8, &words);
        pointwise::int8(&bench);
        conv2d::int8(&bench);
        depthwise::int8(&bench);
    }
}
