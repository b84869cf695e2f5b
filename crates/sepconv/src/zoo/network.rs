//! A network of a family: the settings of one variant, and what they make of the family's table.

use std::sync::Arc;

use sepconv_core::{Error, ErrorKind, Graph, Result};
use sepconv_kernels::Activation;

use super::block::{BlockKind, BlockSpec};
use super::table::{Padding, SqueezeBase, Table, Variant};
use super::{Layer, LayerKind, Parameters, Seeded, emit};
use crate::{Model, Preprocess};

/// Channels relative to those of the paper: the width multiplier α of MobileNetV1 (section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Width(pub f64);

/// A network of a family, before it has weights.
///
/// ```
/// use sepconv::zoo::{Width, mobilenet_v2};
///
/// let network = mobilenet_v2(Width(0.35)).classes(10).resolution(96);
/// assert_eq!(network.name(), "mobilenet_v2@96x0.35");
/// assert_eq!(network.architecture()?.head.unwrap().channels, 1280);
/// # Ok::<(), sepconv::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    table: Arc<Table>,
    /// The variant as the table has it.
    base: usize,
    /// The variant as it was changed since.
    variant: Variant,
}

/// Every layer of a network with its sizes. Made by [`Network::architecture`].
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Channels, rows and columns of the input.
    pub input: [usize; 3],
    /// The first convolution.
    pub stem: Stem,
    /// Blocks, stage by stage.
    pub stages: Vec<Vec<Block>>,
    /// What stands between the last block and the classifier.
    pub head: Option<Head>,
    /// Numbers that the network gives.
    pub classes: usize,
    /// How windows meet the border of a plane.
    pub padding: Padding,
    /// What batch normalization adds to a variance.
    pub epsilon: f32,
    /// Whether logits are the mean of those of an image and of its mirror image.
    pub mirrored: bool,
    /// Whether convolutions have a bias although batch normalization follows.
    pub bias: bool,
}

/// The convolution that reads the input; batch normalization and an activation follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// Channels of the result.
    pub channels: usize,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Rows and columns between neighboring windows.
    pub stride: [usize; 2],
    /// Applied to its result.
    pub activation: Activation,
    /// Whether max pooling follows, of 3×3 windows with stride 2.
    pub pool: bool,
    /// Convolutions that were trained in its place; 0 is itself. See [`Branch`](super::Branch).
    pub branches: usize,
}

/// A block with its sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it is made of.
    pub kind: BlockKind,
    /// The side of the depthwise (or standard) window; 0 is no such convolution.
    pub kernel: usize,
    /// The side of the depthwise window before the expansion; 0 is no such convolution.
    pub start_kernel: usize,
    /// Pixels between neighboring windows.
    pub stride: usize,
    /// Channels of its input.
    pub input: usize,
    /// Channels inside.
    pub expanded: usize,
    /// Squeeze-excite, where it has one.
    pub squeeze: Option<Squeeze>,
    /// Channels of its result.
    pub output: usize,
    /// Convolutions that were trained in place of each of its own; 0 is itself. See [`Branch`](super::Branch).
    pub branches: usize,
    /// The activation of its layers; which of them have one depends on the kind.
    pub activation: Activation,
    /// Whether its input is added to its result; in a block that shuffles, whether half of it is part of that.
    pub residual: bool,
}

/// Squeeze-excite: the mean of each channel, two 1×1 convolutions with a bias, and the channel times what they give (Hu
/// et al. 2018, arXiv:1709.01507).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Squeeze {
    /// Channels between the two convolutions.
    pub channels: usize,
    /// Between the two convolutions.
    pub activation: Activation,
    /// After them.
    pub gate: Activation,
}

/// What stands between the last block and the classifier; an activation follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Channels of the result.
    pub channels: usize,
    /// Whether it follows pooling, as a fully connected layer, rather than precedes it as a 1×1 convolution.
    pub pooled: bool,
    /// Whether batch normalization follows; it has a bias otherwise.
    pub norm: bool,
    /// Applied last.
    pub activation: Activation,
}

impl Architecture {
    /// The block at a position.
    pub(super) fn block(&self, stage: usize, index: usize) -> Option<&Block> {
        self.stages.get(stage)?.get(index)
    }

    /// How many convolutions were trained in place of a layer's; 0 is itself.
    pub(super) fn branches(&self, layer: Layer) -> usize {
        match layer {
            Layer::Stem => self.stem.branches,
            Layer::Block { stage, index, kind } if !kind.is_shortcut() && !kind.is_gate() && !kind.is_squeeze() => {
                self.block(stage, index).map_or(0, |block| block.branches)
            }
            Layer::Block { .. } | Layer::Head | Layer::Classifier => 0,
        }
    }
}

