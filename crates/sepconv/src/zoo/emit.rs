//! A network with its parameters as a graph.

use std::fmt;

use sepconv_core::op::{
    BatchNorm, BinaryFunction, Concat, Conv2d, Dense, Pool, Reduce, Reshape, Resize, Slice, Transpose,
};
use sepconv_core::{Builder, DType, Error, Graph, Limits, Op, Result, Shape, ValueId, probe_memory};
use sepconv_kernels::pool::PoolKind;
use sepconv_kernels::reduce::Reduction;
use sepconv_kernels::resize::{AxisMap, Coordinates, Mode, Rounding};
use sepconv_kernels::{Activation, Window};

use super::network::{Architecture, Block, Head};
use super::{BlockKind, Branch, Layer, LayerKind, Padding, ParamId, ParamKind, Parameters};

/// Bytes that are left beside each parameter, for everything small.
const HEADROOM: usize = 4 << 20;

pub(super) fn graph(architecture: &Architecture, parameters: &mut impl Parameters) -> Result<Graph> {
    let limits = Limits::default();
    let mut emitter = Emitter { architecture, parameters, builder: Builder::new(limits), left: limits.max_memory };
    let mut x = emitter.stem()?;
    for (stage, blocks) in architecture.stages.iter().enumerate() {
        for (index, block) in blocks.iter().enumerate() {
            x = emitter.block(Position { stage, index, block }, x)?;
        }
    }
    let logits = emitter.head(x)?;
    emitter.builder.output("logits", logits);
    Ok(emitter.builder.finish())
}

struct Emitter<'a, P> {
    architecture: &'a Architecture,
    parameters: &'a mut P,
    builder: Builder,
    /// Bytes that parameters may still take.
    left: usize,
}

/// A block and where it is.
#[derive(Clone, Copy)]
struct Position<'a> {
    stage: usize,
    index: usize,
    block: &'a Block,
}

impl Position<'_> {
    fn layer(self, kind: LayerKind) -> Layer {
        Layer::Block { stage: self.stage, index: self.index, kind }
    }

    /// The name of a node that has no parameters.
    fn name(self, node: &str) -> String {
        format!("blocks.{}.{}.{node}", self.stage, self.index)
    }
}

/// What has parameters: a layer or one of its branches.
#[derive(Clone, Copy)]
struct Owner {
    layer: Layer,
    branch: Option<Branch>,
}

impl From<Layer> for Owner {
    fn from(layer: Layer) -> Self {
        Self { layer, branch: None }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.branch {
            Some(branch) => write!(f, "{}.{branch}", self.layer),
            None => self.layer.fmt(f),
        }
    }
}

/// A convolution of a square or other window.
#[derive(Clone, Copy)]
struct Conv {
    channels: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    depthwise: bool,
}

impl Conv {
    fn square(channels: usize, kernel: usize, stride: usize) -> Self {
        Self { channels, kernel: [kernel; 2], stride: [stride; 2], depthwise: false }
    }

    fn pointwise(channels: usize) -> Self {
        Self::square(channels, 1, 1)
    }

    fn depthwise(channels: usize, kernel: usize, stride: usize) -> Self {
        Self { depthwise: true, ..Self::square(channels, kernel, stride) }
    }
}

