use crate::{Graph, Op};

impl Graph {
    /// Learned numbers in the convention of torch and of papers: weights, biases, and the scale and shift of batch normalisations, not their
    /// means and variances. A bias that only a batch normalisation reads is none.
    pub fn parameters(&self) -> u64 {
        let elements = |node: &crate::Node, i: usize| self.value(node.inputs[i]).shape.elements() as u64;
        let normalised = |node: &crate::Node| {
            self.nodes.iter().any(|next| matches!(next.op, Op::BatchNorm { .. }) && next.inputs[0] == node.output)
        };
        let of = |node: &crate::Node| match &node.op {
            Op::Conv2d(_) | Op::ConvTranspose(_) | Op::QConv2d(_) | Op::Dense { .. } if normalised(node) => {
                elements(node, 1)
            }
            Op::Conv2d(_) | Op::ConvTranspose(_) | Op::QConv2d(_) | Op::Dense { .. } => {
                elements(node, 1) + elements(node, 2)
            }
            Op::BatchNorm { .. } => elements(node, 1) + elements(node, 2),
            _ => 0,
        };
        self.nodes.iter().map(of).sum()
    }

    /// Multiply-accumulates of one run; see [`Op::macs`].
    pub fn macs(&self) -> u64 {
        let of = |node: &crate::Node| {
            let inputs: alloc::vec::Vec<_> = node.inputs.iter().map(|&id| self.value(id)).collect();
            node.op.macs(&inputs, &self.value(node.output).shape)
        };
        self.nodes.iter().map(of).fold(0, u64::saturating_add)
    }
}