impl Block {
    /// Its layers with parameters, in the order in which they run.
    pub fn layer_kinds(&self) -> Vec<LayerKind> {
        use LayerKind::*;
        let kinds: &[LayerKind] = match self.kind {
            BlockKind::Separable | BlockKind::SeparableActivated => {
                &[Depthwise, SqueezeReduce, SqueezeExpand, Pointwise]
            }
            BlockKind::InvertedResidual => &[Expand, Depthwise, SqueezeReduce, SqueezeExpand, Project],
            BlockKind::UniversalInvertedResidual => {
                &[DepthwiseStart, Expand, Depthwise, SqueezeReduce, SqueezeExpand, Project]
            }
            BlockKind::EdgeResidual => &[Expand, SqueezeReduce, SqueezeExpand, Project],
            BlockKind::Conv => &[Conv],
            BlockKind::Shuffle => &[ShortcutDepthwise, ShortcutPointwise, Expand, Depthwise, Project],
            BlockKind::Ghost | BlockKind::GhostAttention => &[
                ShortcutDepthwise,
                ShortcutPointwise,
                Expand,
                ExpandCheap,
                GatePointwise,
                GateRow,
                GateColumn,
                Depthwise,
                SqueezeReduce,
                SqueezeExpand,
                Project,
                ProjectCheap,
            ],
        };
        kinds.iter().copied().filter(|&kind| self.has(kind)).collect()
    }

    /// Whether it has a layer that its kind may have.
    fn has(&self, kind: LayerKind) -> bool {
        match kind {
            LayerKind::DepthwiseStart => self.start_kernel > 0,
            LayerKind::Depthwise if self.kind.is_ghost() => self.stride > 1,
            LayerKind::Depthwise => self.kernel > 0,
            LayerKind::SqueezeReduce | LayerKind::SqueezeExpand => self.squeeze.is_some(),
            LayerKind::ShortcutDepthwise | LayerKind::ShortcutPointwise => !self.residual,
            LayerKind::GatePointwise | LayerKind::GateRow | LayerKind::GateColumn => {
                self.kind == BlockKind::GhostAttention
            }
            LayerKind::Expand | LayerKind::ExpandCheap | LayerKind::Project | LayerKind::ProjectCheap => true,
            LayerKind::Pointwise | LayerKind::Conv => true,
        }
    }

    /// Whether one of its layers makes its result, or half of it.
    pub(super) fn ends_with(&self, kind: LayerKind) -> bool {
        let kinds = self.layer_kinds();
        let last = if self.kind.is_ghost() { 2 } else { 1 };
        kinds[kinds.len() - last..].contains(&kind)
    }

    /// The activation after one of its layers with batch normalization.
    pub(super) fn activation_after(&self, kind: LayerKind) -> Activation {
        let is_activated = match kind {
            LayerKind::Expand | LayerKind::ExpandCheap => true,
            LayerKind::Depthwise => self.kind != BlockKind::Shuffle && !self.kind.is_ghost(),
            LayerKind::DepthwiseStart | LayerKind::ShortcutDepthwise => false,
            LayerKind::GatePointwise | LayerKind::GateRow | LayerKind::GateColumn => false,
            LayerKind::SqueezeReduce | LayerKind::SqueezeExpand => false,
            LayerKind::Pointwise
            | LayerKind::Project
            | LayerKind::ProjectCheap
            | LayerKind::Conv
            | LayerKind::ShortcutPointwise => self.kind.ends_activated(),
        };
        if is_activated { self.activation } else { Activation::Identity }
    }
}

impl Network {
    /// The most blocks that a network may have.
    const MAX_BLOCKS: usize = 4096;
    /// The most channels that a layer may have.
    const MAX_CHANNELS: f64 = (1 << 24) as f64;

    /// The variant called `name` of a family.
    ///
    /// # Errors
    /// When the family has none of this name.
    pub fn new(table: impl Into<Arc<Table>>, name: &str) -> Result<Self> {
        let table = table.into();
        let names = || table.variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ");
        let base = table.variants.iter().position(|variant| variant.name == name).ok_or_else(|| {
            Error::argument("family has no such variant")
                .expected(format_args!("one of {}", names()), format_args!("{name:?}"))
        })?;
        let variant = table.variants[base].clone();
        Ok(Self { table, base, variant })
    }

