use sepconv_core::{DType, Error, Graph, Plan, Port, Result, Runner as CoreRunner, Shape, Tensor};

use crate::threads::Threads;

/// A tensor that a runner takes or gives, in the file's own order of axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
}

/// A network ready to run: its plan, its memory and its threads. Made by [`Model::compile`](crate::Model::compile).
#[derive(Debug)]
pub struct Runner {
    inner: CoreRunner,
    threads: Threads,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
}

impl Runner {
    pub(crate) fn new(graph: &Graph, plan: Plan, threads: usize) -> Result<Self> {
        let describe = |ports: &[Port]| ports.iter().map(|port| TensorInfo::new(graph, port)).collect::<Result<_>>();
        Ok(Self {
            inputs: describe(graph.inputs())?,
            outputs: describe(graph.outputs())?,
            threads: Threads::new(threads)?,
            inner: CoreRunner::new(plan),
        })
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// What it gives.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// The plan that it follows.
    pub fn plan(&self) -> &Plan {
        self.inner.plan()
    }

    /// Runs a network of one input and gives its first output, both in the file's own order of axes.
    ///
    /// # Errors
    /// When the network has another number of inputs, no output, or `input` is not of its shape and type.
    pub fn run(&mut self, input: &Tensor) -> Result<&Tensor> {
        self.run_all(&[input])?.first().ok_or_else(|| Error::mismatch("network has no output"))
    }

    /// Runs it: one tensor for each input in, one for each output out, in the file's own order of axes.
    ///
    /// # Errors
    /// When the number, shapes or types of the inputs are not the network's.
    pub fn run_all(&mut self, inputs: &[&Tensor]) -> Result<&[Tensor]> {
        let Self { inner, threads, .. } = self;
        threads.enter(|join| inner.run(inputs, join))
    }
}

impl TensorInfo {
    pub(crate) fn new(graph: &Graph, port: &Port) -> Result<Self> {
        let value = graph.value(port.value);
        let mut dims = vec![0; value.shape.len()];
        for (&axis, &size) in port.order.iter().zip(value.shape.iter()) {
            dims[axis] = size;
        }
        Ok(Self { name: port.name.clone(), shape: Shape::new(dims)?, dtype: value.dtype })
    }
}
