use std::sync::Arc;

use sepconv_core::op::{Dequantize, QuantParams, Quantize};
use sepconv_core::{DType, Error, Graph, KernelChoices, Op, Plan, Port, Result, Shape, ValueId, passes::optimize};

use crate::threads::Threads;
use crate::tune::Tuned;
use crate::{Options, Session};

/// An input or output of a compiled network, in the file's own order of axes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
    /// Scales and zero points of an int8 tensor, where the network states them.
    pub quantization: Option<QuantParams>,
}

/// A network made ready for this machine: chosen kernels and packed weights. Made by
/// [`Model::compile`](crate::Model::compile).
///
/// `Send`, `Sync` and cheap to clone: clones share one plan and one copy of the weights, whatever the number of threads
/// that use it. Each thread runs a [`Session`] of its own.
///
/// ```
/// use sepconv::{Model, Options, Tensor};
///
/// let model = Model::named("mobilenet_v1@32x0.25")?;
/// let compiled = model.compile(&Options::default().threads(1))?;
/// let image = Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32])?;
/// let scores: Vec<f32> = std::thread::scope(|scope| {
///     let worker = || compiled.session()?.run(&[&image]).map(|outputs| outputs[0].as_f32().unwrap()[0]);
///     let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
///     workers.into_iter().map(|worker| worker.join().unwrap()).collect::<sepconv::Result<_>>()
/// })?;
/// assert_eq!(scores, [scores[0]; 4]);
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CompiledModel(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    plan: Arc<Plan>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    parameters: usize,
    macs: u64,
    tuning: Tuning,
}

/// What became of what was measured.
#[derive(Clone, Debug)]
enum Tuning {
    None,
    Used(Arc<Tuned>),
    Unused(String),
}

impl Tuning {
    fn of(graph: &Graph, options: &Options) -> Result<Self> {
        let Some(tuned) = &options.tuned else { return Ok(Self::None) };
        Ok(tuned.misfit(graph, options)?.map_or_else(|| Self::Used(tuned.clone()), Self::Unused))
    }

    /// The number of threads and the kernels that were fastest.
    fn choice(&self) -> Result<Option<(usize, KernelChoices)>> {
        match self {
            Self::Used(tuned) => tuned.choice(),
            Self::None | Self::Unused(_) => Ok(None),
        }
    }
}

impl CompiledModel {
    /// Simplifies a network, chooses its kernels and packs its weights.
    ///
    /// # Errors
    /// If `options` name an unknown instruction set, the network exceeds a limit, or a layer cannot run
    /// with the kernel that `options` name for it.
    pub fn from_graph(graph: Graph, options: &Options) -> Result<Self> {
        let isa = options.planned_isa()?;
        let threads = Options::checked_threads(options.threads)?;
        let infos = |ports: &[Port]| ports.iter().map(|port| TensorInfo::new(&graph, port)).collect::<Result<_>>();
        let (inputs, outputs) = (infos(graph.inputs())?, infos(graph.outputs())?);
        let (parameters, macs) = (graph.parameters(), graph.macs());
        let graph = optimize(graph)?;
        let tuning = Tuning::of(&graph, options)?;
        let (threads, kernels) = tuning.choice()?.unwrap_or((threads, options.kernels.clone()));
        let plan = Arc::new(Plan::with_kernels(&graph, isa, threads, &options.limits, &kernels)?);
        Ok(Self(Arc::new(Compiled { plan, inputs, outputs, parameters, macs, tuning })))
    }

    /// The same network with another plan.
    pub(crate) fn with_plan(&self, plan: Plan) -> Self {
        let Compiled { inputs, outputs, parameters, macs, tuning, .. } = &*self.0;
        let (inputs, outputs, tuning) = (inputs.clone(), outputs.clone(), tuning.clone());
        let (plan, parameters, macs) = (Arc::new(plan), *parameters, *macs);
        Self(Arc::new(Compiled { plan, inputs, outputs, parameters, macs, tuning }))
    }

    /// The memory and threads that one worker runs the network with. The weights are not copied.
    ///
    /// # Errors
    /// If the memory is not there, threads cannot be started, or the network was compiled for another machine.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.clone(), Threads::new(self.plan().threads())?)
    }

    /// The inputs.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.0.inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.0.outputs
    }

    /// The position of the input called `name`.
    ///
    /// # Errors
    /// If no input, or more than one, has this name.
    pub fn input_index(&self, name: &str) -> Result<usize> {
        position(self.inputs(), "input", name)
    }

    /// The position of the output called `name`.
    ///
    /// # Errors
    /// If no output, or more than one, has this name.
    pub fn output_index(&self, name: &str) -> Result<usize> {
        position(self.outputs(), "output", name)
    }

    /// The [parameters](Graph::parameters) of the network before anything was folded.
    pub fn parameters(&self) -> usize {
        self.0.parameters
    }

    /// The multiply-accumulates of the network before anything was folded: those of its [plan](Self::plan) may be
    /// fewer.
    pub fn macs(&self) -> u64 {
        self.0.macs
    }

    /// The plan: steps, kernels, packed weights and the arena.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// What was [measured](Options::tuned) and is used.
    pub fn tuned(&self) -> Option<&Tuned> {
        match &self.0.tuning {
            Tuning::Used(tuned) => Some(tuned),
            Tuning::None | Tuning::Unused(_) => None,
        }
    }

    /// Why what was [measured](Options::tuned) is not used, where it is not.
    pub fn unused_tuning(&self) -> Option<&str> {
        match &self.0.tuning {
            Tuning::Unused(reason) => Some(reason),
            Tuning::None | Tuning::Used(_) => None,
        }
    }

    pub(crate) fn shared_plan(&self) -> Arc<Plan> {
        self.0.plan.clone()
    }
}

fn position(infos: &[TensorInfo], what: &str, name: &str) -> Result<usize> {
    let mut found = infos.iter().enumerate().filter(|(_, info)| info.name == name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(i), None) => Ok(i),
        (Some(_), Some(_)) => Err(Error::argument(format!("name belongs to more than one {what}"))
            .at(format!("{what} {name:?}"))
            .help("refer to it by position")),
        (None, _) => {
            let names: Vec<_> = infos.iter().map(|info| format!("{:?}", info.name)).collect();
            Err(Error::argument(format!("network has no {what} of this name"))
                .expected(names.join(" or "), format_args!("{name:?}")))
        }
    }
}

impl TensorInfo {
    /// The input or output of `graph` that a port of it is.
    ///
    /// # Errors
    /// If its axes do not give a shape.
    pub fn new(graph: &Graph, port: &Port) -> Result<Self> {
        let value = graph.value(port.value);
        let mut dims = vec![0; value.shape.len()];
        for (&axis, &size) in port.order.iter().zip(value.shape.iter()) {
            dims[axis] = size;
        }
        let quantization = if value.dtype.is_int8() { quantization(graph, port.value).cloned() } else { None };
        Ok(Self { name: port.name.clone(), shape: Shape::new(dims)?, dtype: value.dtype, quantization })
    }
}

/// Scales and zero points of a value: those of the operator that quantizes or dequantizes it.
pub(crate) fn quantization(graph: &Graph, mut value: ValueId) -> Option<&QuantParams> {
    for node in graph.nodes().iter().rev() {
        match &node.op {
            _ if node.output != value => {}
            Op::Quantize(Quantize(quantization)) | Op::Dequantize(Dequantize(quantization)) => {
                return Some(quantization);
            }
            // Any other operator with an int8 result only moves elements.
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

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<CompiledModel>();
};
