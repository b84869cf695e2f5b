//! Temporary stand-ins for what other crates will bring.
#![allow(missing_docs)]
pub use sepconv_core::passes::optimise;
use sepconv_core::{Error, Graph, Join, Limits, Result, Tensor};
use sepconv_formats::{Binding, Signature};
use sepconv_kernels::Isa;

#[derive(Debug)]
pub struct Onnx;
impl Onnx {
    pub fn parse(_bytes: Vec<u8>) -> Result<Self> {
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
    pub fn parse(_bytes: Vec<u8>) -> Result<Self> {
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
pub struct Step {
    pub name: String,
    pub op: String,
    pub kernel: String,
    pub why: String,
    pub block: Option<usize>,
    pub inputs: Vec<sepconv_core::Shape>,
    pub output: sepconv_core::Shape,
    pub parameters: usize,
    pub macs: u64,
    pub bytes: usize,
    pub parts: usize,
}
#[derive(Debug)]
pub struct Block {
    pub kind: String,
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
    pub fn blocks(&self) -> &[Block] {
        &[]
    }
    pub fn weight_bytes(&self) -> usize {
        0
    }
    pub fn isa(&self) -> Isa {
        Isa::best()
    }
    pub fn threads(&self) -> usize {
        1
    }
    pub fn parameters(&self) -> usize {
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
    pub fn read(_: &std::path::Path, _: &Limits) -> Result<Vec<(String, Tensor)>> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn read_raw(_: &[u8], _: sepconv_core::Shape) -> Result<Tensor> {
        Err(Error::unsupported("not merged yet"))
    }
    pub fn write(_: &std::path::Path, _: &[(&str, &Tensor)]) -> Result<()> {
        Err(Error::unsupported("not merged yet"))
    }
}