impl<P: Parameters> Emitter<'_, P> {
    fn stem(&mut self) -> Result<ValueId> {
        let [channels, rows, columns] = self.architecture.input;
        let picture = self.builder.input("input", Shape::new([1, channels, rows, columns])?, DType::F32)?;
        let mut x = self.builder.node("input", Transpose { order: vec![0, 2, 3, 1] }, &[picture])?;
        if self.architecture.mirrored {
            let (starts, steps) = (vec![0, 0, columns - 1, 0], vec![1, 1, -1, 1]);
            let mirror = Op::Slice(Slice { starts, steps, sizes: vec![1, rows, columns, channels] });
            let mirrored = self.builder.node("mirror", mirror, &[x])?;
            x = self.builder.node("both", Concat { axis: 0 }, &[x, mirrored])?;
        }
        let stem = &self.architecture.stem;
        let conv = Conv { channels: stem.channels, kernel: stem.kernel, stride: stem.stride, depthwise: false };
        let x = self.normalized(Layer::Stem, conv, stem.activation, x)?;
        if !stem.pool {
            return Ok(x);
        }
        let window = self.window(Layer::Stem.into(), [3; 2], [2; 2], x)?;
        self.builder.node("stem.pool", Pool { window, kind: PoolKind::Max, ceil_mode: false }, &[x])
    }

    fn block(&mut self, at: Position<'_>, input: ValueId) -> Result<ValueId> {
        let block = at.block;
        let (shortcut, main): (Vec<_>, Vec<_>) = block.layer_kinds().into_iter().partition(|kind| kind.is_shortcut());
        let shuffles = block.kind == BlockKind::Shuffle;
        let [beside, x] = if shuffles && block.residual { self.halves(at, input)? } else { [input; 2] };
        let has_shortcut = !shortcut.is_empty();
        let beside = shortcut.into_iter().try_fold(beside, |x, kind| self.layer(at, kind, x))?;
        let x = main.into_iter().try_fold(x, |x, kind| self.layer(at, kind, x))?;
        if shuffles {
            return self.shuffled(at, [beside, x]);
        }
        // Even windows with symmetric padding shrink planes.
        let is_same = self.builder.shape(x) == self.builder.shape(beside);
        if !(has_shortcut || block.residual && is_same) {
            return Ok(x);
        }
        self.builder.node(&at.name("residual"), BinaryFunction::Add, &[x, beside])
    }

    fn layer(&mut self, at: Position<'_>, kind: LayerKind, x: ValueId) -> Result<ValueId> {
        let block = at.block;
        let is_ghost = block.kind.is_ghost();
        let conv = match kind {
            LayerKind::DepthwiseStart => {
                let stride = if block.kernel == 0 { block.stride } else { 1 };
                Conv::depthwise(block.input, block.start_kernel, stride)
            }
            LayerKind::Expand if block.kind == BlockKind::EdgeResidual => {
                Conv::square(block.expanded, block.kernel, block.stride)
            }
            LayerKind::Expand if is_ghost => {
                let expanded = self.ghost(at, [kind, LayerKind::ExpandCheap], block.expanded, x)?;
                let is_gated = block.kind == BlockKind::GhostAttention;
                return if is_gated { self.gated(at, x, expanded) } else { Ok(expanded) };
            }
            LayerKind::Project if is_ghost => {
                return self.ghost(at, [kind, LayerKind::ProjectCheap], block.output, x);
            }
            LayerKind::Expand => Conv::pointwise(block.expanded),
            LayerKind::Depthwise => Conv::depthwise(block.expanded, block.kernel, block.stride),
            LayerKind::ShortcutDepthwise => Conv::depthwise(block.input, block.kernel, block.stride),
            LayerKind::ShortcutPointwise | LayerKind::Pointwise | LayerKind::Project => {
                // Both paths of a block that shuffles have half of its channels.
                let is_half = block.kind == BlockKind::Shuffle;
                Conv::pointwise(if is_half { block.expanded } else { block.output })
            }
            LayerKind::Conv => Conv::square(block.output, block.kernel, block.stride),
            LayerKind::SqueezeReduce => return self.squeeze(at, x),
            // These are emitted with those before.
            LayerKind::SqueezeExpand | LayerKind::ExpandCheap | LayerKind::ProjectCheap => return Ok(x),
            LayerKind::GatePointwise | LayerKind::GateRow | LayerKind::GateColumn => return Ok(x),
        };
        self.normalized(at.layer(kind), conv, block.activation_after(kind), x)
    }

    /// The first and the second half of the channels.
    fn halves(&mut self, at: Position<'_>, x: ValueId) -> Result<[ValueId; 2]> {
        let mut sizes = self.builder.shape(x).to_vec();
        sizes[3] /= 2;
        let half = |start| Slice { starts: vec![0, 0, 0, start], steps: vec![1; 4], sizes: sizes.clone() };
        let (first, second) = (half(0), half(sizes[3]));
        Ok([
            self.builder.node(&at.name("first_half"), first, &[x])?,
            self.builder.node(&at.name("second_half"), second, &[x])?,
        ])
    }

    /// The channels of both in turns.
    fn shuffled(&mut self, at: Position<'_>, halves: [ValueId; 2]) -> Result<ValueId> {
        let x = self.builder.node(&at.name("both"), Concat { axis: 3 }, &halves)?;
        let shape = self.builder.shape(x).clone();
        let grouped = Shape::new([shape[0], shape[1], shape[2], 2, shape[3] / 2])?;
        let x = self.builder.node(&at.name("grouped"), Reshape { shape: grouped }, &[x])?;
        let x = self.builder.node(&at.name("exchanged"), Transpose { order: vec![0, 1, 2, 4, 3] }, &[x])?;
        self.builder.node(&at.name("shuffled"), Reshape { shape }, &[x])
    }

    /// A ghost module: half of the channels by a pointwise convolution, the others of these by a depthwise one.
    fn ghost(&mut self, at: Position<'_>, kinds: [LayerKind; 2], channels: usize, x: ValueId) -> Result<ValueId> {
        let ([primary, cheap], half) = (kinds, channels / 2);
        let activation = at.block.activation_after(primary);
        let first = self.normalized(at.layer(primary), Conv::pointwise(half), activation, x)?;
        let second = self.normalized(at.layer(cheap), Conv::depthwise(half, 3, 1), activation, first)?;
        self.builder.node(&format!("{}.both", at.layer(primary)), Concat { axis: 3 }, &[first, second])
    }

    /// A value multiplied by a gate that sees the rows and columns of the input at half its resolution.
    fn gated(&mut self, at: Position<'_>, input: ValueId, x: ValueId) -> Result<ValueId> {
        let channels = at.block.expanded;
        let long = |kernel| Conv { kernel, ..Conv::depthwise(channels, 1, 1) };
        let window = Window { stride: [2; 2], ..Window::new(2, 2) };
        let mean = Pool { window, kind: PoolKind::Average { count_padding: false }, ceil_mode: false };
        let mut gate = self.builder.node(&at.name("gate.mean"), mean, &[input])?;
        for (kind, conv) in [
            (LayerKind::GatePointwise, Conv::pointwise(channels)),
            (LayerKind::GateRow, long([1, 5])),
            (LayerKind::GateColumn, long([5, 1])),
        ] {
            gate = self.normalized(at.layer(kind), conv, Activation::Identity, gate)?;
        }
        gate = self.builder.node(&at.name("gate.sigmoid"), Activation::Sigmoid, &[gate])?;
        let resized = self.nearest(gate, x);
        gate = self.builder.node(&at.name("gate.resized"), resized, &[gate])?;
        self.builder.node(&at.name("gated"), BinaryFunction::Mul, &[x, gate])
    }

    /// Makes the feature maps of `x` as large as those of `other`, by their nearest pixels.
    fn nearest(&self, x: ValueId, other: ValueId) -> Resize {
        let [from, to] = [x, other].map(|id| [1, 2].map(|axis| self.builder.shape(id)[axis]));
        let map = |axis: usize| AxisMap {
            mode: Mode::Nearest(Rounding::Floor),
            coordinates: Coordinates::Asymmetric,
            scale: to[axis] as f32 / from[axis] as f32,
        };
        Resize { maps: [map(0), map(1)], size: to }
    }

    fn squeeze(&mut self, at: Position<'_>, x: ValueId) -> Result<ValueId> {
        let Some(squeeze) = at.block.squeeze else { return Ok(x) };
        let (reduce, expand) = (at.layer(LayerKind::SqueezeReduce), at.layer(LayerKind::SqueezeExpand));
        let mean = self.mean(&format!("{reduce}.mean"), x, true)?;
        let reduced = self.conv(reduce.into(), Conv::pointwise(squeeze.channels), true, mean)?;
        let reduced = self.activation(reduce, squeeze.activation, reduced)?;
        let channels = self.builder.shape(x).last();
        let gate = self.conv(expand.into(), Conv::pointwise(channels), true, reduced)?;
        let gate = self.activation(expand, squeeze.gate, gate)?;
        self.builder.node(&format!("{expand}.scale"), BinaryFunction::Mul, &[x, gate])
    }

    /// From the last block to the logits.
    fn head(&mut self, mut x: ValueId) -> Result<ValueId> {
        let head = self.architecture.head.clone();
        if let Some(Head { channels, pooled: false, activation, .. }) = head {
            x = self.normalized(Layer::Head, Conv::pointwise(channels), activation, x)?;
        }
        x = self.mean("pool", x, false)?;
        if let Some(Head { channels, pooled: true, norm, activation }) = head {
            x = self.dense(Layer::Head, channels, !norm, x)?;
            x = if norm { self.norm(Layer::Head.into(), x)? } else { x };
            x = self.activation(Layer::Head, activation, x)?;
        }
        let logits = self.dense(Layer::Classifier, self.architecture.classes, true, x)?;
        if !self.architecture.mirrored {
            return Ok(logits);
        }
        let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![0], keep_dims: true });
        self.builder.node("logits", mean, &[logits])
    }

    /// Convolution, batch normalization, activation.
    fn normalized(&mut self, layer: Layer, conv: Conv, activation: Activation, x: ValueId) -> Result<ValueId> {
        let x = match self.architecture.branches(layer) {
            0 => self.branch(layer.into(), conv, x)?,
            windows => self.branches(layer, windows, conv, x)?,
        };
        self.activation(layer, activation, x)
    }

    /// The sum of the branches that are trained in place of a convolution.
    fn branches(&mut self, layer: Layer, windows: usize, conv: Conv, x: ValueId) -> Result<ValueId> {
        let mut sum = self.branch(Owner { layer, branch: Some(Branch::Window(0)) }, conv, x)?;
        let windows = (1..windows).map(Branch::Window);
        let one_by_one = (conv.kernel != [1; 2]).then_some(Branch::OneByOne);
        let keeps_shape = conv.stride == [1; 2] && conv.channels == self.builder.shape(x).last();
        for branch in windows.chain(one_by_one).chain(keeps_shape.then_some(Branch::Identity)) {
            let owner = Owner { layer, branch: Some(branch) };
            let summand = match branch {
                Branch::Window(_) => self.branch(owner, conv, x)?,
                Branch::OneByOne => self.branch(owner, Conv { kernel: [1; 2], ..conv }, x)?,
                Branch::Identity => self.norm(owner, x)?,
            };
            sum = self.builder.node(&format!("{owner}.sum"), BinaryFunction::Add, &[sum, summand])?;
        }
        Ok(sum)
    }

    /// Convolution and batch normalization.
    fn branch(&mut self, owner: Owner, conv: Conv, x: ValueId) -> Result<ValueId> {
        let x = self.conv(owner, conv, self.architecture.bias, x)?;
        self.norm(owner, x)
    }

    fn conv(&mut self, owner: Owner, conv: Conv, biased: bool, x: ValueId) -> Result<ValueId> {
        let window = self.window(owner, conv.kernel, conv.stride, x)?;
        let channels = self.builder.shape(x).last();
        let (groups, per_filter) = if conv.depthwise { (channels, 1) } else { (1, channels) };
        let [kh, kw] = conv.kernel;
        let weights = self.parameter(owner, ParamKind::Weight, &[conv.channels, kh, kw, per_filter])?;
        let bias = self.bias(owner, conv.channels, biased)?;
        let op = Op::Conv2d(Conv2d { window, groups, activation: Activation::Identity });
        self.builder.node(&owner.to_string(), op, &[x, weights, bias])
    }

    /// The window with the padding of this network's kind. Sizes are not large here: see [`super::BlockSpec`].
    fn window(&self, owner: Owner, kernel: [usize; 2], stride: [usize; 2], x: ValueId) -> Result<Window> {
        let &[_, rows, columns, _] = &self.builder.shape(x)[..] else { return Err(not_a_plane(owner)) };
        let mut window = Window { stride, ..Window::new(kernel[0], kernel[1]) };
        for (axis, size) in [rows, columns].into_iter().enumerate() {
            let (kernel, stride) = (kernel[axis], stride[axis].max(1));
            let total = match self.architecture.padding {
                Padding::Symmetric => 2 * (kernel.saturating_sub(1) / 2),
                Padding::Same => (size.saturating_sub(1) / stride * stride).saturating_add(kernel).saturating_sub(size),
            };
            (window.before[axis], window.after[axis]) = (total / 2, total - total / 2);
        }
        Ok(window)
    }

    fn norm(&mut self, owner: Owner, x: ValueId) -> Result<ValueId> {
        let channels = self.builder.shape(x).last();
        let mut inputs = vec![x];
        for kind in [ParamKind::NormScale, ParamKind::NormShift, ParamKind::NormMean, ParamKind::NormVariance] {
            inputs.push(self.parameter(owner, kind, &[channels])?);
        }
        self.builder.node(&format!("{owner}.norm"), BatchNorm { epsilon: self.architecture.epsilon }, &inputs)
    }

    fn activation(&mut self, layer: Layer, activation: Activation, x: ValueId) -> Result<ValueId> {
        if activation == Activation::Identity {
            return Ok(x);
        }
        self.builder.node(&format!("{layer}.activation"), activation, &[x])
    }

    fn mean(&mut self, name: &str, x: ValueId, keep_dims: bool) -> Result<ValueId> {
        self.builder.node(name, Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims }, &[x])
    }

    fn dense(&mut self, layer: Layer, results: usize, biased: bool, x: ValueId) -> Result<ValueId> {
        let channels = self.builder.shape(x).last();
        let weights = self.parameter(layer.into(), ParamKind::Weight, &[results, channels])?;
        let bias = self.bias(layer.into(), results, biased)?;
        self.builder.node(&layer.to_string(), Dense { activation: Activation::Identity }, &[x, weights, bias])
    }

    /// The bias, or zeros for a layer that has none.
    fn bias(&mut self, owner: Owner, channels: usize, biased: bool) -> Result<ValueId> {
        if biased {
            return self.parameter(owner, ParamKind::Bias, &[channels]);
        }
        let zeros = sepconv_core::Tensor::zeros(Shape::new([channels])?, DType::F32);
        self.builder.constant(&format!("{owner}.no_bias"), zeros)
    }

    /// A parameter as a constant. What it takes is checked before it is asked for.
    fn parameter(&mut self, owner: Owner, kind: ParamKind, dims: &[usize]) -> Result<ValueId> {
        let id = ParamId { layer: owner.layer, branch: owner.branch, kind };
        let shape = Shape::new(dims).map_err(|error| error.at(id.to_string()))?;
        self.left = self.left.checked_sub(shape.elements() * size_of::<f32>()).ok_or_else(|| {
            Error::limit("network has too many parameters").at(id.to_string()).expected(
                format_args!("at most {} bytes of them", Limits::default().max_memory),
                format_args!("{shape} more"),
            )
        })?;
        probe_memory(shape.elements() * size_of::<f32>() + HEADROOM)?;
        let tensor = self.parameters.tensor(&id, &shape)?;
        if *tensor.shape() != shape || tensor.dtype() != DType::F32 {
            return Err(Error::mismatch("parameter has the wrong shape or type")
                .at(id.to_string())
                .expected(format_args!("f32 {shape}"), format_args!("{} {}", tensor.dtype(), tensor.shape())));
        }
        self.builder.constant(&id.to_string(), tensor)
    }
}

fn not_a_plane(owner: Owner) -> Error {
    Error::mismatch("convolution of something that is no plane").at(owner.to_string())
}
