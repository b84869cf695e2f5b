use std::collections::HashMap;

use sepconv_core::op::{Binary, BinaryFunction, Pad, PadMode, Pool, Reduce, UnaryFunction};
use sepconv_core::{Graph, Node, Op, Uses, ValueId};
use sepconv_kernels::{Activation, pool::PoolKind, reduce::Reduction};

/// How a node runs in the quantized network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// In f32.
    F32,
    /// A convolution or fully connected layer with integer weights.
    Layer,
    /// Its operands are int8; its result is, where an int8 node reads it.
    Int8,
    /// A clip that is fused into the node before: nothing is rounded between them.
    Clip,
}

/// Which nodes of a [decomposed](super::decompose) network run in int8 and which values become int8.
///
/// One rule: a value that a layer reads, directly or through nodes that can run in int8, is int8. Values that no layer
/// reads any more (logits, their softmax, the decoding of boxes) stay f32.
pub(super) struct Partition {
    placements: Vec<Placement>,
    /// For each value that becomes int8: the value whose scale it shares.
    shared: HashMap<ValueId, ValueId>,
    /// For each node that ends in a clip: the clip's node.
    clip: HashMap<usize, usize>,
}

/// The value after the [activation](activation_after) that is the only reader of a value; the value itself where there
/// is none.
pub(super) fn after_activation(graph: &Graph, uses: &Uses, id: ValueId) -> ValueId {
    match uses.sole_reader(id) {
        Some(reader) if activation_after(graph, uses, id) != Activation::Identity => graph.nodes()[reader].output,
        _ => id,
    }
}

/// The activation that is the only reader of a value.
pub(super) fn activation_after(graph: &Graph, uses: &Uses, id: ValueId) -> Activation {
    match uses.sole_reader(id).map(|reader| &graph.nodes()[reader].op) {
        Some(&Op::Unary(UnaryFunction::Activation(function))) => function,
        _ => Activation::Identity,
    }
}

impl Partition {
    /// `keep` returns whether a layer stays f32.
    pub(super) fn new(graph: &Graph, uses: &Uses, keep: &dyn Fn(usize) -> bool) -> Self {
        let nodes = graph.nodes();
        let mut placements = vec![Placement::F32; nodes.len()];
        for (i, node) in nodes.iter().enumerate().rev() {
            let leads_to_layer = uses.readers(node.output).iter().any(|&reader| placements[reader] != Placement::F32);
            placements[i] = match () {
                () if is_layer(graph, node) && !keep(i) => Placement::Layer,
                () if leads_to_layer && runs_in_int8(graph, node) => Placement::Int8,
                () => Placement::F32,
            };
        }
        let mut clip = HashMap::new();
        for (i, node) in nodes.iter().enumerate() {
            let (Placement::Int8, Op::Unary(function)) = (placements[i], &node.op) else { continue };
            let Some(before) = uses.producer(node.inputs[0]) else { continue };
            if placements[before] == Placement::F32 {
                // In f32 it is exact, and saves one rounding.
                placements[i] = Placement::F32;
            } else if is_clip(function) && ends_in_clip(&nodes[before].op) && uses.sole_reader(node.inputs[0]).is_some()
            {
                placements[i] = Placement::Clip;
                clip.insert(before, i);
            }
        }
        let mut found = Self { placements, shared: HashMap::new(), clip };
        found.share(graph);
        found
    }

    pub(super) fn placement(&self, node: usize) -> Placement {
        self.placements[node]
    }

    /// The value that a node's result ends in, and the clip on the way.
    pub(super) fn result(&self, graph: &Graph, node: usize) -> (ValueId, Activation) {
        let last = &graph.nodes()[self.clip.get(&node).copied().unwrap_or(node)];
        match last.op {
            Op::Unary(UnaryFunction::Activation(clip)) if self.clip.contains_key(&node) => (last.output, clip),
            _ => (last.output, Activation::Identity),
        }
    }

    /// The value whose scale `id` shares; `None` for what stays float.
    pub(super) fn shared(&self, id: ValueId) -> Option<ValueId> {
        self.shared.get(&id).copied()
    }

    /// The values that become bytes, in no order.
    pub(super) fn quantized(&self) -> impl Iterator<Item = ValueId> {
        self.shared.keys().copied()
    }

    /// Collects the values that integers read; what only moves bytes or picks one of them joins the scales of both its
    /// ends.
    fn share(&mut self, graph: &Graph) {
        let integer = |placement: Placement| matches!(placement, Placement::Layer | Placement::Int8);
        let nodes = || graph.nodes().iter().zip(&self.placements).filter(|(_, placement)| integer(**placement));
        let computed = |id: &ValueId| graph.value(*id).constant.is_none();
        let read = nodes().flat_map(|(node, _)| node.inputs.iter().copied().filter(computed));
        let mut shared: HashMap<ValueId, ValueId> = read.map(|id| (id, id)).collect();
        for (node, _) in nodes().filter(|(node, _)| is_move(&node.op)) {
            let ends = node.inputs.iter().chain([&node.output]);
            let joined: Vec<ValueId> = ends.filter_map(|id| shared.get(id).copied()).collect();
            let Some(&least) = joined.iter().min() else { continue };
            shared.values_mut().filter(|root| joined.contains(root)).for_each(|root| *root = least);
        }
        self.shared = shared;
    }
}

/// Convolutions and fully connected layers with known weights.
pub(super) fn is_layer(graph: &Graph, node: &Node) -> bool {
    let known = |i: usize| node.inputs.get(i).is_some_and(|&id| graph.value(id).constant.is_some());
    matches!(node.op, Op::Conv2d(_) | Op::Dense(_)) && known(1) && known(2)
}

fn is_clip(function: &UnaryFunction) -> bool {
    matches!(function, UnaryFunction::Activation(Activation::Relu | Activation::Clip { .. }))
}

fn ends_in_clip(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::Dense(_) | Op::Binary(_))
}

/// Whether integers do what `node` does, other than a layer.
fn runs_in_int8(graph: &Graph, node: &Node) -> bool {
    let known = node.inputs.iter().filter_map(|&id| graph.value(id).constant.as_ref());
    match &node.op {
        Op::Unary(UnaryFunction::Activation(_)) => true,
        Op::Binary(Binary { function: BinaryFunction::Add | BinaryFunction::Sub | BinaryFunction::Mul, .. }) => {
            known.count() == 0
        }
        Op::Reduce(Reduce { reduction: Reduction::Mean, axes, .. }) => axes[..] == [1, 2],
        Op::Pool(Pool { window, kind: PoolKind::Average { count_padding }, .. }) => {
            !count_padding || [window.before, window.after] == [[0; 2]; 2]
        }
        Op::Gather(_) => graph.value(node.inputs[0]).constant.is_none(),
        op => is_move(op) && known.count() == 0,
    }
}

/// Whether each element of the result is one of the operands', or the zero of padding.
fn is_move(op: &Op) -> bool {
    match op {
        Op::Pool(pool) => pool.kind == PoolKind::Max,
        Op::Pad(Pad { mode: PadMode::Constant(fill), .. }) => *fill == 0.0,
        Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Concat(_)
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Gather(_)
        | Op::Broadcast(_) => true,
        _ => false,
    }
}