    /// Its name with what differs from the variant's resolution and width: `mobilenet_v1@160x0.5`.
    pub fn name(&self) -> String {
        let base = &self.table.variants[self.base];
        let mut name = self.variant.name.clone();
        if self.variant.input != base.input {
            name += &format!("@{}", self.variant.input[1]);
        }
        if self.variant.width != base.width {
            let width = self.variant.width;
            let is_plain = width == 0.0 || (1e-5..1e16).contains(&width.abs());
            name += &if is_plain { format!("x{width}") } else { format!("x{width:e}") };
        }
        name
    }

    /// The family that it belongs to.
    pub fn family(&self) -> &Table {
        &self.table
    }

    /// Its settings.
    pub fn variant(&self) -> &Variant {
        &self.variant
    }

    /// The same with other channels.
    pub fn width(mut self, width: f64) -> Self {
        self.variant.width = width;
        self
    }

    /// The same for square planes of `side` pixels.
    pub fn resolution(mut self, side: usize) -> Self {
        self.variant.input = [self.variant.input[0], side, side];
        self
    }

    /// The same for another number of classes.
    pub fn classes(mut self, classes: usize) -> Self {
        self.variant.classes = classes;
        self
    }

    /// The same with or without averaging the logits of an image and its mirror image. Training knows no mirror image:
    /// it turns images over itself.
    pub fn mirrored(mut self, mirrored: bool) -> Self {
        self.variant.mirrored = mirrored;
        self
    }

    /// The same with another number added to variances in batch normalization.
    pub fn epsilon(mut self, epsilon: f32) -> Self {
        self.variant.epsilon = epsilon;
        self
    }

    /// The same with another epsilon, unless [`epsilon`](Self::epsilon) changed the table's, or the table is a user's,
    /// who knows better.
    pub(super) fn usual_epsilon(self, epsilon: f32) -> Self {
        let built_in = super::all().iter().any(|table| Arc::ptr_eq(table, &self.table));
        let unchanged = self.variant.epsilon == self.table.variants[self.base].epsilon;
        if built_in && unchanged { self.epsilon(epsilon) } else { self }
    }

    /// How images become its numbers.
    pub fn preprocess(&self) -> &Preprocess {
        &self.variant.preprocess
    }

    /// Every layer with its sizes.
    ///
    /// # Errors
    /// When a setting is not usable or the network would be absurdly wide or deep.
    pub fn architecture(&self) -> Result<Architecture> {
        self.resolve().map_err(|error| self.blame(error))
    }

    /// The network with the parameters that it is given. The input is called `input`, `[1, channels, rows, columns]`,
    /// the output `logits`, `[1, classes]`.
    ///
    /// # Errors
    /// Those of [`architecture`](Self::architecture) and of the parameters; when windows do not fit on planes, or it
    /// passes the default [limits](crate::Limits).
    pub fn graph(&self, parameters: &mut impl Parameters) -> Result<Graph> {
        let graph = self.architecture().and_then(|architecture| emit::graph(&architecture, parameters));
        graph.map_err(|error| self.blame(error))
    }

    /// The network with [seeded](Seeded) weights: it has learnt nothing, but costs what a trained one costs.
    ///
    /// # Errors
    /// Those of [`graph`](Self::graph).
    pub fn build(&self) -> Result<Model> {
        let graph = self.graph(&mut Seeded::new(&self.architecture()?, 0))?;
        Ok(Model::from_graph(self.name(), graph, self.preprocess().clone()))
    }

    /// The error for a caller who chose the sizes that pass a limit: then they are a matter of arguments, not of a
    /// file.
    fn blame(&self, error: Error) -> Error {
        let table = &self.table.variants[self.base];
        let is_chosen = (self.variant.width, self.variant.input) != (table.width, table.input);
        let error = match error.kind() {
            ErrorKind::Limit if is_chosen => {
                error.with_kind(ErrorKind::Argument).help("take a smaller resolution or width")
            }
            _ => error,
        };
        error.in_file(&self.name())
    }

