//! A family of networks as a table: TOML text, or the JSON block lists of MCUNet.

use std::path::Path;

use std::collections::HashSet;

use serde::Deserialize;

use sepconv_core::{Error, Result};
use sepconv_kernels::Activation;

use super::block::{BlockSpec, RELU6};
use super::mcunet;
use crate::{Preprocess, file};

/// How windows meet the border of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// PyTorch's: `(k - 1) / 2` on every side.
    Symmetric,
    /// TensorFlow's SAME: as many results as inputs divided by the stride; an odd row or column is added at the end.
    Same,
}

/// Of what the `se` of a block string is a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqueezeBase {
    /// The channels of the block's input (MnasNet, EfficientNet).
    Input,
    /// The channels inside the block (MobileNetV3), rounded as channels are.
    Expanded,
}

/// A family: what its networks have in common, and its variants.
#[derive(Clone, Debug)]
pub struct Table {
    /// The family's name, for people.
    pub title: String,
    /// Where it was published.
    pub paper: String,
    /// What stands between the last block and the classifier.
    pub(super) head: Option<HeadTable>,
    /// Squeeze-excite.
    pub(super) squeeze: SqueezeTable,
    /// What channels are multiples of.
    pub(super) divisor: usize,
    /// Whether the first and the last stage grow with depth.
    pub(super) deepen_ends: bool,
    /// Whether convolutions have a bias although batch normalization follows (Keras).
    pub(super) bias: bool,
    /// The networks that have names of their own; at least one.
    pub variants: Vec<Variant>,
}

/// A member of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its name, by which [`named`](super::named) finds it.
    pub name: String,
    /// The first convolution.
    pub(super) stem: StemTable,
    /// Stages of blocks.
    pub(super) stages: Vec<Vec<BlockSpec>>,
    /// Channels relative to the table's.
    pub width: f64,
    /// Blocks relative to the table's.
    pub depth: f64,
    /// Channels, rows and columns of the input.
    pub input: [usize; 3],
    /// Numbers that the network gives.
    pub classes: usize,
    /// How windows meet the border.
    pub padding: Padding,
    /// What batch normalization adds to a variance.
    pub epsilon: f32,
    /// Whether logits are the mean of those of an image and of its mirror image, at twice the cost.
    pub mirrored: bool,
    /// The activation where a block does not say otherwise.
    pub activation: Activation,
    /// How images become numbers.
    pub preprocess: Preprocess,
    /// Whose state dicts [load](super::Network::load).
    pub weights: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StemTable {
    pub(super) channels: usize,
    /// Below this width channels are those of width 1.
    #[serde(default)]
    pub(super) fixed_below: f64,
    #[serde(default = "three")]
    pub(super) kernel: [usize; 2],
    #[serde(default = "two")]
    pub(super) stride: [usize; 2],
    /// Whether max pooling follows.
    #[serde(default)]
    pub(super) pool: bool,
    /// Convolutions that were trained in its place.
    #[serde(default)]
    pub(super) branches: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadTable {
    pub(super) channels: usize,
    /// Below this width channels are those of width 1.
    #[serde(default)]
    pub(super) fixed_below: f64,
    /// Whether it follows pooling.
    #[serde(default)]
    pub(super) pooled: bool,
    /// Whether batch normalization follows; it has a bias otherwise.
    #[serde(default = "yes")]
    pub(super) norm: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqueezeTable {
    pub(super) of: SqueezeBase,
    /// Between its two convolutions; the block's own where it is not given.
    #[serde(default, deserialize_with = "optional_activation")]
    pub(super) activation: Option<Activation>,
    #[serde(default = "sigmoid", deserialize_with = "activation")]
    pub(super) gate: Activation,
}

impl Default for SqueezeTable {
    fn default() -> Self {
        Self { of: SqueezeBase::Input, activation: None, gate: Activation::Sigmoid }
    }
}

/// The text of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    title: String,
    #[serde(default)]
    paper: String,
    #[serde(default = "input")]
    input: [usize; 3],
    #[serde(default = "classes")]
    classes: usize,
    #[serde(deserialize_with = "activation")]
    activation: Activation,
    #[serde(default = "eight")]
    divisor: usize,
    #[serde(default = "yes")]
    deepen_ends: bool,
    #[serde(default)]
    bias: bool,
    #[serde(default = "torch")]
    preprocess: String,
    #[serde(default)]
    weights: Vec<String>,
    #[serde(default)]
    stages: Vec<Vec<String>>,
    stem: StemTable,
    head: Option<HeadTable>,
    #[serde(default)]
    squeeze: SqueezeTable,
    variants: Vec<VariantText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantText {
    name: String,
    stem: Option<StemTable>,
    stages: Option<Vec<Vec<String>>>,
    #[serde(default = "one")]
    width: f64,
    #[serde(default = "one")]
    depth: f64,
    resolution: Option<usize>,
    #[serde(default = "symmetric")]
    padding: Padding,
    #[serde(default = "epsilon")]
    epsilon: f32,
    #[serde(default)]
    mirrored: bool,
    #[serde(default, deserialize_with = "optional_activation")]
    activation: Option<Activation>,
    preprocess: Option<String>,
    weights: Option<Vec<String>>,
}

impl Table {
    /// The largest file that is read.
    const MAX_BYTES: u64 = 1 << 20;

    /// Reads a table (TOML) or the block list of an MCUNet (`.json`), whose only variant is called as the file is.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse), and when the file cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let bytes = file::read(path, Self::MAX_BYTES)?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::malformed("file is no text in UTF-8").in_file(&shown))?;
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            return mcunet::parse(&text, &name).map_err(|error| error.in_file(&shown));
        }
        Self::parse(&text, &shown)
    }

    /// Reads the text of a table. `file` appears in errors.
    ///
    /// # Errors
    /// When the text is no TOML, lacks or repeats something, or a block string is not understood.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let parsed = toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            Error::malformed(format!("table of a family is not valid: {}", error.message())).at(format!("line {line}"))
        });
        parsed.and_then(Self::new).map_err(|error| error.in_file(file))
    }

    fn new(text: Text) -> Result<Self> {
        let variants = text.variants.iter().map(|variant| variant.resolve(&text)).collect::<Result<Vec<_>>>()?;
        let table = Self {
            title: text.title,
            paper: text.paper,
            head: text.head,
            squeeze: text.squeeze,
            divisor: text.divisor,
            deepen_ends: text.deepen_ends,
            bias: text.bias,
            variants,
        };
        table.checked()
    }

    /// The table, if there is a network in it. What depends on a variant is checked when that is built.
    pub(super) fn checked(self) -> Result<Self> {
        let wrong = |what: &str, expected: &str| {
            Err(Error::malformed(format!("table of a family {what}")).expected(expected, "none"))
        };
        if self.variants.is_empty() {
            return wrong("has no variant", "[[variants]] with a name");
        }
        if self.variants.iter().any(|variant| variant.stages.is_empty() || variant.stages.contains(&vec![])) {
            return wrong("has an empty stage or none", "a block string in each stage");
        }
        let names: HashSet<&str> = self.variants.iter().map(|variant| variant.name.as_str()).collect();
        let plain =
            |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) && !name.is_empty();
        if names.len() < self.variants.len() || !names.iter().all(plain) {
            return Err(Error::malformed("variants of a family are not named well").expected(
                "different names of letters, digits, _, - and .",
                format_args!("{:?}", self.variants.iter().map(|variant| &variant.name).collect::<Vec<_>>()),
            ));
        }
        let within = |number: usize, most: usize| (1..=most).contains(&number);
        for stem in self.variants.iter().map(|variant| &variant.stem) {
            let StemTable { channels, kernel, stride, .. } = stem;
            let windows = kernel.iter().all(|&k| within(k, 99)) && stride.iter().all(|&s| within(s, 16));
            let channels = [Some(*channels), self.head.as_ref().map(|head| head.channels), Some(self.divisor)];
            if !windows || !channels.into_iter().flatten().all(|channels| within(channels, 1_000_000)) {
                return Err(Error::malformed("table of a family has a size out of range").expected(
                    "channels and divisor from 1 to 1000000, kernel of the stem from 1 to 99, stride from 1 to 16",
                    format_args!("kernel {kernel:?}, stride {stride:?}, channels and divisor {channels:?}"),
                ));
            }
        }
        Ok(self)
    }
}

