//! The families of networks that depthwise separable convolutions made possible, as data: MobileNet V1 to V4, MnasNet,
//! EfficientNet with its Lite, EdgeTPU and V2 forms, ShuffleNetV2, MobileOne, RepVGG, GhostNet V1 to V3, DS-CNN for
//! keywords, MCUNet. Each is a table of block strings, none a file of constructors.
//!
//! ```
//! use sepconv::{Options, Tensor, zoo};
//!
//! let network = zoo::named("mobilenet_v1@32x0.25")?.classes(10);
//! let mut session = network.build()?.compile(&Options::default())?.session()?;
//! let logits = &session.run(&[&Tensor::f32([1, 3, 32, 32], vec![0.5; 3 * 32 * 32])?])?[0];
//! assert_eq!(logits.shape()[..], [1, 10]);
//! # Ok::<(), sepconv::Error>(())
//! ```
//!
//! # From a name to a graph
//!
//! ```text
//! name ──named──▶ Network ──architecture──▶ Architecture ──graph──▶ Graph
//!                 │  a variant of a Table      every block        ▲
//!                 └─ .width .resolution …      with its channels  │ Parameters: Seeded, Weights, ZeroWeights
//! ```
//!
//! A [`Table`] holds what a family's networks have in common, a [`Variant`] how they differ, a [`BlockSpec`] what a
//! block string says. [`Network`] is a variant with settings, and [`Network::architecture`] what all this comes to:
//! sizes, nothing relative any more. The graph is emitted from that alone; it asks [`Parameters`] for each tensor by
//! its [`ParamId`].
//!
//! # Names
//!
//! `NAME[@RESOLUTION][xWIDTH]`: `mobilenet_v2`, `mobilenet_v1@160x0.5`, `efficientnet_lite0x0.75`. Plain names are the
//! networks of torchvision, where it has them. Names that begin with `tf_` are TensorFlow's: SAME padding and 1e-3 as
//! epsilon, called as in timm where timm has them.
//!
//! # Tables
//!
//! A user's own family is a TOML file; its path stands where a name does. The smallest:
//!
//! ```
//! use sepconv::zoo::{ZeroWeights, Network, Table};
//!
//! let table = r#"
//!     title = "Tiny"
//!     input = [3, 32, 32]
//!     classes = 10
//!     activation = "relu"
//!     stages = [["dsa_r1_k3_s1_c16"], ["ir_r2_k3_s2_e4_c24_se0.25", "cn_r1_k3_s1_c32_skip"]]
//!
//!     [stem]
//!     channels = 8
//!     stride = [1, 1]
//!
//!     [[variants]]
//!     name = "tiny"
//! "#;
//! let network = Network::new(Table::parse(table, "tiny.toml")?, "tiny")?;
//! assert_eq!(network.graph(&mut ZeroWeights)?.parameters(), 18_964);
//! # Ok::<(), sepconv::Error>(())
//! ```
//!
//! | key | meaning, \[default\] |
//! |---|---|
//! | `title`, `paper` | for people |
//! | `input` | channels, rows, columns \[3, 224, 224\] |
//! | `classes` | results of the classifier \[1000\] |
//! | `activation` | `relu`, `relu6`, `hard_swish`, `silu`, `sigmoid`, `hard_sigmoid`: where a block says nothing else |
//! | `stages` | block strings: [`BlockSpec`] |
//! | `divisor` | channels are multiples of it, rounded to the nearest but never down by a tenth \[8\] |
//! | `deepen_ends` | whether the first and last stage grow with a variant's depth \[true\] |
//! | `bias` | whether convolutions before batch normalization have a bias \[false\] |
//! | `preprocess` | `torch`, `tf`, `unit`, `raw` \[torch\] |
//! | `weights` | whose state dicts fit, for people: `torchvision`, `timm` \[none\] |
//! | `stem` | `channels`, `kernel` \[3, 3\], `stride` \[2, 2\], `fixed_below`, `pool` \[false\], `branches` \[0\] |
//! | `head` | `channels`, `fixed_below`, `pooled` \[false\], `norm` \[true\]: see [`Head`]; none where it is missing |
//! | `squeeze` | `of` = `input` or `expanded`, `activation` \[the block's\], `gate` \[sigmoid\] |
//! | `variants` | `name`, `width` \[1\], `depth` \[1\], `resolution`, `padding` = `symmetric` or `same` |
//! | | `stem`, `stages`: the table's where a variant has none of its own |
//! | | `epsilon` \[1e-5\], `mirrored` \[false\], `activation`, `preprocess`, `weights` |
//!
//! A network with `branches` is as it is trained, and so are its counts; planning makes one convolution of each sum.
//! `fixed_below` is the width below which channels are those of width 1 \[0\]; `inf` fixes them at any. Depth
//! multiplies the repeats of each block string and rounds up (EfficientNet, section 3.3).