    fn resolve(&self) -> Result<Architecture> {
        let (table, variant) = (&*self.table, &self.variant);
        for (name, value) in [("width", variant.width), ("depth", variant.depth), ("epsilon", variant.epsilon.into())] {
            if !(value.is_finite() && value > 0.0) {
                return Err(
                    Error::argument(format!("{name} of a network is not usable")).expected("a number above 0", value)
                );
            }
        }
        if variant.classes == 0 || variant.input.contains(&0) {
            return Err(Error::argument("network has no input or no classes")
                .expected("sizes from 1", format_args!("input {:?}, {} classes", variant.input, variant.classes)));
        }
        let activation = variant.activation;
        let stem = Stem {
            channels: self.scale(variant.stem.channels, variant.stem.fixed_below)?,
            kernel: variant.stem.kernel,
            stride: variant.stem.stride,
            activation,
            pool: variant.stem.pool,
            branches: variant.stem.branches.into(),
        };
        let stages = self.stages(stem.channels)?;
        let head = table.head.as_ref().map(|head| {
            let channels = self.scale(head.channels, head.fixed_below)?;
            Ok(Head { channels, pooled: head.pooled, norm: head.norm, activation })
        });
        Ok(Architecture {
            input: variant.input,
            stem,
            stages,
            head: head.transpose()?,
            classes: variant.classes,
            padding: variant.padding,
            epsilon: variant.epsilon,
            mirrored: variant.mirrored,
            bias: table.bias,
        })
    }

    fn stages(&self, mut input: usize) -> Result<Vec<Vec<Block>>> {
        let (last, mut total) = (self.variant.stages.len() - 1, 0usize);
        let mut stages = Vec::new();
        for (number, specs) in self.variant.stages.iter().enumerate() {
            let ends = number == 0 || number == last;
            let depth = if ends && !self.table.deepen_ends { 1.0 } else { self.variant.depth };
            let mut stage = Vec::new();
            for spec in specs {
                let repeats = (spec.repeats as f64 * depth).ceil();
                total = total.saturating_add(repeats as usize);
                if total > Self::MAX_BLOCKS {
                    return Err(Error::limit("network is too deep").expected(
                        format_args!("at most {} blocks", Self::MAX_BLOCKS),
                        format_args!("{total} or more"),
                    ));
                }
                for repeat in 0..repeats as usize {
                    let block = self.block(spec, input, if repeat == 0 { spec.stride } else { 1 })?;
                    input = block.output;
                    stage.push(block);
                }
            }
            stages.push(stage);
        }
        Ok(stages)
    }

    fn block(&self, spec: &BlockSpec, input: usize, stride: usize) -> Result<Block> {
        let output = self.scale(spec.channels, 0.0)?;
        let expanded = match spec.kind {
            BlockKind::Separable | BlockKind::SeparableActivated => input,
            BlockKind::Conv => output,
            BlockKind::Shuffle => even(output)? / 2,
            BlockKind::InvertedResidual | BlockKind::UniversalInvertedResidual | BlockKind::EdgeResidual => {
                self.round(input as f64 * spec.expansion)?
            }
            BlockKind::Ghost | BlockKind::GhostAttention => {
                even(output)?;
                even(self.round(input as f64 * spec.expansion)?)?
            }
        };
        let activation = spec.activation.unwrap_or(self.variant.activation);
        let table = &self.table.squeeze;
        let squeeze = (spec.squeeze > 0.0).then(|| {
            let channels = match table.of {
                SqueezeBase::Input => (input as f64 * spec.squeeze).round().max(1.0) as usize,
                SqueezeBase::Expanded => self.round(expanded as f64 * spec.squeeze)?,
            };
            Ok(Squeeze { channels, activation: table.activation.unwrap_or(activation), gate: table.gate })
        });
        Ok(Block {
            kind: spec.kind,
            kernel: spec.kernel,
            start_kernel: spec.start_kernel,
            stride,
            input,
            expanded,
            squeeze: squeeze.transpose()?,
            output,
            branches: spec.branches,
            activation,
            residual: spec.skip && stride == 1 && input == output,
        })
    }

    /// Channels at this width.
    fn scale(&self, channels: usize, fixed_below: f64) -> Result<usize> {
        if self.variant.width < fixed_below { Ok(channels) } else { self.round(channels as f64 * self.variant.width) }
    }

    /// The nearest multiple of the divisor, the next one where that would lose a tenth or more.
    fn round(&self, channels: f64) -> Result<usize> {
        let divisor = self.table.divisor as f64;
        let nearest = ((channels + divisor / 2.0) / divisor).floor().max(1.0) * divisor;
        let rounded = if nearest < 0.9 * channels { nearest + divisor } else { nearest };
        if !(1.0..=Self::MAX_CHANNELS).contains(&rounded) {
            return Err(Error::limit("network is too wide").expected(
                format_args!("at most {} channels in a layer", Self::MAX_CHANNELS),
                format_args!("{rounded:e}"),
            ));
        }
        Ok(rounded as usize)
    }
}

/// Channels that a block halves.
fn even(channels: usize) -> Result<usize> {
    if !channels.is_multiple_of(2) {
        return Err(Error::malformed("block cannot be halved").expected("an even number of channels", channels));
    }
    Ok(channels)
}
