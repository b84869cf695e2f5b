//! Weights without training.

use sepconv_core::{Data, Error, Result, Shape, Tensor};
use sepconv_kernels::Activation;

use super::{Architecture, Block, BlockKind, Branch, Layer, LayerKind, ParamId, ParamKind, Parameters};

/// Parameters drawn from a seed, each from a stream of its own: the same seed gives the same network, in whatever order
/// it is asked.
///
/// Weights have variance `1 / (fan_in · m)`, `m` being the second moment that the layer's input is expected to have (He
/// et al. 2015, arXiv:1502.01852, section 2.2), so that activations stay of order one through any depth. They are
/// bell-shaped, as trained ones are: how fast int8 runs without VNNI depends on that. Batch normalization has means,
/// variances, scales and shifts of its own for each channel; before a residual is added its scale is small.
#[derive(Clone, Debug)]
pub struct Seeded<'a> {
    architecture: &'a Architecture,
    seed: u64,
}

impl<'a> Seeded<'a> {
    /// Parameters for this network.
    pub fn new(architecture: &'a Architecture, seed: u64) -> Self {
        Self { architecture, seed }
    }

    fn block(&self, stage: usize, index: usize) -> Result<&Block> {
        self.architecture.block(stage, index).ok_or_else(|| {
            Error::argument("seeded weights are for another network").at(format!("block {stage}.{index}"))
        })
    }

    /// The second moment of what the first layer of a block reads.
    fn before(&self, stage: usize, index: usize) -> f32 {
        let stages = self.architecture.stages.iter().take(stage + 1).enumerate();
        let mut blocks = stages.flat_map(|(at, blocks)| if at == stage { &blocks[..index] } else { blocks });
        match blocks.next_back() {
            Some(block) if block.kind.ends_activated() => moment(block.activation),
            Some(_) => 1.0,
            None => moment(self.architecture.stem.activation),
        }
    }

    /// The second moment of what a layer reads.
    fn input_moment(&self, layer: Layer) -> Result<f32> {
        /// The square of a gate near one half, or somewhat above.
        const GATE: f32 = 0.4;
        let Layer::Block { stage, index, kind } = layer else {
            // Means over a plane vary less than its pixels.
            return Ok(if layer == Layer::Stem { 1.0 } else { 0.5 });
        };
        let block = self.block(stage, index)?;
        let path = |kind: LayerKind| (kind.is_shortcut(), kind.is_gate());
        let before = block.layer_kinds().into_iter().filter(|&other| path(other) == path(kind));
        Ok(match before.take_while(|&other| other != kind).last() {
            None => self.before(stage, index),
            Some(LayerKind::SqueezeReduce) => 0.5,
            Some(LayerKind::SqueezeExpand) => GATE * moment(block.activation),
            Some(layer) => moment(block.activation_after(layer)),
        })
    }

    /// The range that a parameter is uniform in, or that it would be if it were.
    fn range(&self, id: &ParamId, shape: &Shape) -> Result<(f32, f32)> {
        Ok(match id.kind {
            ParamKind::Weight => {
                let fan_in = shape.iter().skip(1).product::<usize>() as f32;
                let bound = (3.0 / (fan_in * self.input_moment(id.layer)?)).sqrt();
                (-bound, bound)
            }
            ParamKind::Bias | ParamKind::NormMean => (-0.2, 0.2),
            ParamKind::NormShift => (-0.3 * self.share(id), 0.3 * self.share(id)),
            ParamKind::NormVariance => (0.6, 1.4),
            ParamKind::NormScale if self.precedes_residual(id.layer)? => (0.15, 0.3),
            ParamKind::NormScale => (0.8 * self.share(id), 1.2 * self.share(id)),
        })
    }

    /// The share of a branch in the sum of all, which is of order one.
    fn share(&self, id: &ParamId) -> f32 {
        match id.branch {
            None => 1.0,
            Some(Branch::Window(_)) => 1.0 / (self.architecture.branches(id.layer) as f32).sqrt(),
            Some(Branch::OneByOne | Branch::Identity) => 0.1,
        }
    }

    /// Whether the input of a block is added to the result of this layer.
    fn precedes_residual(&self, layer: Layer) -> Result<bool> {
        let Layer::Block { stage, index, kind } = layer else { return Ok(false) };
        let block = self.block(stage, index)?;
        let is_added = block.residual && block.kind != BlockKind::Shuffle;
        Ok(is_added && block.ends_with(kind))
    }
}

/// The second moment of an activation of normal numbers, divided by theirs. Where it grows with them, the value that
/// it has somewhat above order one: beyond that, layers would amplify.
fn moment(activation: Activation) -> f32 {
    match activation {
        Activation::Identity => 1.0,
        Activation::HardSwish | Activation::Silu => 0.42,
        _ => 0.5,
    }
}

impl Parameters for Seeded<'_> {
    fn tensor(&mut self, id: &ParamId, shape: &Shape) -> Result<Tensor> {
        let (low, high) = self.range(id, shape)?;
        // FNV-1a of the id's name.
        let stream = id
            .to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let mut state = stream ^ self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut share = || match id.kind {
            ParamKind::Weight => bell(&mut state),
            ParamKind::Bias
            | ParamKind::NormMean
            | ParamKind::NormShift
            | ParamKind::NormVariance
            | ParamKind::NormScale => unit(&mut state),
        };
        let data: Vec<f32> = (0..shape.elements()).map(|_| low + (high - low) * share()).collect();
        Tensor::new(shape.clone(), Data::F32(data))
    }
}

/// Bell-shaped about one half, with the variance of numbers that are uniform from 0 to 1: a sum of four such.
fn bell(state: &mut u64) -> f32 {
    (0..4).map(|_| unit(state) - 0.5).sum::<f32>() / 2.0 + 0.5
}

/// A step of SplitMix64 (Steele et al. 2014), as a float from 0 to 1.
fn unit(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 40) as f32 / (1 << 24) as f32
}
