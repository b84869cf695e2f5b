//! From an image file to predictions: decoding, pre-processing, labels, and the classifier that joins them to a
//! network.

mod classifier;
#[cfg(feature = "decode")]
mod decode;
#[cfg(feature = "decode")]
mod decode_files;
mod image;
mod labels;
mod pixels;
mod preprocess;

pub(crate) use classifier::ModelInfo;
pub use classifier::{Classifier, Prediction};
#[cfg(feature = "decode")]
pub(crate) use decode_files::{decode, decoders};
#[cfg(feature = "decode")]
pub use decode_files::{folders_in, images_in};
pub use image::Image;
pub use labels::{GroundTruth, Labels, class_of};
pub use preprocess::{Geometry, ImageInput, Layout, Preprocess, Source};
