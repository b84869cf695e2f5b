use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use crate::{DType, Graph, Node, Op, Value, ValueId};

impl Graph {
    /// The parameters that training would find, as PyTorch counts them: weights and biases of layers, scales and shifts of batch
    /// normalisation (not its mean and variance), and lists that something is added to or multiplied with element by element. A tensor
    /// that several nodes read counts once.
    ///
    /// Meant for a network as it was imported or built: passes fold batch normalisation into the weights before it. A layer has no bias
    /// where its bias is zero and batch normalisation follows, which would take it away again.
    pub fn parameters(&self) -> usize {
        let uses = Uses::new(self);
        let mut counted = BTreeSet::new();
        for node in &self.nodes {
            let operands = node.inputs.iter().enumerate();
            let learnt =
                operands.filter(|&(i, &id)| self.is_learnt(node, i) && !(i == 2 && self.lacks_bias(node, id, &uses)));
            counted.extend(learnt.filter_map(|(_, &id)| self.bytes_behind(id, &uses)));
        }
        counted.iter().map(|&id| self.value(id).shape.elements()).sum()
    }

    /// The multiply-accumulates of one run, as papers count them: those of convolutions (squeeze-excite included), fully connected layers and
    /// matrix products. Everything else is free; saturates.
    pub fn macs(&self) -> u64 {
        let cost = |node: &Node| {
            let operands: Vec<&Value> = node.inputs.iter().map(|&id| self.value(id)).collect();
            node.op.macs(&operands, &self.value(node.output).shape)
        };
        self.nodes.iter().map(cost).fold(0, u64::saturating_add)
    }

    /// Whether training would change operand `i` of a node if it is a constant.
    fn is_learnt(&self, node: &Node, i: usize) -> bool {
        match node.op {
            Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense { .. } | Op::QConv2d(_) | Op::BatchNorm { .. } => {
                i == 1 || i == 2
            }
            Op::MatMul => true,
            // A single number belongs to the formula of an activation.
            Op::Binary { .. } => {
                self.value(node.inputs[i]).dtype == DType::F32 && self.value(node.inputs[i]).shape.elements() > 1
            }
            _ => false,
        }
    }

    /// Whether the bias of a node is one that only the operator wants.
    fn lacks_bias(&self, node: &Node, bias: ValueId, uses: &Uses<'_>) -> bool {
        let is_layer = matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense { .. });
        let elements = self.value(bias).constant.as_ref().and_then(|tensor| tensor.as_f32());
        let zero = || elements.is_some_and(|bias| bias.iter().all(|&x| x == 0.0));
        is_layer && uses.normalised[node.output.0] == Some(true) && zero()
    }

    /// The constant that a value is, or whose bytes it stands for.
    fn bytes_behind(&self, id: ValueId, uses: &Uses<'_>) -> Option<ValueId> {
        let id = uses.dequantizes[id.0].map_or(id, |node| node.inputs[0]);
        self.value(id).constant.as_ref().map(|_| id)
    }
}

/// What is done with each value, and what made it.
struct Uses<'a> {
    /// Whether all that reads it normalises it, directly or behind the transposes that importers put between layers; `None` where nothing
    /// reads it.
    normalised: Vec<Option<bool>>,
    /// The node that dequantises something into it.
    dequantizes: Vec<Option<&'a Node>>,
}

impl<'a> Uses<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut uses = Self { normalised: vec![None; graph.values.len()], dequantizes: vec![None; graph.values.len()] };
        for port in &graph.outputs {
            uses.normalised[port.value.0] = Some(false);
        }
        // Backwards: what reads a node's result is known before the node's own operands.
        for node in graph.nodes.iter().rev() {
            for (i, id) in node.inputs.iter().enumerate() {
                let normalises = match node.op {
                    Op::BatchNorm { .. } => i == 0,
                    Op::Transpose { .. } => uses.normalised[node.output.0] == Some(true),
                    _ => false,
                };
                let before = uses.normalised[id.0].unwrap_or(true);
                uses.normalised[id.0] = Some(before && normalises);
            }
            uses.dequantizes[node.output.0] = matches!(node.op, Op::Dequantize(_)).then_some(node);
        }
        uses
    }
}

#[cfg(test)]
mod tests {
    use sepconv_kernels::{Activation, Window, elementwise::Binary};

    use super::*;
    use crate::op::Conv2d;
    use crate::{Builder, Limits, Shape, Tensor};

    /// A convolution of 3 to 4 channels with this bias, normalised or not, then a product with one number and one with four.
    fn graph(bias: f32, normalised: bool) -> Graph {
        let mut builder = Builder::new(Limits::default());
        let constant = |builder: &mut Builder, dims: &[usize], x: f32| {
            let elements = dims.iter().product();
            builder
                .constant("c", Tensor::f32(dims, vec![x; elements]).expect("it fills its shape"))
                .expect("it is small")
        };
        let x = builder.input("x", Shape::new([1, 5, 5, 3]).expect("it is small"), DType::F32).expect("it is small");
        let (weights, bias) = (constant(&mut builder, &[4, 3, 3, 3], 1.0), constant(&mut builder, &[4], bias));
        let conv = Op::Conv2d(Conv2d { window: Window::new(3, 3), groups: 1, activation: Activation::Identity });
        let mut y = builder.node("conv", conv, &[x, weights, bias]).expect("shapes agree");
        if normalised {
            for order in [[0, 3, 1, 2], [0, 2, 3, 1]] {
                y = builder.node("turn", Op::Transpose { order: order.to_vec() }, &[y]).expect("shapes agree");
            }
            let statistics = [1.0, 2.0, 3.0, 4.0].map(|x| constant(&mut builder, &[4], x));
            y = builder
                .node("norm", Op::BatchNorm { epsilon: 0.0 }, &[&[y], &statistics[..]].concat())
                .expect("shapes agree");
        }
        for count in [1, 4] {
            let factor = constant(&mut builder, &[count], 2.0);
            y = builder.node("scale", Op::binary(Binary::Mul), &[y, factor]).expect("shapes agree");
        }
        builder.output("y", y);
        builder.finish()
    }

    #[test]
    fn parameters_are_what_training_finds() {
        let (weights, list) = (4 * 27, 4);
        assert_eq!(graph(1.0, false).parameters(), weights + 4 + list);
        assert_eq!(graph(0.0, false).parameters(), weights + 4 + list, "nothing says that it is no bias");
        assert_eq!(graph(0.0, true).parameters(), weights + 8 + list, "scale and shift, no bias");
        assert_eq!(graph(1.0, true).parameters(), weights + 4 + 8 + list);
        assert_eq!(graph(0.0, true).macs(), 9 * 4 * 27);
    }
}