impl VariantText {
    fn resolve(&self, text: &Text) -> Result<Variant> {
        let [channels, rows, columns] = text.input;
        let preprocess = self.preprocess.as_ref().unwrap_or(&text.preprocess).parse();
        let parse = |strings: &Vec<String>| strings.iter().map(|string| string.parse()).collect();
        Ok(Variant {
            name: self.name.clone(),
            stem: self.stem.as_ref().unwrap_or(&text.stem).clone(),
            stages: self.stages.as_ref().unwrap_or(&text.stages).iter().map(parse).collect::<Result<_>>()?,
            width: self.width,
            depth: self.depth,
            input: self.resolution.map_or([channels, rows, columns], |side| [channels, side, side]),
            classes: text.classes,
            padding: self.padding,
            epsilon: self.epsilon,
            mirrored: self.mirrored,
            activation: self.activation.unwrap_or(text.activation),
            preprocess: preprocess.map_err(|error: Error| error.at(format!("variant {:?}", self.name)))?,
            weights: self.weights.as_ref().unwrap_or(&text.weights).clone(),
        })
    }
}

fn activation<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Activation, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.as_str() {
        "relu" => Ok(Activation::Relu),
        "relu6" => Ok(RELU6),
        "hard_swish" => Ok(Activation::HardSwish),
        "silu" => Ok(Activation::Silu),
        "sigmoid" => Ok(Activation::Sigmoid),
        "hard_sigmoid" => Ok(Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
        _ => Err(serde::de::Error::custom(format_args!(
            "unknown activation {name:?}, expected one of relu, relu6, hard_swish, silu, sigmoid, hard_sigmoid"
        ))),
    }
}

fn optional_activation<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Activation>, D::Error> {
    activation(deserializer).map(Some)
}

fn sigmoid() -> Activation {
    Activation::Sigmoid
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

fn two() -> [usize; 2] {
    [2; 2]
}

fn three() -> [usize; 2] {
    [3; 2]
}

fn eight() -> usize {
    8
}

fn classes() -> usize {
    1000
}

fn input() -> [usize; 3] {
    [3, 224, 224]
}

fn epsilon() -> f32 {
    1e-5
}

fn symmetric() -> Padding {
    Padding::Symmetric
}

fn torch() -> String {
    "torch".to_owned()
}
