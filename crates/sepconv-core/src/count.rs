use alloc::collections::BTreeSet;

use crate::{DType, Graph, Node, Op, Value, ValueId};

impl Graph {
    /// The parameters that training would find, as PyTorch counts them: weights and biases of layers, scales and shifts of batch
    /// normalisation (not its mean and variance), and lists that something is added to or multiplied with element by element. A tensor
    /// that several nodes read counts once.
    ///
    /// Meant for a network as it was imported or built: passes fold batch normalisation into the weights before it. A layer has no bias
    /// where its bias is zero and batch normalisation follows, which would take it away again.
    pub fn parameters(&self) -> usize {
        let mut counted = BTreeSet::new();
        for node in &self.nodes {
            let operands = node.inputs.iter().enumerate();
            let learnt = operands.filter(|&(i, &id)| self.is_learnt(node, i) && !self.is_missing_bias(node, i, id));
            counted.extend(learnt.filter_map(|(_, &id)| self.bytes_behind(id)));
        }
        counted.iter().map(|&id| self.value(id).shape.elements()).sum()
    }

    /// The multiply-accumulates of one run, as papers count them: those of convolutions (squeeze-excite included), fully connected layers and
    /// matrix products. Everything else is free; saturates.
    pub fn macs(&self) -> u64 {
        let cost = |node: &Node| {
            let operands: alloc::vec::Vec<&Value> = node.inputs.iter().map(|&id| self.value(id)).collect();
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

    /// Whether an operand is a bias that only the operator wants.
    fn is_missing_bias(&self, node: &Node, i: usize, id: ValueId) -> bool {
        let is_layer = matches!(node.op, Op::Conv2d(_) | Op::ConvTranspose(_) | Op::Dense { .. });
        let zero = |value: &Value| {
            value
                .constant
                .as_ref()
                .and_then(|tensor| tensor.as_f32())
                .is_some_and(|bias| bias.iter().all(|&x| x == 0.0))
        };
        is_layer && i == 2 && zero(self.value(id)) && self.is_normalised(node.output)
    }

    /// Whether batch normalisation alone reads a value, directly or behind the two transposes that importers put between layers.
    fn is_normalised(&self, mut value: ValueId) -> bool {
        for _ in 0..=2 {
            let mut readers = self.nodes.iter().filter(|reader| reader.inputs.contains(&value));
            match (readers.next(), readers.next()) {
                (Some(Node { op: Op::BatchNorm { .. }, .. }), None) => return true,
                (Some(Node { op: Op::Transpose { .. }, output, .. }), None) => value = *output,
                _ => return false,
            }
        }
        false
    }

    /// The constant that a value is, or whose bytes it stands for.
    fn bytes_behind(&self, id: ValueId) -> Option<ValueId> {
        let made = || self.nodes.iter().find(|node| node.output == id && matches!(node.op, Op::Dequantize(_)));
        let id = if self.value(id).constant.is_some() { id } else { made()?.inputs[0] };
        self.value(id).constant.as_ref().map(|_| id)
    }
}
