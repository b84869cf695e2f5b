//! The families of networks that depthwise separable convolutions made possible, as data.
//!
//! ```
//! use sepconv::models;
//!
//! let network = models::named("mobilenet_v1@32x0.25")?.classes(10);
//! let graph = network.graph(&mut models::Blank)?;
//! assert_eq!(graph.inputs()[0].name, "input");
//! # Ok::<(), sepconv::Error>(())
//! ```

mod block;
mod emit;
mod names;
mod network;
mod parameters;
mod seeded;
mod table;
mod weights;

use std::sync::{Arc, LazyLock};

use sepconv_core::{Error, Result};

pub use block::{BlockKind, BlockSpec};
pub use network::{Architecture, Block, Head, Network, Squeeze, Stem, Width};
pub use parameters::{Blank, Item, Layer, Parameters, Part, Role};
pub use seeded::Seeded;
pub use table::{Padding, SqueezeBase, Table, Variant};
pub use weights::Weights;

/// The tables that come with sepconv: file name and text.
const TABLES: [(&str, &str); 13] = [
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
    ("efficientnet_lite.toml", include_str!("tables/efficientnet_lite.toml")),
    ("ds_cnn.toml", include_str!("tables/ds_cnn.toml")),
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
/// # Errors
/// When no variant has this name (the nearest are told), or resolution or width are no numbers.
pub fn named(text: &str) -> Result<Network> {
    let (name, resolution, width) = split(text)?;
    let has = |table: &&Arc<Table>| table.variants.iter().any(|variant| variant.name == name);
    let table = all().iter().find(has).ok_or_else(|| unknown(name))?;
    let network = Network::new(table.clone(), name)?;
    let network = resolution.map_or(network.clone(), |side| network.resolution(side));
    Ok(match width {
        Some(width) => network.width(width),
        None => network,
    })
}

/// MobileNetV1 (Howard et al. 2017).
pub fn mobilenet_v1(width: Width) -> Network {
    built_in("mobilenet_v1").width(width.0)
}

/// MobileNetV2 (Sandler et al. 2018).
pub fn mobilenet_v2(width: Width) -> Network {
    built_in("mobilenet_v2").width(width.0)
}

fn built_in(name: &str) -> Network {
    named(name).expect("the constructors name variants that exist")
}

/// A name, its resolution and its width.
fn split(text: &str) -> Result<(&str, Option<usize>, Option<f64>)> {
    let malformed = || {
        Error::argument("name of a network is not understood")
            .expected("NAME[@RESOLUTION][xWIDTH], such as mobilenet_v1@160x0.5", format_args!("{text:?}"))
    };
    // Without a resolution an `x` counts only where a number follows: names may have one, too.
    let (name, rest) = match text.split_once('@') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    let Some(rest) = rest else {
        let found = name.rsplit_once('x').and_then(|(name, width)| Some((name, width.parse().ok()?)));
        return Ok(found.map_or((name, None, None), |(name, width)| (name, None, Some(width))));
    };
    let (resolution, width) = match rest.split_once('x') {
        Some((resolution, width)) => (resolution, Some(width.parse().map_err(|_| malformed())?)),
        None => (rest, None),
    };
    Ok((name, Some(resolution.parse().map_err(|_| malformed())?), width))
}

/// The error for a name that no variant has.
fn unknown(name: &str) -> Error {
    let mut names: Vec<&str> =
        all().iter().flat_map(|table| &table.variants).map(|variant| variant.name.as_str()).collect();
    names.sort_by_key(|known| distance(known, name));
    names.truncate(3);
    Error::argument("no network has this name")
        .expected(format_args!("a name such as {}", names.join(", ")), format_args!("{name:?}"))
        .help("`sepconv models` lists all; a file needs its path")
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