mod block;
mod emit;
mod mcunet;
mod names;
mod network;
mod parameters;
mod seeded;
mod table;
mod weights;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use sepconv_core::{Error, Result};

pub use block::{BlockKind, BlockSpec};
pub use network::{Architecture, Block, Head, Network, Squeeze, Stem, Width};
pub use parameters::{Branch, Layer, LayerKind, ParamId, ParamKind, Parameters, ZeroWeights};
pub use seeded::Seeded;
pub use table::{Padding, SqueezeBase, Table, Variant};
pub use weights::Weights;

/// The tables that come with sepconv: file name and text.
const TABLES: [(&str, &str); 24] = [
    ("mobilenet_v1.toml", include_str!("tables/mobilenet_v1.toml")),
    ("mobilenet_v2.toml", include_str!("tables/mobilenet_v2.toml")),
    ("mobilenet_v3_large.toml", include_str!("tables/mobilenet_v3_large.toml")),
    ("mobilenet_v3_small.toml", include_str!("tables/mobilenet_v3_small.toml")),
    ("mobilenet_v3_large_minimalistic.toml", include_str!("tables/mobilenet_v3_large_minimalistic.toml")),
    ("mobilenet_v3_small_minimalistic.toml", include_str!("tables/mobilenet_v3_small_minimalistic.toml")),
    ("mobilenet_v4_conv_small.toml", include_str!("tables/mobilenet_v4_conv_small.toml")),
    ("mobilenet_v4_conv_medium.toml", include_str!("tables/mobilenet_v4_conv_medium.toml")),
    ("mnasnet_a1.toml", include_str!("tables/mnasnet_a1.toml")),
    ("mnasnet_b1.toml", include_str!("tables/mnasnet_b1.toml")),
    ("efficientnet.toml", include_str!("tables/efficientnet.toml")),
    ("efficientnet_es.toml", include_str!("tables/efficientnet_es.toml")),
    ("efficientnet_v2_s.toml", include_str!("tables/efficientnet_v2_s.toml")),
    ("efficientnet_v2_b.toml", include_str!("tables/efficientnet_v2_b.toml")),
    ("efficientnet_lite.toml", include_str!("tables/efficientnet_lite.toml")),
    ("shufflenet_v2.toml", include_str!("tables/shufflenet_v2.toml")),
    ("mobileone.toml", include_str!("tables/mobileone.toml")),
    ("repvgg.toml", include_str!("tables/repvgg.toml")),
    ("ghostnet.toml", include_str!("tables/ghostnet.toml")),
    ("ghostnet_v2.toml", include_str!("tables/ghostnet_v2.toml")),
    ("ghostnet_v3.toml", include_str!("tables/ghostnet_v3.toml")),
    ("ds_cnn.toml", include_str!("tables/ds_cnn.toml")),
    ("cifar10.toml", include_str!("tables/cifar10.toml")),
    ("cifar10_standard.toml", include_str!("tables/cifar10_standard.toml")),
];

static FAMILIES: LazyLock<Vec<Arc<Table>>> = LazyLock::new(|| {
    let parse = |(file, text): &(&str, &str)| Table::parse(text, file).map(Arc::new);
    TABLES.iter().map(parse).collect::<Result<_>>().expect("the tables that come with sepconv are valid")
});

/// The families that come with sepconv.
pub fn all() -> &'static [Arc<Table>] {
    &FAMILIES
}

