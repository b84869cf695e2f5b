//! Block lists in JSON, as MCUNet and ProxylessNAS publish their networks (Lin et al. 2020, arXiv:2007.10319).

use serde::Deserialize;

use sepconv_core::{Error, Result};
use sepconv_kernels::Activation;

use super::block::{BlockSpec, RELU6};
use super::table::{HeadTable, Padding, SqueezeTable, StemTable, Table, Variant};
use crate::Preprocess;

#[derive(Deserialize)]
struct Network {
    name: String,
    bn: Norm,
    first_conv: Conv,
    blocks: Vec<Block>,
    feature_mix_layer: Option<Conv>,
    classifier: Classifier,
    resolution: usize,
}

#[derive(Deserialize)]
struct Norm {
    eps: f32,
}

#[derive(Deserialize)]
struct Conv {
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    stride: usize,
    act_func: String,
    #[serde(default = "one")]
    dilation: usize,
    #[serde(default = "one")]
    groups: usize,
    #[serde(default)]
    bias: bool,
    #[serde(default = "yes")]
    use_bn: bool,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Block {
    mobile_inverted_conv: InvertedConv,
    shortcut: Option<Shortcut>,
}

#[derive(Deserialize)]
struct Shortcut {
    name: String,
}

#[derive(Deserialize)]
struct InvertedConv {
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    stride: usize,
    expand_ratio: f64,
    mid_channels: Option<usize>,
    act_func: String,
    use_se: bool,
}

#[derive(Deserialize)]
struct Classifier {
    in_features: usize,
    out_features: usize,
}

/// What the list calls an activation.
fn activation(name: &str) -> Result<Activation> {
    match name {
        "relu" => Ok(Activation::Relu),
        "relu6" => Ok(RELU6),
        "h_swish" => Ok(Activation::HardSwish),
        "swish" => Ok(Activation::Silu),
        _ => Err(Error::unsupported("unknown activation")
            .expected("relu, relu6, h_swish or swish", format_args!("{name:?}"))),
    }
}

impl Conv {
    /// Nothing that the network would not have.
    fn check(&self, place: &str) -> Result<()> {
        let Self { dilation, groups, bias, use_bn, .. } = *self;
        if (dilation, groups, bias, use_bn) == (1, 1, false, true) {
            return Ok(());
        }
        Err(Error::unsupported("convolution of a block list is of another kind").at(place).expected(
            "dilation 1, groups 1, no bias, batch normalization",
            format_args!("dilation {dilation}, groups {groups}, bias {bias}, use_bn {use_bn}"),
        ))
    }
}

impl Block {
    /// The block, by way of a string: it has the same bounds. Channels inside are written as a ratio that gives exactly
    /// these.
    fn spec(&self) -> Result<BlockSpec> {
        let InvertedConv { in_channels: input, out_channels: c, kernel_size: k, stride: s, .. } =
            &self.mobile_inverted_conv;
        let block = &self.mobile_inverted_conv;
        if block.use_se {
            return Err(Error::unsupported("block of a block list has squeeze-excite").expected("use_se false", true));
        }
        let same_size = (*s, input) == (1, c);
        if let Some(Shortcut { name }) =
            self.shortcut.as_ref().filter(|shortcut| !same_size || shortcut.name != "IdentityLayer")
        {
            return Err(Error::unsupported("shortcut of a block list is of another kind")
                .expected("an IdentityLayer where stride is 1 and channels are equal", format_args!("{name:?}")));
        }
        if block.expand_ratio == 1.0 && block.mid_channels.is_some_and(|channels| channels != *input) {
            return Err(Error::mismatch("block that does not expand has other channels inside")
                .expected(format_args!("mid_channels null or {input}"), format_args!("{:?}", block.mid_channels)));
        }
        let skip = if self.shortcut.is_some() { "skip" } else { "noskip" };
        let expanded = block.mid_channels.map_or(*input as f64 * block.expand_ratio, |channels| channels as f64);
        let e = expanded.round() / *input as f64;
        let spec: BlockSpec = match block.expand_ratio {
            1.0 => format!("ds_k{k}_s{s}_c{c}_{skip}").parse()?,
            _ => format!("ir_k{k}_s{s}_e{e}_c{c}_{skip}").parse()?,
        };
        Ok(BlockSpec { activation: Some(activation(&block.act_func)?), ..spec })
    }
}

/// The network that a block list describes, as a family of one variant called `name`. Each block is a stage of its own.
pub(super) fn parse(text: &str, name: &str) -> Result<Table> {
    let network: Network = serde_json::from_str(text).map_err(|error| {
        Error::malformed("block list is not valid")
            .expected("JSON with first_conv, blocks, classifier and resolution", error)
    })?;
    let stages = network.stages()?;
    network.table(stages, name)?.checked()
}

impl Network {
    /// The blocks, once every layer is known to follow the one before.
    fn stages(&self) -> Result<Vec<Vec<BlockSpec>>> {
        let stem = &self.first_conv;
        stem.check("first_conv")?;
        let mut channels = stem.out_channels;
        let mut join = |place: &str, input: usize, output: usize| match std::mem::replace(&mut channels, output) {
            before if before == input => Ok(()),
            before => Err(Error::mismatch("layer does not follow the one before").at(place).expected(before, input)),
        };
        let mut stages = Vec::new();
        for (number, block) in self.blocks.iter().enumerate() {
            let place = format!("block {number}");
            join(&place, block.mobile_inverted_conv.in_channels, block.mobile_inverted_conv.out_channels)?;
            stages.push(vec![block.spec().map_err(|error| error.at(place))?]);
        }
        if let Some(head) = &self.feature_mix_layer {
            let place = "feature_mix_layer";
            head.check(place)?;
            join(place, head.in_channels, head.out_channels)?;
            if (head.kernel_size, head.stride) != (1, 1) || head.act_func != stem.act_func {
                return Err(Error::unsupported("last convolution of a block list is of another kind")
                    .at(place)
                    .expected(
                        format_args!("kernel_size 1, stride 1, act_func {:?}", stem.act_func),
                        format_args!("{}, {}, {:?}", head.kernel_size, head.stride, head.act_func),
                    ));
            }
        }
        join("classifier", self.classifier.in_features, self.classifier.out_features)?;
        Ok(stages)
    }

