//! Tests of what this crate offers, in one program: what they share is compiled once.

mod arbitrary;
mod common;
mod computed_weights;
mod indices;
mod int8;
mod kernel_choices;
mod limits;
mod lower_qdq;
mod normalization_and_branches;
mod passes;
mod plan;
mod standard_convs;
mod state;