/// The network of a name: `NAME[@RESOLUTION][xWIDTH]`, such as `mobilenet_v1@160x0.5`.
///
/// The path of a [table](Table::open) (`.toml`, or `.json` for MCUNet) is a name, too: that of its first variant.
///
/// # Errors
/// When no variant has this name (the nearest are told), resolution or width are no numbers, or the table is not valid.
pub fn named(text: &str) -> Result<Network> {
    let (name, resolution, width) = split(text)?;
    let network = if is_table(name) {
        let table = Table::open(name)?;
        let first = table.variants[0].name.clone();
        Network::new(table, &first)?
    } else {
        let has = |table: &&Arc<Table>| table.variants.iter().any(|variant| variant.name == name);
        Network::new(all().iter().find(has).ok_or_else(|| unknown(name))?.clone(), name)?
    };
    let network = match resolution {
        Some(side) => network.resolution(side),
        None => network,
    };
    Ok(match width {
        Some(width) => network.width(width),
        None => network,
    })
}

/// Whether a text is meant as a [name](named), rather than as the path of a model file: it is the path of a table, or
/// neither looks like a path nor is one.
pub fn is_name(text: &str) -> bool {
    let name = split(text).map_or(text, |(name, ..)| name);
    // With width and resolution in the wrong order it looks like a path, but begins with a name.
    let begins = |known: &str| text.strip_prefix(known).is_some_and(|rest| rest.starts_with(['@', 'x']));
    let named = || all().iter().flat_map(|table| &table.variants).any(|variant| begins(&variant.name));
    is_table(name) || (!is_path(name) || named()) && !Path::new(text).exists()
}

fn is_table(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("toml") || extension.eq_ignore_ascii_case("json"))
}

fn is_path(name: &str) -> bool {
    name.contains(['.', '/', '\\'])
}

/// MobileNetV1 (Howard et al. 2017).
pub fn mobilenet_v1(width: Width) -> Network {
    built_in("mobilenet_v1").width(width.0)
}

/// MobileNetV2 (Sandler et al. 2018).
pub fn mobilenet_v2(width: Width) -> Network {
    built_in("mobilenet_v2").width(width.0)
}

/// MobileNetV3-Large (Howard et al. 2019).
pub fn mobilenet_v3_large(width: Width) -> Network {
    built_in("mobilenet_v3_large").width(width.0)
}

/// MobileNetV3-Small (Howard et al. 2019).
pub fn mobilenet_v3_small(width: Width) -> Network {
    built_in("mobilenet_v3_small").width(width.0)
}

/// MnasNet-A1, with squeeze-excite (Tan et al. 2019).
pub fn mnasnet_a1(width: Width) -> Network {
    built_in("mnasnet_a1").width(width.0)
}

/// MnasNet-B1 (Tan et al. 2019).
pub fn mnasnet_b1(width: Width) -> Network {
    built_in("mnasnet_b1").width(width.0)
}

fn built_in(name: &str) -> Network {
    named(name).expect("the constructors name variants that exist")
}

/// A name, its resolution and its width.
fn split(text: &str) -> Result<(&str, Option<usize>, Option<f64>)> {
    // An `x` or `@` that no number follows belongs to the name or path.
    let (rest, width) = match text.rsplit_once('x').and_then(|(rest, width)| Some((rest, width.parse().ok()?))) {
        Some((rest, width)) => (rest, Some(width)),
        None => (text, None),
    };
    match rest.rsplit_once('@') {
        Some((name, side)) if !is_path(side) => match side.parse() {
            Ok(side) => Ok((name, Some(side), width)),
            Err(_) => Err(Error::argument("resolution of a network is not understood")
                .expected("NAME[@RESOLUTION][xWIDTH], such as mobilenet_v1@160x0.5", format_args!("{text:?}"))),
        },
        _ => Ok((rest, None, width)),
    }
}

/// The error for a name that no variant has.
fn unknown(name: &str) -> Error {
    let mut names: Vec<&str> =
        all().iter().flat_map(|table| &table.variants).map(|variant| variant.name.as_str()).collect();
    names.sort_by_key(|known| distance(known, name));
    names.truncate(3);
    Error::argument("no network has this name")
        .expected(format_args!("a name such as {}", names.join(", ")), format_args!("{name:?}"))
        .help("`sepconv models` lists all; a file has an extension or a folder in its path")
}

/// Insertions, deletions and replacements that make one text of the other (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
