//! Measurements: the accuracy of a classifier, what this machine reaches at most, the time of each layer beside that,
//! and networks beside each other.

mod accuracy;
pub mod compare;
#[cfg(feature = "decode")]
mod evaluate;
pub mod machine;
pub mod profile;
mod times;

pub use accuracy::Accuracy;
#[cfg(feature = "decode")]
pub use evaluate::LabeledImages;
pub use times::Times;
