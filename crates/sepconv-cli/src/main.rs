//! The `sepconv` program.
fn main() {}
