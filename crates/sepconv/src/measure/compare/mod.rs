//! What separability buys on this machine: every pair of a depthwise and a pointwise convolution beside the standard
//! convolution that it stands for, and the whole network beside [the same with standard
//! convolutions](sepconv_core::passes::with_standard_convs).
//!
//! ```no_run
//! use sepconv::{Model, Options, ProgressEvent, measure::compare::NetworkComparison};
//!
//! let mut comparison = NetworkComparison::new(&Model::open("mobilenet_v1.onnx")?, &Options::default())?;
//! comparison.measure(20, &mut ProgressEvent::ignore)?;
//! let network = comparison.network();
//! println!("{:.2}x fewer MACs, {:.2}x faster", network.theoretical_speedup(), network.measured_speedup());
//! # Ok::<(), sepconv::Error>(())
//! ```
//!
//! A pair is a network of its own here: what follows it is fused into it, and its two layers run together where that
//! pays, as in the whole network. What lies between (normalization, activation, squeeze-excite) belongs to it and is
//! paid for by it; the standard convolution has nothing there. Both sides run on floats, with this library's kernels.
//! That for standard convolutions is direct: for 3×3 at stride 1, Winograd's algorithm (Lavin and Gray 2015, arXiv
//! 1509.09308) needs fewer multiplications, so a library that has it narrows the gap.

mod candidate;

use sepconv_core::analysis::{NotSeparable, SeparableConv, extract_subgraph, separable_convs};
use sepconv_core::op::{Binary, UnaryFunction};
use sepconv_core::passes::{canonicalize_without_folding, optimize, with_standard_convs};
use sepconv_core::{Error, Graph, Node, Op, Result};
use sepconv_kernels::{Activation, Isa};

use crate::progress::{Progress, Stage, advance};
use crate::{Model, Options, model::with_file, quantize::quantized_node, threads::Threads};

pub use self::candidate::{Candidate, Cost};

/// A network beside its standard twin, pair by pair and as a whole, ready to be timed.
#[derive(Debug)]
pub struct NetworkComparison {
    machine: Machine,
    pairs: Vec<LayerComparison>,
    network: Comparison,
    unpaired: Vec<(String, &'static str)>,
}

/// A depthwise and a pointwise convolution beside the standard one that they stand for.
#[derive(Debug)]
pub struct LayerComparison {
    /// The name of the depthwise convolution in the file.
    pub depthwise: String,
    /// The name of the pointwise convolution in the file.
    pub pointwise: String,
    /// Whether the pointwise convolution is a linear projection, as at the end of an inverted residual.
    pub projection: bool,
    /// Whether a squeeze-excite lies between them.
    pub squeeze_excite: bool,
    /// Taps, `[kh, kw]`.
    pub kernel: [usize; 2],
    /// Distance between windows, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Channels in and out.
    pub channels: [usize; 2],
    /// The plane of the result, `[h, w]`.
    pub plane: [usize; 2],
    /// How the two compare.
    pub comparison: Comparison,
}

/// Two ways to the same shape of result.
#[derive(Debug)]
pub struct Comparison {
    /// What the network has.
    pub separable: Candidate,
    /// What it would have with standard convolutions.
    pub standard: Candidate,
}

/// What sides run on.
#[derive(Debug)]
struct Machine {
    isa: Isa,
    threads: Threads,
    count: usize,
}

impl NetworkComparison {
    /// Makes every pair of a network, the network and its twin ready to run. Nothing is timed yet.
    ///
    /// # Errors
    /// Those of [`Model::import`]; when the network is quantized or has no pair; when it and its twin, whose weights
    /// are 7 times as many for MobileNetV1 and more where blocks expand, pass the limits of `options`.
    pub fn new(model: &Model, options: &Options) -> Result<Self> {
        let machine =
            Machine { isa: options.resolve_isa()?, threads: Threads::new(options.threads)?, count: options.threads };
        let graph =
            canonicalize_without_folding(model.import(options)?).map_err(|error| with_file(error, model.name()))?;
        Self::of(&graph, machine, options).map_err(|error| with_file(error, model.name()))
    }

    fn of(graph: &Graph, machine: Machine, options: &Options) -> Result<Self> {
        if let Some(node) = quantized_node(graph) {
            return Err(Error::unsupported("network is quantized, floats are compared")
                .at_node(&node.name, node.op.name())
                .help("compare the f32 network that it was quantized from"));
        }
        let (mut pairs, mut unpaired) = (Vec::new(), Vec::new());
        let network = machine.comparison(graph, options)?;
        let mut memory = network.memory();
        for found in separable_convs(graph) {
            match found {
                Ok(found) => {
                    let pair = LayerComparison::new(graph, &found, &machine, options)?;
                    memory = memory.saturating_add(pair.comparison.memory());
                    check_memory(memory, options)?;
                    pairs.push(pair);
                }
                Err(NotSeparable { depthwise, reason }) => {
                    unpaired.push((graph.nodes()[depthwise].name.clone(), reason))
                }
            }
        }
        if pairs.is_empty() {
            return Err(Error::unsupported(
                "network has no depthwise convolution with a pointwise one behind it to compare",
            ));
        }
        Ok(Self { machine, pairs, network, unpaired })
    }

