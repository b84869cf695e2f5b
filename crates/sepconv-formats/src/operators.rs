//! The operators of a model file: how often each occurs, and whether it is in the reader's table.

use std::collections::BTreeMap;

use sepconv_core::{Error, Graph, Result, printable};

/// An operator of a model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorCount {
    /// Its name in the format; that of another domain than ONNX's own follows its domain: `com.microsoft.FusedConv`.
    pub name: String,
    /// How many nodes have it.
    pub count: usize,
    /// Whether it is read. What a node asks of it beyond that may still not be.
    pub is_supported: bool,
}

impl OperatorCount {
    /// The operators of a graph.
    pub fn of_graph(graph: &Graph) -> Vec<Self> {
        count(graph.nodes().iter().map(|node| (node.op.name().to_owned(), true)))
    }
}

/// Counts operators, each given as its name and whether it is read. The most frequent come first.
pub(crate) fn count(operators: impl Iterator<Item = (String, bool)>) -> Vec<OperatorCount> {
    let mut counts = BTreeMap::new();
    for (name, is_supported) in operators {
        counts.entry(name).or_insert((0, is_supported)).0 += 1;
    }
    let counts = counts.into_iter().map(|(name, (count, is_supported))| OperatorCount { name, count, is_supported });
    let mut counts: Vec<_> = counts.collect();
    // Stable: equals stay in alphabetical order.
    counts.sort_by_key(|operator| std::cmp::Reverse(operator.count));
    counts
}

/// The error that names all operators which are not read, with their counts; none where all are.
pub(crate) fn check(operators: &[OperatorCount]) -> Result<()> {
    let unsupported: Vec<_> = operators.iter().filter(|operator| !operator.is_supported).collect();
    let nodes = |count| if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
    let name = |operator: &&OperatorCount| format!("{} ({})", printable(&operator.name), nodes(operator.count));
    let names: Vec<_> = unsupported.iter().map(name).collect();
    let message = match unsupported.len() {
        0 => return Ok(()),
        1 => format!("operator is not supported: {}", names[0]),
        several => format!("{several} operators are not supported: {}", names.join(", ")),
    };
    Err(Error::unsupported(message).help("`sepconv inspect` lists all operators of the file"))
}