    fn table(self, stages: Vec<Vec<BlockSpec>>, name: &str) -> Result<Table> {
        let (stem, fixed_below) = (&self.first_conv, 0.0);
        Ok(Table {
            title: self.name,
            paper: "Lin et al. 2020, arXiv:2007.10319".to_owned(),
            head: self.feature_mix_layer.as_ref().map(|head| HeadTable {
                channels: head.out_channels,
                fixed_below,
                pooled: false,
                norm: true,
            }),
            squeeze: SqueezeTable::default(),
            // Every number is written out already.
            divisor: 1,
            deepen_ends: true,
            bias: false,
            variants: vec![Variant {
                name: name.to_owned(),
                stem: StemTable {
                    channels: stem.out_channels,
                    fixed_below,
                    kernel: [stem.kernel_size; 2],
                    stride: [stem.stride; 2],
                    pool: false,
                    branches: 0,
                },
                stages,
                width: 1.0,
                depth: 1.0,
                input: [stem.in_channels, self.resolution, self.resolution],
                classes: self.classifier.out_features,
                padding: Padding::Symmetric,
                epsilon: self.bn.eps,
                mirrored: false,
                activation: activation(&stem.act_func).map_err(|error| error.at("first_conv"))?,
                // Mean and deviation of one half, as in the authors' own evaluation.
                preprocess: Preprocess::tf(),
                weights: vec!["MCUNet".to_owned()],
            }],
        })
    }
}
