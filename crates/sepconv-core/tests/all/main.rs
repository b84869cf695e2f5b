//! Tests of what this crate offers, in one program: what they share is compiled once.

mod awkward;
mod common;
mod int8;
mod passes;
mod passes_integer;
mod plan;
mod twin;
