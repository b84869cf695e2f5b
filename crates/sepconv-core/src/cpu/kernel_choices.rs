use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::plan::{Layer, Plan};
use crate::{Error, Result};

/// Kernels that layers run with, and which layers run together: what a [`Plan`](crate::Plan) chose, or what another is
/// to take in place of its own choice. As text, a line for each layer: the kernel, a tab, the layer's name; then one
/// for each chain: its [length and rows](Chain), a tab, its first layer's name.
///
/// A kernel is named as in [`Layer::kernel`], with its parameters: `pointwise 14x32`. The names depend on the
/// instruction set. Layers that share a name with another, or whose name has a line break, are not among them.
///
/// ```
/// use sepconv_core::{Chain, KernelChoices};
///
/// let choices: KernelChoices = "pointwise 6x16\tblocks.0.conv_pw\nfused_chain 2x4\tstem\n".parse()?;
/// assert_eq!(choices.get("blocks.0.conv_pw"), Some("pointwise 6x16"));
/// assert_eq!(choices.chain("stem"), Some(Chain { layers: 2, rows: 4 }));
/// assert_eq!(choices.to_string(), "pointwise 6x16\tblocks.0.conv_pw\nfused_chain 2x4\tstem\n");
/// # Ok::<(), sepconv_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelChoices {
    kernels: BTreeMap<String, String>,
    chains: BTreeMap<String, Chain>,
}

/// Layers that run together, depth first: each reads only the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many layers. One runs by itself, even where the planner would join it with the next.
    pub layers: usize,
    /// Rows of the last layer's result that are made at a time.
    pub rows: usize,
}

/// What the line of a chain begins with.
const CHAIN: &str = "fused_chain";

impl KernelChoices {
    /// The choices of a plan: the kernel of each layer, and a chain for each step that could have other layers.
    pub(super) fn of(plan: &Plan) -> Self {
        let layers = plan.layers();
        let (mut seen, mut kernels) = (BTreeSet::new(), BTreeMap::new());
        for layer in layers {
            if !seen.insert(&layer.name) {
                kernels.remove(&layer.name);
            } else if !layer.name.contains(['\n', '\r']) {
                kernels.insert(layer.name.clone(), layer.kernel.clone());
            }
        }
        let follows: BTreeSet<usize> = layers.iter().filter_map(|layer| layer.predecessor).collect();
        let chains = plan.steps().iter().filter_map(|step| {
            let (range, name) = (step.layers(), &layers[step.layers().start].name);
            let chain = match step.row_block() {
                Some(rows) => Chain { layers: range.len(), rows },
                None if range.len() == 1 && follows.contains(&range.start) => Chain { layers: 1, rows: 1 },
                None => return None,
            };
            kernels.contains_key(name).then(|| (name.clone(), chain))
        });
        let chains = chains.collect();
        Self { kernels, chains }
    }

    /// The kernel of the layer called `layer`.
    pub fn get(&self, layer: &str) -> Option<&str> {
        self.kernels.get(layer).map(String::as_str)
    }

    /// Chooses a kernel for the layer called `layer`, in place of an earlier choice.
    pub fn insert(&mut self, layer: impl Into<String>, kernel: impl Into<String>) {
        self.kernels.insert(layer.into(), kernel.into());
    }

    /// The chain that begins with the layer called `layer`.
    pub fn chain(&self, layer: &str) -> Option<Chain> {
        self.chains.get(layer).copied()
    }

    /// Chooses the chain that begins with the layer called `layer`, in place of an earlier choice.
    pub fn insert_chain(&mut self, layer: impl Into<String>, chain: Chain) {
        self.chains.insert(layer.into(), chain);
    }

    /// The layers and their kernels, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kernels.iter().map(|(layer, kernel)| (layer.as_str(), kernel.as_str()))
    }

    /// The chains and their first layers, by name.
    pub fn chains(&self) -> impl Iterator<Item = (&str, Chain)> {
        self.chains.iter().map(|(layer, chain)| (layer.as_str(), *chain))
    }

    /// Fails where a choice is for none of the layers, or for a chain that does not run.
    pub(super) fn check(&self, layers: &[Layer]) -> Result<()> {
        let names: BTreeMap<&str, &Layer> = layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        if let Some(name) =
            self.kernels.keys().chain(self.chains.keys()).find(|name| !names.contains_key(name.as_str()))
        {
            return Err(Error::argument("kernel is chosen for a layer that the network does not have")
                .at(format!("layer {name:?}"))
                .help("kernels are chosen for the layers of the same network as their plan names them"));
        }
        for (name, chain) in &self.chains {
            let step = names[name.as_str()].step;
            let together: Vec<_> = layers.iter().filter(|layer| layer.step == step).collect();
            if together.len() != chain.layers || together[0].name != *name {
                return Err(Error::argument("layers cannot run together as they were chosen to")
                    .at(format!("layer {name:?}"))
                    .expected(format_args!("a chain of {} that begins here", chain.layers), together.len())
                    .help("a chain is of convolutions that each read only the one before"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for KernelChoices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kernels.iter().try_for_each(|(layer, kernel)| writeln!(f, "{kernel}\t{layer}"))?;
        let chains = &mut self.chains.iter();
        chains.try_for_each(|(layer, Chain { layers, rows })| writeln!(f, "{CHAIN} {layers}x{rows}\t{layer}"))
    }
}

impl FromStr for KernelChoices {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut choices = Self::default();
        for (number, line) in text.lines().enumerate() {
            let malformed = || {
                Error::malformed("line is no choice of a kernel")
                    .at(format!("line {}", number + 1))
                    .expected("a kernel, a tab, the name of a layer", format_args!("{line:?}"))
            };
            let (kernel, layer) = line.split_once('\t').ok_or_else(malformed)?;
            match kernel.strip_prefix(CHAIN) {
                Some(sizes) => choices.insert_chain(layer, Chain::parse(sizes).ok_or_else(malformed)?),
                None => choices.insert(layer, kernel),
            }
        }
        Ok(choices)
    }
}

impl Chain {
    /// Reads ` LAYERSxROWS`.
    fn parse(sizes: &str) -> Option<Self> {
        let (layers, rows) = sizes.strip_prefix(' ')?.split_once('x')?;
        Some(Self { layers: layers.parse().ok()?, rows: rows.parse().ok()? })
    }
}
