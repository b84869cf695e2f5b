use std::collections::HashMap;
use std::sync::Arc;

use sepconv_core::op::{
    Activation, BinaryFunction, Conv2d, Pad, PadMode, Pool, Reduce, Reduction, UnaryFunction, Window,
};
use sepconv_core::{DType, Error, Graph, Limits, Node, Op, Result, Rewriter, Shape, Tensor, Uses, ValueId, passes};
use sepconv_kernels::ConvGeometry;

use crate::step::{Kind, Step};

/// What a parameter does, which decides how it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterRole {
    /// Weights of a convolution or a fully connected layer; these alone decay.
    Weight,
    /// A bias.
    Bias,
    /// The scale of a batch normalization.
    NormScale,
    /// The shift of a batch normalization.
    NormShift,
}

/// Numbers that training changes.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name of the constant in the graph.
    pub name: String,
    /// What it does.
    pub role: ParameterRole,
    /// Weights of convolutions are `[o, kh, kw, c / groups]`, of fully connected layers `[n, k]`.
    pub shape: Shape,
    /// The numbers.
    pub values: Vec<f32>,
    /// Their gradient, after [`Tape::gradients`](crate::Tape::gradients).
    pub gradient: Vec<f32>,
    id: ValueId,
}

/// The running mean and variance of a batch normalization.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The names of both constants in the graph.
    pub names: [String; 2],
    /// The mean of each channel.
    pub mean: Vec<f32>,
    /// The variance of each channel.
    pub variance: Vec<f32>,
    ids: [ValueId; 2],
}

/// A network as steps that run forward and backward.
#[derive(Clone, Debug)]
pub struct Program {
    graph: Graph,
    pub(crate) steps: Vec<Step>,
    /// Elements of each value, of one image.
    pub(crate) sizes: Vec<usize>,
    /// Whether the gradient by each value is asked for.
    pub(crate) learns: Vec<bool>,
    pub(crate) input: usize,
    pub(crate) logits: usize,
    /// What is trained, in the order of execution.
    pub parameters: Vec<Parameter>,
    /// The statistics of batch normalizations, in the order of execution.
    pub statistics: Vec<Statistics>,
}

impl Program {
    /// The steps of a graph of one image, such as a model file or a table describes. Batch normalizations are kept, a
    /// softmax at the end is left out: the loss takes logits.
    ///
    /// # Errors
    /// When an operator has no gradient (it is named), or the network does not lead from one image to one number for
    /// each class.
    pub fn new(graph: Graph) -> Result<Self> {
        let graph = passes::canonicalize_without_folding(graph)?;
        let ([input], [output]) = (graph.inputs(), graph.outputs()) else {
            return Err(Error::unsupported("training needs one input and one output")
                .expected("1 and 1", format_args!("{} and {}", graph.inputs().len(), graph.outputs().len())));
        };
        let (input, output) = (input.value, output.value);
        if graph.states().len() > 0 || graph.value(input).dtype != DType::F32 {
            return Err(Error::unsupported("training needs an f32 network without state"));
        }
        let program = Self {
            steps: vec![],
            sizes: vec![],
            learns: vec![],
            input: 0,
            logits: 0,
            parameters: vec![],
            statistics: vec![],
            graph: graph.clone(),
        };
        let mut import = Import { graph: &graph, uses: Uses::new(&graph), places: HashMap::new(), program };
        import.program.input = import.value(input, false)?;
        for node in graph.nodes() {
            import.node(node).map_err(|error| error.at_node(&node.name, node.op.name()))?;
        }
        let Import { places, mut program, .. } = import;
        program.logits =
            *places.get(&output).ok_or_else(|| Error::unsupported("output does not depend on the input"))?;
        Ok(program)
    }

    /// Numbers that the network gives for an image.
    pub fn classes(&self) -> usize {
        self.sizes[self.logits]
    }

    /// The steps that the logits depend on, the last first.
    pub(crate) fn backward_order(&self) -> Vec<usize> {
        let mut wanted = vec![false; self.sizes.len()];
        wanted[self.logits] = true;
        let reached = |&i: &usize| {
            let step = &self.steps[i];
            let reached = wanted[step.output];
            step.inputs.iter().for_each(|&input| wanted[input] |= reached);
            reached
        };
        (0..self.steps.len()).rev().filter(reached).collect()
    }

