use sepconv_core::op::{Dequantize, QuantParams, Quantize};
use sepconv_core::{
    DType, Error, Graph, Op, Plan, Port, Result, Runner as CoreRunner, Shape, Stage, Tensor, ValueId, passes::optimize,
};

use crate::Options;
use crate::threads::Threads;

/// A tensor that a runner takes or gives, in the file's own order of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
    /// How its bytes stand for real numbers, where the network says so.
    pub quantization: Option<QuantParams>,
}

/// A network ready to run: its plan, its memory and its threads. Made by [`Model::compile`](crate::Model::compile).
#[derive(Debug)]
pub struct Runner {
    inner: CoreRunner,
    threads: Threads,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    parameters: usize,
}

impl Runner {
    /// Simplifies a network and makes it ready to run on this machine.
    ///
    /// # Errors
    /// When the machine lacks the instruction set asked for, the network passes a limit, or threads cannot be started.
    pub fn new(graph: Graph, options: &Options) -> Result<Self> {
        let isa = options.resolve_isa()?;
        let describe = |ports: &[Port]| ports.iter().map(|port| TensorInfo::new(&graph, port)).collect::<Result<_>>();
        let (inputs, outputs) = (describe(graph.inputs())?, describe(graph.outputs())?);
        let parameters = graph.parameters();
        let plan = Plan::new(&optimize(graph)?, isa, options.threads, &options.limits)?;
        let threads = Threads::new(options.threads)?;
        Ok(Self { inputs, outputs, parameters, threads, inner: CoreRunner::new(plan) })
    }

    /// What it takes.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// What it gives.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// The [parameters](Graph::parameters) of the network as it was given, before anything was folded.
    pub fn parameters(&self) -> usize {
        self.parameters
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

    /// Runs a network of one input and copies its first output to `output`. Allocates nothing.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and when `output` is not of the first output's shape and type.
    pub fn run_into(&mut self, input: &Tensor, output: &mut Tensor) -> Result<()> {
        output.copy_from(self.run(input)?)
    }

    /// Runs it: one tensor for each input in, one for each output out, in the file's own order of axes.
    ///
    /// # Errors
    /// When the number, shapes or types of the inputs are not the network's.
    pub fn run_all(&mut self, inputs: &[&Tensor]) -> Result<&[Tensor]> {
        let Self { inner, threads, .. } = self;
        threads.enter(|join| inner.run(inputs, join))
    }

    /// As [`run_all`](Self::run_all), and calls `observe` at the end of each stage.
    pub(crate) fn run_observed(
        &mut self,
        inputs: &[&Tensor],
        mut observe: impl FnMut(Stage) + Send,
    ) -> Result<&[Tensor]> {
        let Self { inner, threads, .. } = self;
        threads.enter(|join| inner.run_observed(inputs, join, &mut observe))
    }
}

impl TensorInfo {
    pub(crate) fn new(graph: &Graph, port: &Port) -> Result<Self> {
        let value = graph.value(port.value);
        let mut dims = vec![0; value.shape.len()];
        for (&axis, &size) in port.order.iter().zip(value.shape.iter()) {
            dims[axis] = size;
        }
        let quantization = if value.dtype.is_int8() { quantization(graph, port.value).cloned() } else { None };
        Ok(Self { name: port.name.clone(), shape: Shape::new(dims)?, dtype: value.dtype, quantization })
    }
}

/// How bytes stand for real numbers, or which bytes real numbers were before, by the operators that make the one of the other.
pub(crate) fn quantization(graph: &Graph, mut value: ValueId) -> Option<&QuantParams> {
    for node in graph.nodes().iter().rev() {
        match &node.op {
            _ if node.output != value => {}
            Op::Quantize(Quantize(quantization)) | Op::Dequantize(Dequantize(quantization)) => {
                return Some(quantization);
            }
            // Whatever else makes bytes only moves them.
            Op::Reshape(_) => value = node.inputs[0],
            _ if graph.value(value).dtype.is_int8() => value = node.inputs[0],
            _ => return None,
        }
    }
    graph.nodes().iter().find_map(|node| match &node.op {
        Op::Dequantize(Dequantize(quantization)) if node.inputs[0] == value => Some(quantization),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;

    /// The observer is called on a thread of the first network's pool.
    #[test]
    fn a_network_runs_inside_an_observer_of_another() {
        let options = Options::default().threads(2);
        let model = Model::named("mobilenet_v1@32x0.25").unwrap();
        let [mut outer, mut inner] = [(), ()].map(|()| model.compile(&options).unwrap());
        let input = Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32]).unwrap();
        let expected = inner.run(&input).unwrap().clone();
        let mut observed = 0;
        outer
            .run_observed(&[&input], |_| {
                assert_eq!(*inner.run(&input).unwrap(), expected);
                observed += 1;
            })
            .unwrap();
        assert_eq!(observed, outer.plan().steps() + 2);
    }
}
