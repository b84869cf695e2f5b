//! In place of the reader of TensorFlow Lite's files, in a build without it: no file is one.

use sepconv_core::{Error, Graph, Result};
use sepconv_formats::{ImportOptions, OperatorCount, TensorSpec, tflite::Metadata};

#[derive(Debug)]
pub(crate) enum Tflite {}

impl Tflite {
    pub(crate) fn parse(_: Vec<u8>) -> Result<Self> {
        Err(Error::unsupported("files of TensorFlow Lite are not read by this build")
            .help("build it with the feature `tflite`"))
    }

    pub(crate) fn operators(&self) -> Result<Vec<OperatorCount>> {
        match *self {}
    }

    pub(crate) fn inputs(&self) -> &[TensorSpec] {
        match *self {}
    }

    pub(crate) fn outputs(&self) -> &[TensorSpec] {
        match *self {}
    }

    pub(crate) fn graph(&self, _: &ImportOptions) -> Result<Graph> {
        match *self {}
    }

    pub(crate) fn metadata(&self) -> Option<Metadata> {
        match *self {}
    }
}