    /// Rows, columns and channels of its image.
    pub fn input(&self) -> [usize; 3] {
        let shape = &self.graph.value(self.graph.inputs()[0].value).shape;
        match shape[..] {
            [_, h, w, c] => [h, w, c],
            _ => [1, 1, shape.elements()],
        }
    }

    /// The graph with the parameters and statistics as they are now.
    ///
    /// # Errors
    /// Those of the [`Builder`](sepconv_core::Builder).
    pub fn to_graph(&self) -> Result<Graph> {
        let limits = Limits { max_memory: usize::MAX, max_macs: u64::MAX, max_nodes: usize::MAX };
        let mut rewriter = Rewriter::new(&self.graph, limits);
        for parameter in &self.parameters {
            replace(&mut rewriter, parameter.id, &parameter.name, &parameter.shape, &parameter.values)?;
        }
        for Statistics { names, mean, variance, ids } in &self.statistics {
            let shape = Shape::new([mean.len()])?;
            replace(&mut rewriter, ids[0], &names[0], &shape, mean)?;
            replace(&mut rewriter, ids[1], &names[1], &shape, variance)?;
        }
        self.graph.inputs().iter().try_for_each(|port| rewriter.copy_input(port))?;
        for node in self.graph.nodes() {
            let value = rewriter.copy(node)?;
            rewriter.replace(node.output, value);
        }
        rewriter.finish()
    }

    /// Every tensor that a file of weights holds, by the name of its constant.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Shape, &[f32])> {
        let parameters = self.parameters.iter().map(|of| (of.name.as_str(), &of.shape, &of.values[..]));
        let statistics = self.statistics.iter().flat_map(|of| {
            let shape = |i: usize| &self.graph.value(of.ids[i]).shape;
            [(of.names[0].as_str(), shape(0), &of.mean[..]), (of.names[1].as_str(), shape(1), &of.variance[..])]
        });
        parameters.chain(statistics)
    }
}

fn replace(rewriter: &mut Rewriter<'_>, old: ValueId, name: &str, shape: &Shape, values: &[f32]) -> Result<()> {
    let new = rewriter.builder.constant(name, Arc::new(Tensor::f32(shape.to_vec(), values)?))?;
    rewriter.replace(old, new);
    Ok(())
}

struct Import<'g> {
    graph: &'g Graph,
    uses: Uses,
    /// The place of each value of the graph.
    places: HashMap<ValueId, usize>,
    program: Program,
}

