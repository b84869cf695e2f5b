/// The resources that a network may need. Checked before anything is allocated, so that a small malformed file cannot
/// exhaust the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes that constants and activations may take together.
    pub max_memory: usize,
    /// The multiply-accumulates that one run may cost.
    pub max_macs: u64,
    /// The nodes that a graph may have.
    pub max_nodes: usize,
}

impl Limits {
    /// No limits: for a network that has been checked already.
    pub(crate) const NONE: Self = Self { max_memory: usize::MAX, max_macs: u64::MAX, max_nodes: usize::MAX };
}

impl Default for Limits {
    /// 700 MB, so that the process stays below a gigabyte with temporary copies; 10¹² multiply-accumulates and 20,000
    /// nodes: far above any phone-sized network, far below the capacity of a laptop.
    fn default() -> Self {
        Self { max_memory: 700_000_000, max_macs: 1_000_000_000_000, max_nodes: 20_000 }
    }
}
