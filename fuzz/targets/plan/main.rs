//! A small network out of the fuzzer's choices, if a builder takes it: simplified, planned and run on every instruction
//! set, it gives what the interpreter gives.
#![no_main]

#[path = "../../../crates/sepconv-core/tests/all/arbitrary/check.rs"]
mod check;
mod common;
#[path = "../../../crates/sepconv-core/tests/all/arbitrary/net.rs"]
mod net;

use common::Random;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|choices: &[u8]| {
    let mut random = Random::new(choices);
    let nodes = 1 + random.below(8);
    let mut network = net::Awkward::new(random);
    network.input();
    for _ in 0..nodes {
        network.node();
    }
    let (graph, inputs) = network.finish();
    check::check(0, graph, &inputs);
});
