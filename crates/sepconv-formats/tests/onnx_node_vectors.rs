//! The ONNX project's own test vectors: for each operator small models with inputs and the outputs that they must give.
//!
//! `onnx_node_vectors.txt` names every case whose operators are read. A case that is excluded there says why, and must
//! fail: when it begins to pass, the list must say so. The vectors are those of the Python package `onnx` 1.20.1,
//! folder `backend/test/data`.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use prost::Message;
use sepconv_core::{
    DType, Data, Error, ErrorKind, Graph, Limits, Plan, Result, Serial, Session, Tensor, interpret, passes,
};
use sepconv_formats::ImportOptions;
use sepconv_formats::onnx::{self, Metadata, Onnx};
use sepconv_kernels::Isa;

const LIST: &str = include_str!("onnx_node_vectors.txt");

/// What a case's model is made of, as far as this test chooses by it.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Nodes>,
}

#[derive(Clone, PartialEq, Message)]
struct Nodes {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(string, tag = "7")]
    domain: String,
}

/// Float inputs that are parameters, not data: reading the file needs them.
const PARAMETERS: &[(&str, &[usize])] =
    &[("OneHot", &[1]), ("Pad", &[2]), ("Range", &[0, 1, 2]), ("Resize", &[1, 2]), ("Upsample", &[1])];

/// Operators whose bytes are data. Elsewhere they are numbers that are computed with before running, as all other
/// integers.
const OF_BYTES: &[&str] =
    &["ConvInteger", "DequantizeLinear", "MatMulInteger", "MaxPool", "QLinearConv", "QLinearMatMul", "QuantizeLinear"];

/// Inputs that a plan packs beforehand.
const WEIGHTS: &[(&str, &[usize])] = &[
    ("BatchNormalization", &[1, 2, 3, 4]),
    ("Conv", &[1, 2]),
    ("ConvTranspose", &[1, 2]),
    ("ConvInteger", &[1, 2, 3]),
    ("DequantizeLinear", &[1, 2]),
    ("GRU", &[1, 2, 3]),
    ("Gemm", &[1, 2]),
    ("LSTM", &[1, 2, 3]),
    ("MatMulInteger", &[1, 2, 3]),
    ("QLinearConv", &[1, 2, 3, 4, 5, 6, 7]),
    ("QLinearMatMul", &[1, 2, 3, 4, 5, 6, 7]),
    ("QuantizeLinear", &[1, 2]),
];

/// One case: a model, its inputs by name in the model's order, and its outputs.
struct Case {
    onnx: Onnx,
    nodes: Vec<Node>,
    inputs: Vec<(String, Tensor)>,
    outputs: Vec<Tensor>,
}

impl Case {
    fn read(directory: &Path) -> Result<Self> {
        let model = read(&directory.join("model.onnx"))?;
        let nodes = nodes(&model);
        let onnx = Onnx::parse(model)?;
        let tensors = |what: &str, count: usize| -> Result<Vec<Tensor>> {
            let path = |i| directory.join("test_data_set_0").join(format!("{what}_{i}.pb"));
            (0..count).map(|i| onnx::tensor(read(&path(i))?)).collect()
        };
        let names = onnx.inputs().iter().map(|input| input.name.clone());
        let inputs = names.zip(tensors("input", onnx.inputs().len())?).collect();
        let outputs = tensors("output", onnx.outputs().len())?;
        Ok(Self { onnx, nodes, inputs, outputs })
    }

    /// The graph with integers and everything in `fixed` bound to constants, and the inputs that are left.
    fn graph(&self, fixed: &[&[(&str, &[usize])]]) -> Result<(Graph, Vec<Tensor>)> {
        let at = |operator: &str, i: usize| {
            fixed.iter().copied().flatten().any(|(name, inputs)| *name == operator && inputs.contains(&i))
        };
        let is_fixed = |name: &String| {
            let mut uses =
                self.nodes.iter().flat_map(|node| node.inputs.iter().enumerate().map(move |use_| (node, use_)));
            uses.any(|(node, (i, input))| input == name && at(&node.operator, i))
        };
        let takes_bytes = self.nodes.iter().any(|node| OF_BYTES.contains(&node.operator.as_str()));
        let is_number = |tensor: &Tensor| match tensor.dtype() {
            DType::F32 => false,
            DType::I64 => true,
            DType::U8 | DType::I8 => !takes_bytes,
        };
        let (constants, inputs): (Vec<_>, Vec<_>) =
            self.inputs.iter().cloned().partition(|(name, tensor)| is_number(tensor) || is_fixed(name));
        let options = ImportOptions { constants: constants.into_iter().collect(), ..ImportOptions::default() };
        let graph = self.onnx.graph(&options)?;
        Ok((graph, inputs.into_iter().map(|(_, tensor)| tensor).collect()))
    }

    /// Interprets the network, then plans it for every instruction set of this machine and runs that. What is written
    /// of it and read again must give the same.
    fn check(&self) -> Result<()> {
        let (graph, inputs) = self.graph(&[PARAMETERS])?;
        self.compare("interpreted", &interpret(&graph, &inputs)?)?;
        self.compare("written", &interpret(&written(&graph)?, &inputs)?)?;
        let (graph, inputs) = self.graph(&[PARAMETERS, WEIGHTS])?;
        let optimized = passes::optimize(graph)?;
        self.compare("interpreted after the passes", &interpret(&optimized, &inputs)?)?;
        if !has_bytes(&optimized) {
            self.compare("written after the passes", &interpret(&written(&optimized)?, &inputs)?)?;
        }
        for isa in Isa::available() {
            let mut session = Session::new(Plan::new(&optimized, isa, 1, &Limits::default())?).unwrap();
            let outputs = session.run(&inputs.iter().collect::<Vec<_>>(), &Serial)?;
            self.compare(&format!("run with {}", isa.name()), outputs)?;
        }
        Ok(())
    }

