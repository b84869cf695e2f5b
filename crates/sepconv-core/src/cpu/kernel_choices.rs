use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::plan::Layer;
use crate::{Error, Result};

/// Kernels that layers run with: what a [`Plan`](crate::Plan) chose, or what another is to take in place of its own
/// choice. As text, a line for each layer: the kernel, a tab, the layer's name.
///
/// A kernel is named as in [`Layer::kernel`], with its parameters: `pointwise 14x32`. The names depend on the
/// instruction set. Layers that share a name with another, or whose name has a line break, are not among them.
///
/// ```
/// use sepconv_core::KernelChoices;
///
/// let choices: KernelChoices = "pointwise 6x16\tblocks.0.conv_pw\n".parse()?;
/// assert_eq!(choices.get("blocks.0.conv_pw"), Some("pointwise 6x16"));
/// assert_eq!(choices.to_string(), "pointwise 6x16\tblocks.0.conv_pw\n");
/// # Ok::<(), sepconv_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelChoices(BTreeMap<String, String>);

impl KernelChoices {
    /// The choices of a plan's layers.
    pub(super) fn of(layers: &[Layer]) -> Self {
        let (mut seen, mut choices) = (BTreeSet::new(), BTreeMap::new());
        for layer in layers {
            if !seen.insert(&layer.name) {
                choices.remove(&layer.name);
            } else if !layer.name.contains(['\n', '\r']) {
                choices.insert(layer.name.clone(), layer.kernel.clone());
            }
        }
        Self(choices)
    }

    /// The kernel of the layer called `layer`.
    pub fn get(&self, layer: &str) -> Option<&str> {
        self.0.get(layer).map(String::as_str)
    }

    /// Chooses a kernel for the layer called `layer`, in place of an earlier choice.
    pub fn insert(&mut self, layer: impl Into<String>, kernel: impl Into<String>) {
        self.0.insert(layer.into(), kernel.into());
    }

    /// The layers and their kernels, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(layer, kernel)| (layer.as_str(), kernel.as_str()))
    }

    /// Fails where a choice is for none of the layers.
    pub(super) fn check_layers(&self, layers: &[Layer]) -> Result<()> {
        let names: BTreeSet<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        match self.0.keys().find(|name| !names.contains(name.as_str())) {
            Some(name) => Err(Error::argument("kernel is chosen for a layer that the network does not have")
                .at(format!("layer {name:?}"))
                .help("kernels are chosen for the layers of the same network as their plan names them")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for KernelChoices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(layer, kernel)| writeln!(f, "{kernel}\t{layer}"))
    }
}

impl FromStr for KernelChoices {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let choice = |(number, line): (usize, &str)| {
            let parts = line.split_once('\t').map(|(kernel, layer)| (layer.to_owned(), kernel.to_owned()));
            parts.ok_or_else(|| {
                Error::malformed("line is no choice of a kernel")
                    .at(format!("line {}", number + 1))
                    .expected("a kernel, a tab, the name of a layer", format_args!("{line:?}"))
            })
        };
        text.lines().enumerate().map(choice).collect::<Result<_>>().map(Self)
    }
}
