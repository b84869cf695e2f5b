use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use crate::{Graph, Node, Op, Uses, ValueId};

impl Graph {
    /// The number of trainable parameters, as PyTorch counts them: weights and biases of layers, scales and shifts of
    /// batch normalization (not its mean and variance), and tensors that are added or multiplied element by element. A
    /// tensor that several nodes read counts once.
    ///
    /// Meant for a network as it was imported or built: passes fold batch normalization into the weights before it. A
    /// layer has no bias where its bias is zero and batch normalization follows, which cancels a bias.
    pub fn parameters(&self) -> usize {
        let uses = Uses::new(self);
        let normalized = self.normalized(&uses);
        let mut counted = BTreeSet::new();
        for node in &self.nodes {
            for (i, &id) in node.inputs.iter().enumerate() {
                let is_parameter = node.op.operator().is_parameter(i, self.value(id));
                if is_parameter && !(i == 2 && normalized[node.output.0] && self.is_implicit_bias(node, id)) {
                    counted.extend(self.stored(id, &uses));
                }
            }
        }
        counted.iter().map(|&id| self.value(id).shape.elements()).sum()
    }

    /// The multiply-accumulates of one run, as papers count them: those of convolutions (squeeze-excite included),
    /// fully connected layers and matrix products. Everything else is free; saturates.
    pub fn macs(&self) -> u64 {
        let cost = |node: &Node| node.op.macs(&self.operands(node), &self.value(node.output).shape);
        self.nodes.iter().map(cost).fold(0, u64::saturating_add)
    }

    /// Whether the bias of a node is there only because the operator has one: zero before batch normalization.
    fn is_implicit_bias(&self, node: &Node, bias: ValueId) -> bool {
        let is_layer = matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense(_));
        let elements = self.value(bias).constant.as_ref().and_then(|tensor| tensor.as_f32());
        is_layer && elements.is_some_and(|bias| bias.iter().all(|&x| x == 0.0))
    }

    /// For each value: whether all nodes that read it normalize it, directly or after the transposes that importers put
    /// between layers.
    fn normalized(&self, uses: &Uses) -> Vec<bool> {
        let mut normalized = vec![false; self.values.len()];
        // Backwards, so that the readers of a transpose are known before it.
        for id in self.nodes.iter().rev().map(|node| node.output) {
            let normalizes = |reader: &Node| match reader.op {
                Op::BatchNorm(_) => reader.inputs[0] == id,
                Op::Transpose(_) => normalized[reader.output.0],
                _ => false,
            };
            let readers = uses.readers(id);
            let all = readers.iter().all(|&reader| normalizes(&self.nodes[reader]));
            normalized[id.0] = all && !readers.is_empty() && !uses.is_output(id);
        }
        normalized
    }

    /// The constant that a value is, or that it is dequantized from.
    fn stored(&self, id: ValueId, uses: &Uses) -> Option<ValueId> {
        let producer = uses.producer(id).map(|node| &self.nodes[node]);
        let id = producer.filter(|node| matches!(node.op, Op::Dequantize(_))).map_or(id, |node| node.inputs[0]);
        self.value(id).constant.as_ref().map(|_| id)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::op::{Activation, BatchNorm, BinaryFunction, Conv2d, Transpose, Window};
    use crate::{Builder, DType, Limits, Shape, Tensor};

    /// A convolution of 3 to 4 channels with this bias, normalized or not, then a product with one number and one with
    /// four.
    fn graph(bias: f32, normalized: bool) -> Graph {
        let mut builder = Builder::new(Limits::default());
        let constant = |builder: &mut Builder, dims: &[usize], x: f32| {
            let elements = dims.iter().product();
            builder
                .constant("c", Tensor::f32(dims, vec![x; elements]).expect("it fills its shape"))
                .expect("it is small")
        };
        let x = builder.input("x", Shape::new([1, 5, 5, 3]).expect("it is small"), DType::F32).expect("it is small");
        let (weights, bias) = (constant(&mut builder, &[4, 3, 3, 3], 1.0), constant(&mut builder, &[4], bias));
        let conv = Conv2d { window: Window::new(3, 3), groups: 1, activation: Activation::Identity };
        let mut y = builder.node("conv", conv, &[x, weights, bias]).expect("shapes agree");
        if normalized {
            for order in [[0, 3, 1, 2], [0, 2, 3, 1]] {
                y = builder.node("transpose", Transpose { order: order.to_vec() }, &[y]).expect("shapes agree");
            }
            let statistics = [1.0, 2.0, 3.0, 4.0].map(|x| constant(&mut builder, &[4], x));
            y = builder
                .node("norm", BatchNorm { epsilon: 0.0 }, &[&[y], &statistics[..]].concat())
                .expect("shapes agree");
        }
        for count in [1, 4] {
            let factor = constant(&mut builder, &[count], 2.0);
            y = builder.node("scale", BinaryFunction::Mul, &[y, factor]).expect("shapes agree");
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
