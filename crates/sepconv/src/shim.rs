//! Temporary stand-ins for what other crates will bring.
#![allow(missing_docs)]
pub use sepconv_core::passes::optimise;
use sepconv_core::{Error, Graph, Join, Limits, Result, Tensor};
use sepconv_formats::{Binding, Signature};
use sepconv_kernels::Isa;

#[derive(Debug)]
pub struct Onnx;
impl Onnx {
    pub fn parse(_bytes: &[u8]) -> Result<Self> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn inputs(&self) -> &[Signature] {
        &[]
    }
    pub fn outputs(&self) -> &[Signature] {
        &[]
    }
    pub fn graph(&self, _: &Binding) -> Result<Graph> {
        Err(Error::unsupported("not merged yet"))
    }
}
#[derive(Debug)]
pub struct Metadata {
    pub normalization: Option<(Vec<f32>, Vec<f32>)>,
    pub labels: Vec<String>,
}
#[derive(Debug)]
pub struct Tflite;
impl Tflite {
    pub fn parse(_bytes: &[u8]) -> Result<Self> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn inputs(&self) -> &[Signature] {
        &[]
    }
    pub fn outputs(&self) -> &[Signature] {
        &[]
    }
    pub fn graph(&self, _: &Binding) -> Result<Graph> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn metadata(&self) -> Option<Metadata> {
        None
    }
}
#[derive(Debug)]
pub struct Step;
impl Step {
    pub fn name(&self) -> &str {
        ""
    }
}
#[derive(Debug)]
pub struct Plan;
impl Plan {
    pub fn new(_: &Graph, _: Isa, _: usize, _: &Limits) -> Result<Self> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn steps(&self) -> &[Step] {
        &[]
    }
    pub fn arena_bytes(&self) -> usize {
        0
    }
    pub fn parameters(&self) -> u64 {
        0
    }
    pub fn macs(&self) -> u64 {
        0
    }
}
#[derive(Debug)]
pub struct Runner(Plan);
impl Runner {
    pub fn new(plan: Plan) -> Self {
        Self(plan)
    }
    pub fn plan(&self) -> &Plan {
        &self.0
    }
    pub fn run(&mut self, _: &[&Tensor], _: &dyn Join) -> Result<&[Tensor]> {
        Err(Error::unsupported("not merged yet"))
    }
}
pub mod npy {
    use super::*;
    pub fn read(_bytes: &[u8]) -> Result<Tensor> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn write(_tensor: &Tensor) -> Vec<u8> {
        Vec::new()
    }
}
