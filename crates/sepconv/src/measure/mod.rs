//! Measurements on this machine: what it reaches at most, the time of each layer beside that, and networks beside each
//! other.

pub mod compare;
pub mod machine;
pub mod profile;
mod times;

pub use times::Times;
