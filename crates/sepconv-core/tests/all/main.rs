//! Tests of what this crate offers, in one program: what they share is compiled once.

mod awkward;
mod common;
mod passes;
mod passes_integer;
mod plan;