impl<'g> Import<'g> {
    fn shape(&self, id: ValueId) -> &'g Shape {
        &self.graph.value(id).shape
    }

    /// A new place for a value.
    fn value(&mut self, id: ValueId, learns: bool) -> Result<usize> {
        let shape = self.shape(id);
        if shape.first() != Some(&1) {
            return Err(Error::unsupported("training needs a batch axis of size 1").expected("[1,..]", shape));
        }
        self.program.sizes.push(shape.elements());
        self.program.learns.push(learns);
        self.places.insert(id, self.program.sizes.len() - 1);
        Ok(self.program.sizes.len() - 1)
    }

    /// Where a value that is computed lies.
    fn place(&self, id: ValueId) -> Result<usize> {
        let missing = || Error::unsupported("operator has no gradient for a constant operand");
        self.places.get(&id).copied().ok_or_else(missing)
    }

    fn step(&mut self, node: &Node, kind: Kind, operands: &[ValueId]) -> Result<()> {
        let inputs = operands.iter().map(|&id| self.place(id)).collect::<Result<Vec<_>>>()?;
        let learns = kind.has_parameters() || inputs.iter().any(|&input| self.program.learns[input]);
        let output = self.value(node.output, learns)?;
        self.program.steps.push(Step { kind, inputs, output });
        Ok(())
    }

    /// The activation that a node applies last, as a step of its own.
    fn then(&mut self, node: &Node, activation: Activation) -> Result<()> {
        if activation == Activation::Identity {
            return Ok(());
        }
        let channels = self.shape(node.output).last();
        self.step(node, Kind::Activation { activation, channels }, &[node.output])
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        let x = node.inputs[0];
        match &node.op {
            Op::Conv2d(conv) => self.conv(node, conv),
            Op::Dense(dense) => {
                let (k, n) = (self.shape(x).last(), self.shape(node.output).last());
                let (window, rows) = (Window::new(1, 1), self.shape(x).elements() / k);
                let geometry = ConvGeometry { window, input: [1, rows, k], output: [1, rows, n], groups: 1 };
                self.layer(node, geometry)?;
                self.then(node, dense.activation)
            }
            Op::BatchNorm(norm) => {
                let [scale, shift] = [(1, ParameterRole::NormScale), (2, ParameterRole::NormShift)]
                    .map(|(i, role)| self.parameter(node.inputs[i], role));
                let statistics = self.statistics([node.inputs[3], node.inputs[4]])?;
                let (scale, shift) = (scale?, shift?);
                let activation = Activation::Identity;
                self.step(node, Kind::Norm { scale, shift, statistics, epsilon: norm.epsilon, activation }, &[x])
            }
            Op::Unary(UnaryFunction::Activation(activation)) => self.activation(node, *activation),
            Op::Binary(binary) => {
                self.binary(node, binary.function)?;
                self.then(node, binary.activation)
            }
            Op::Reduce(Reduce { reduction: Reduction::Mean, axes, .. })
                if axes[..] == [1, 2] && self.shape(x).len() == 4 =>
            {
                let (pixels, channels) = (self.shape(x)[1] * self.shape(x)[2], self.shape(x)[3]);
                self.step(node, Kind::Mean { pixels, channels }, &[x])
            }
            Op::Pool(Pool { window, kind, .. }) => {
                let geometry = self.geometry(*window, 1, x, node.output);
                let geometry = ConvGeometry::depthwise(*window, geometry.input, geometry.output);
                self.step(node, Kind::Pool { kind: *kind, geometry }, &[x])
            }
            Op::Reshape(_) => self.step(node, Kind::Copy, &[x]),
            Op::Concat(concat) if concat.axis + 1 == self.shape(x).len() => {
                let channels = node.inputs.iter().map(|&id| self.shape(id).last()).collect();
                self.step(node, Kind::Concat { channels }, &node.inputs)
            }
            Op::Pad(Pad { before, mode: PadMode::Constant(fill), .. }) if *fill == 0.0 && self.shape(x).len() == 4 => {
                let image = |id: ValueId| [1, 2, 3].map(|axis| self.shape(id)[axis]);
                let (from, to) = (image(x), image(node.output));
                self.step(node, Kind::Pad { before: [before[1], before[2], before[3]], from, to }, &[x])
            }
            Op::Softmax(_) if self.uses.is_output(node.output) && self.uses.readers(node.output).is_empty() => {
                let place = self.place(x)?;
                self.places.insert(node.output, place);
                Ok(())
            }
            Op::ConvTranspose(_)
            | Op::MatMul(_)
            | Op::LayerNorm(_)
            | Op::Unary(_)
            | Op::Reduce(_)
            | Op::Softmax(_)
            | Op::Resize(_)
            | Op::GridSample(_)
            | Op::Transpose(_)
            | Op::Concat(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Gather(_)
            | Op::Broadcast(_)
            | Op::Pairwise(_)
            | Op::Select(_)
            | Op::Cast(_)
            | Op::TopK(_)
            | Op::ScatterNd(_)
            | Op::NonZero(_)
            | Op::NonMaxSuppression(_)
            | Op::GatherNd(_)
            | Op::GatherElements(_)
            | Op::Detections(_)
            | Op::CumSum(_)
            | Op::ArgExtreme(_)
            | Op::Quantize(_)
            | Op::Dequantize(_)
            | Op::Lut(_)
            | Op::QConv2d(_)
            | Op::QBinary(_)
            | Op::QAveragePool(_)
            | Op::Recurrent(_) => Err(Error::unsupported("operator has no gradient")
                .help("networks of convolutions, normalizations, activations, pooling and sums can be trained")),
        }
    }

    fn geometry(&self, window: Window, groups: usize, x: ValueId, output: ValueId) -> ConvGeometry {
        let image = |id: ValueId| [1, 2, 3].map(|axis| self.shape(id)[axis]);
        ConvGeometry { window, input: image(x), output: image(output), groups }
    }

    fn conv(&mut self, node: &Node, conv: &Conv2d) -> Result<()> {
        if node.inputs.len() > 3 {
            return Err(Error::unsupported("convolution with a fused residual has no gradient"));
        }
        self.layer(node, self.geometry(conv.window, conv.groups, node.inputs[0], node.output))?;
        self.then(node, conv.activation)
    }

    /// A convolution or fully connected layer. A bias of zeros that a batch normalization follows does nothing, so it
    /// is not trained.
    fn layer(&mut self, node: &Node, geometry: ConvGeometry) -> Result<()> {
        let weight = self.parameter(node.inputs[1], ParameterRole::Weight)?;
        let reader = self.uses.sole_reader(node.output).map(|reader| &self.graph.nodes()[reader].op);
        let zeros = self.constant(node.inputs[2])?.iter().all(|&bias| bias == 0.0);
        let needless = zeros && matches!(reader, Some(Op::BatchNorm(_)));
        let bias = if needless { None } else { Some(self.parameter(node.inputs[2], ParameterRole::Bias)?) };
        self.step(node, Kind::Conv { weight, bias, geometry }, &node.inputs[..1])
    }

    /// An activation joins the batch normalization before it, if nothing else reads that.
    fn activation(&mut self, node: &Node, activation: Activation) -> Result<()> {
        let x = node.inputs[0];
        let (place, sole) = (self.place(x)?, self.uses.sole_reader(x).is_some());
        if let Some(step) = self.program.steps.last_mut()
            && step.output == place
            && sole
            && let Kind::Norm { activation: last, .. } = &mut step.kind
            && *last == Activation::Identity
        {
            *last = activation;
            self.places.insert(node.output, place);
            return Ok(());
        }
        let channels = self.shape(x).last();
        self.step(node, Kind::Activation { activation, channels }, &[x])
    }

    fn binary(&mut self, node: &Node, function: BinaryFunction) -> Result<()> {
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let [shape_a, shape_b] = [a, b].map(|id| self.shape(id));
        let is_gate =
            |x: &Shape, gate: &Shape| x.len() == 4 && gate.len() == 4 && gate[1] * gate[2] == 1 && gate[3] == x[3];
        match function {
            BinaryFunction::Add if shape_a == shape_b => self.step(node, Kind::Add, &[a, b]),
            BinaryFunction::Mul if is_gate(shape_a, shape_b) => {
                self.step(node, Kind::Gate { channels: shape_a.last() }, &[a, b])
            }
            BinaryFunction::Mul if is_gate(shape_b, shape_a) => {
                self.step(node, Kind::Gate { channels: shape_b.last() }, &[b, a])
            }
            BinaryFunction::Add
            | BinaryFunction::Mul
            | BinaryFunction::Sub
            | BinaryFunction::Div
            | BinaryFunction::Min
            | BinaryFunction::Max
            | BinaryFunction::Pow
            | BinaryFunction::PRelu => Err(Error::unsupported("operator has no gradient for these operands")
                .expected("a sum of equal shapes, or a gate [1,1,1,c]", format_args!("{shape_a} and {shape_b}"))),
        }
    }

    fn constant(&self, id: ValueId) -> Result<&'g [f32]> {
        let constant = self.graph.value(id).constant.as_ref().and_then(|tensor| tensor.as_f32());
        constant.ok_or_else(|| Error::unsupported("training needs parameters that are f32 constants"))
    }

    /// The parameter that a constant is: one for all nodes that read it.
    fn parameter(&mut self, id: ValueId, role: ParameterRole) -> Result<usize> {
        if let Some(known) = self.program.parameters.iter().position(|parameter| parameter.id == id) {
            return Ok(known);
        }
        let (values, value) = (self.constant(id)?.to_vec(), self.graph.value(id));
        let gradient = vec![0.0; values.len()];
        let (name, shape) = (value.name.clone(), value.shape.clone());
        self.program.parameters.push(Parameter { name, role, shape, values, gradient, id });
        Ok(self.program.parameters.len() - 1)
    }

    fn statistics(&mut self, ids: [ValueId; 2]) -> Result<usize> {
        let [mean, variance] = ids.map(|id| self.constant(id).map(<[f32]>::to_vec));
        let names = ids.map(|id| self.graph.value(id).name.clone());
        self.program.statistics.push(Statistics { names, mean: mean?, variance: variance?, ids });
        Ok(self.program.statistics.len() - 1)
    }
}
