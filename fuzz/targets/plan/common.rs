//! What the generator of networks asks for.

use libfuzzer_sys::arbitrary::Unstructured;
use sepconv_core::{Join, Serial};

/// Choices that the fuzzer makes; the first of what there is when it has made no more.
pub(crate) struct Random {
    choices: Vec<u8>,
    made: usize,
}

impl Random {
    pub(crate) fn new(choices: &[u8]) -> Self {
        Self { choices: choices.to_vec(), made: 0 }
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let mut rest = Unstructured::new(&self.choices[self.made..]);
        let choice = rest.int_in_range(0..=end - 1).unwrap_or(0);
        self.made = self.choices.len() - rest.len();
        choice
    }
}

/// Forks as a pool of so many threads would, one piece after the other, the second first.
pub(crate) struct Backwards(pub(crate) usize);

impl Join for Backwards {
    fn threads(&self) -> usize {
        self.0
    }

    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        Serial.join(b, a);
    }
}
