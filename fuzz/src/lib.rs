//! What the targets share.

use sepconv_core::{DType, Graph, Limits, Plan, Result, Session, Serial, Shape, Tensor, passes};
use sepconv_formats::{ImportOptions, TensorSpec};
use sepconv_kernels::Isa;

/// What an input of a target may cost: little, so that many are tried.
pub const LIMITS: Limits = Limits { max_memory: 1 << 24, max_macs: 10_000_000, max_nodes: 1000 };

/// A shape for every input that leaves sizes open: one picture, four wide.
pub fn import_options(inputs: &[TensorSpec]) -> ImportOptions {
    let open = inputs.iter().filter(|input| input.dims.contains(&None));
    let size = |(axis, dim): (usize, &Option<usize>)| dim.unwrap_or(if axis == 0 { 1 } else { 4 });
    let shape = |input: &TensorSpec| input.dims.iter().enumerate().map(size).collect();
    let shapes = open.map(|input| (input.name.clone(), shape(input))).collect();
    ImportOptions { shapes, limits: LIMITS, ..ImportOptions::default() }
}

/// Simplifies a network, plans it and runs it once on zeros.
pub fn run(graph: Graph, limits: &Limits) -> Result<()> {
    let graph = passes::optimize(graph)?;
    let zeros = |(shape, dtype): (&Shape, DType)| Tensor::zeros(shape.clone(), dtype);
    let types: Vec<DType> = graph.inputs().iter().map(|port| graph.value(port.value).dtype).collect();
    let mut session = Session::new(Plan::new(&graph, Isa::best(), 1, limits)?)?;
    let inputs: Vec<Tensor> = session.inputs().map(|(_, shape)| shape).zip(types).map(zeros).collect();
    session.run(&inputs.iter().collect::<Vec<_>>(), &Serial).map(|_| ())
}