    /// Runs everything `rounds` times more, separable and standard in turns. Each timed run follows one of the same
    /// layers that is not timed, so that weights and activations are in cache where they fit. Taking tensors in and
    /// giving them out is not timed.
    ///
    /// # Errors
    /// When `progress` cancels: everything has the times of the same rounds then.
    pub fn measure(&mut self, rounds: usize, progress: Progress<'_>) -> Result<()> {
        for round in 0..rounds {
            advance(progress, Stage::Compare, round, rounds)?;
            self.round()?;
        }
        advance(progress, Stage::Compare, rounds, rounds)
    }

    fn round(&mut self) -> Result<()> {
        let Self { machine, pairs, network, .. } = self;
        let comparisons = pairs.iter_mut().map(|pair| &mut pair.comparison).chain([network]);
        for side in comparisons.flat_map(|comparison| [&mut comparison.separable, &mut comparison.standard]) {
            side.time(&machine.threads)?;
        }
        Ok(())
    }

    /// The pairs, in the order of the network.
    pub fn pairs(&self) -> &[LayerComparison] {
        &self.pairs
    }

    /// The whole network.
    pub fn network(&self) -> &Comparison {
        &self.network
    }

    /// The names of depthwise convolutions that are in no pair, each with the reason; both networks have them.
    pub fn unpaired(&self) -> &[(String, &'static str)] {
        &self.unpaired
    }

    /// The name of the instruction set that both run on.
    pub fn isa(&self) -> &'static str {
        self.machine.isa.name()
    }

    /// How many threads share the work.
    pub fn threads(&self) -> usize {
        self.machine.count
    }
}

impl LayerComparison {
    fn new(graph: &Graph, pair: &SeparableConv, machine: &Machine, options: &Options) -> Result<Self> {
        let [depthwise, pointwise] = [pair.depthwise, pair.pointwise].map(|i| &graph.nodes()[i]);
        let Op::Conv2d(conv) = &depthwise.op else {
            return Err(Error::mismatch("a pair begins with a convolution of floats"));
        };
        let (input, output) = (&graph.value(depthwise.inputs[0]).shape, &graph.value(pointwise.output).shape);
        let nodes = |indices: &[usize]| indices.iter().map(|&i| &graph.nodes()[i]).collect::<Vec<&Node>>();
        let finish = nodes(&pair.after);
        Ok(Self {
            depthwise: depthwise.name.clone(),
            pointwise: pointwise.name.clone(),
            projection: finish.iter().chain([&pointwise]).all(|node| is_linear(node)),
            squeeze_excite: nodes(&pair.between).iter().any(|node| matches!(node.op, Op::Reduce(_))),
            kernel: conv.window.kernel,
            stride: conv.window.stride,
            channels: [input.last(), output.last()],
            plane: [output[1], output[2]],
            comparison: machine.comparison(&extract_subgraph(graph, &pair.nodes())?, options)?,
        })
    }
}

impl Machine {
    /// A tidy graph and its twin, ready to run.
    fn comparison(&self, graph: &Graph, options: &Options) -> Result<Comparison> {
        let standard = with_standard_convs(graph, &options.limits)?;
        Ok(Comparison { separable: self.side(graph.clone(), options)?, standard: self.side(standard, options)? })
    }

    fn side(&self, graph: Graph, options: &Options) -> Result<Candidate> {
        let parameters = graph.parameters();
        Candidate::new(parameters, &optimize(graph)?, self, &options.limits)
    }
}

impl Comparison {
    /// How many times as many multiply-accumulates the standard side needs: `1 / (1/N + 1/k²)` for a plain pair of a
    /// k×k kernel and N channels out (MobileNetV1, section 3.1).
    pub fn theoretical_speedup(&self) -> f64 {
        self.standard.cost().macs as f64 / self.separable.cost().macs as f64
    }

    /// How many times as long the standard side takes, by the shortest times; not a number before the first round.
    pub fn measured_speedup(&self) -> f64 {
        self.standard.times().min() / self.separable.times().min()
    }

    fn memory(&self) -> usize {
        self.separable.memory().saturating_add(self.standard.memory())
    }
}

fn check_memory(bytes: usize, options: &Options) -> Result<()> {
    let most = options.limits.max_memory;
    if bytes <= most {
        return Ok(());
    }
    Err(Error::limit("network, its twin and their pairs take too much memory together")
        .expected(format_args!("at most {most} bytes"), "more")
        .help("compare a narrower network, or one of smaller images; or raise Limits::max_memory (--max-memory)"))
}

/// Whether a node adds no activation.
fn is_linear(node: &Node) -> bool {
    match &node.op {
        Op::Conv2d(conv) => conv.activation == Activation::Identity,
        Op::Binary(Binary { activation, .. }) => *activation == Activation::Identity,
        op => !matches!(op, Op::Unary(UnaryFunction::Activation(_))),
    }
}