    fn compare(&self, how: &str, outputs: &[Tensor]) -> Result<()> {
        for (i, (expected, got)) in self.outputs.iter().zip(outputs).enumerate() {
            let at = |error: Error| error.at(format!("output {i}, {how}"));
            // Sums of bytes are whole floats here.
            let sums = expected.dtype() == DType::I64 && got.dtype() == DType::F32;
            if expected.shape() != got.shape() || expected.dtype() != got.dtype() && !sums {
                let describe = |tensor: &Tensor| format!("{} {}", tensor.dtype(), tensor.shape());
                return Err(
                    at(Error::mismatch("output has another shape").expected(describe(expected), describe(got))),
                );
            }
            let same = match (expected.data(), got.data()) {
                (Data::F32(expected), Data::F32(got)) => expected.iter().zip(got).all(|(&e, &g)| close(e, g)),
                (Data::I64(expected), Data::F32(got)) => expected.iter().zip(got).all(|(&e, &g)| e as f32 == g),
                (expected, got) => expected == got,
            };
            if !same {
                let text = |tensor: &Tensor| format!("{:.300}", format!("{:?}", tensor.data()));
                return Err(at(Error::mismatch("output has other values").expected(text(expected), text(got))));
            }
        }
        Ok(())
    }
}

/// The graph as its file says.
fn written(graph: &Graph) -> Result<Graph> {
    Onnx::parse(onnx::write(graph, &Metadata::default())?)?.graph(&ImportOptions::default())
}

/// Whether bytes flow through a network: what passes made of it is no longer what files say.
fn has_bytes(graph: &Graph) -> bool {
    let computed = graph.nodes().iter().map(|node| node.output);
    let mut values = graph.inputs().iter().map(|port| port.value).chain(computed);
    values.any(|id| graph.value(id).dtype.is_int8())
}

/// As the ONNX project compares: 10⁻³ of the expected value plus 10⁻⁷.
fn close(expected: f32, got: f32) -> bool {
    expected == got || expected.is_nan() && got.is_nan() || (expected - got).abs() <= 1e-7 + 1e-3 * expected.abs()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::io(format!("{}: {error}", path.display())))
}

fn nodes(model: &[u8]) -> Vec<Node> {
    Model::decode(model).ok().and_then(|model| model.graph).map(|graph| graph.nodes).unwrap_or_default()
}

/// Every case by name.
fn cases() -> Option<BTreeMap<String, PathBuf>> {
    let root = common::folder("SEPCONV_ONNX_VECTORS")?;
    let mut cases = BTreeMap::new();
    for folder in ["node", "pytorch-operator", "pytorch-converted"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
            let path = entry.unwrap_or_else(|error| panic!("{folder}: {error}")).path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            assert!(cases.insert(name.clone(), path).is_none(), "two cases are called {name}");
        }
    }
    Some(cases)
}

/// The list's lines: a case, and why it is excluded where it is.
fn list() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let lines = LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| match line.split_once('#') {
        Some((name, reason)) => (name.trim(), Some(reason.trim())),
        None => (line, None),
    })
}

#[test]
fn every_listed_case_gives_its_outputs() {
    let Some(cases) = cases() else { return };
    let (mut passed, mut wrong) = (0, Vec::new());
    for (name, excluded) in list() {
        let result = match cases.get(name) {
            Some(directory) => Case::read(directory).and_then(|case| case.check()),
            None => Err(Error::new(ErrorKind::Argument, "no such case")),
        };
        match (result, excluded) {
            (Ok(()), None) => passed += 1,
            (Err(_), Some(_)) => {}
            (Ok(()), Some(reason)) => wrong.push(format!("{name} passes, although it is excluded: {reason}")),
            (Err(error), None) => wrong.push(format!("{name}: {error}")),
        }
    }
    eprintln!("{passed} cases pass");
    assert!(wrong.is_empty(), "{} cases differ from the list:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn list_is_complete_and_gives_reasons() {
    let listed: BTreeSet<&str> = list().map(|(name, _)| name).collect();
    assert_eq!(listed.len(), list().count(), "a case is listed twice");
    for (name, reason) in list() {
        assert!(reason.is_none_or(|reason| reason.len() > "excluded: ".len()), "{name}: no reason");
    }
    let Some(cases) = cases() else { return };
    let operators: BTreeSet<&str> = Onnx::supported_operators().collect();
    let is_ours = |directory: &Path| {
        let nodes = nodes(&std::fs::read(directory.join("model.onnx")).unwrap_or_default());
        !nodes.is_empty()
            && nodes.iter().all(|node| node.domain.is_empty() && operators.contains(node.operator.as_str()))
    };
    let missing = cases.iter().filter(|(name, path)| !listed.contains(name.as_str()) && is_ours(path));
    let missing: Vec<_> = missing.map(|(name, _)| name.as_str()).collect();
    assert!(missing.is_empty(), "{} cases are not listed:\n{}", missing.len(), missing.join("\n"));
}
