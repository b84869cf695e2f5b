//! The text of a table of networks → the graph of its first network.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sepconv::zoo::{ZeroWeights, Network, Table};

fuzz_target!(|text: &str| {
    let Ok(table) = Table::parse(text, "fuzzed.toml") else { return };
    let name = table.variants[0].name.clone();
    _ = Network::new(table, &name).and_then(|network| network.graph(&mut ZeroWeights));
});
