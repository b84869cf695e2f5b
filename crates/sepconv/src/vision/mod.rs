//! From an image file to predictions: decoding, pre-processing, labels, and the classifier that joins them to a
//! network.

mod classifier;
#[cfg(feature = "decode")]
mod decode;
mod image;
mod labels;
mod pixels;
mod preprocess;

pub(crate) use classifier::ModelInfo;
pub use classifier::{Classifier, Prediction};
pub use image::Image;
pub use labels::{GroundTruth, Labels, class_of};
pub use preprocess::{Geometry, ImageInput, Layout, Preprocess, Source};
