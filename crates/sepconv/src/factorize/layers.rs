use sepconv_core::op::{Conv2d, ConvKind};
use sepconv_core::{Graph, Node, Op, Result, Rewriter, Tensor, ValueId};
use sepconv_kernels::{Activation, Window};

use super::rows::Sampling;
use super::weights::{Separable, Standard};

/// A convolution in one group with known weights.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) node: usize,
    pub(super) conv: Conv2d,
    pub(super) kind: ConvKind,
    pub(super) standard: Standard,
    /// `[h, w, c]`
    pub(super) input: [usize; 3],
    /// `[oh, ow, o]`
    pub(super) output: [usize; 3],
    /// Multiply-accumulates for all images of a batch.
    pub(super) macs: u64,
    /// The most terms that take fewer multiply-accumulates; none where the layer stays as it is.
    pub(super) most_terms: usize,
}

impl Layer {
    /// The layer that a node is; `None` for other operators, groups and computed weights.
    pub(super) fn of(graph: &Graph, i: usize) -> Option<Self> {
        let node = &graph.nodes()[i];
        let Op::Conv2d(conv) = &node.op else { return None };
        if conv.groups != 1 {
            return None;
        }
        let standard = Standard::of(graph, node)?;
        let (x, y) = (&graph.value(node.inputs[0]).shape, &graph.value(node.output).shape);
        let macs = (y.elements() * standard.depth()) as u64;
        let kind = conv.kind(x.last());
        let mut layer = Self {
            node: i,
            conv: conv.clone(),
            kind,
            input: [x[1], x[2], x[3]],
            output: [y[1], y[2], y[3]],
            macs,
            most_terms: 0,
            standard,
        };
        if kind == ConvKind::Standard && layer.standard.taps > 1 {
            let most = layer.standard.taps.min(layer.standard.outputs);
            layer.most_terms = (1..=most).take_while(|&terms| layer.macs_with(Some(terms)) < macs).count();
        }
        Some(layer)
    }

    /// Multiply-accumulates with so many terms: `T·i·(k² + o)` a pixel in place of `k²·i·o`.
    pub(super) fn macs_with(&self, terms: Option<usize>) -> u64 {
        let Some(terms) = terms else { return self.macs };
        let Standard { outputs, taps, .. } = self.standard;
        self.macs / (taps * outputs) as u64 * (terms * (taps + outputs)) as u64
    }

    /// Which pixels are looked at.
    pub(super) fn sampling(&self, samples: usize, most: usize) -> Sampling {
        Sampling { window: self.conv.window, input: self.input, output: self.output, samples, most }
    }
}

/// The operand that is added to a convolution's result.
pub(super) fn residual_of(node: &Node) -> Option<ValueId> {
    node.inputs.get(3).copied()
}

/// A depthwise and a pointwise convolution in place of a node, whose operands are those of the new graph.
pub(super) fn insert_separable(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    layer: &Layer,
    separable: &Separable,
) -> Result<ValueId> {
    let Standard { outputs, channels, .. } = layer.standard;
    let ([kh, kw], middle) = (layer.conv.window.kernel, channels * separable.terms);
    let [weights, bias] = [1, 2].map(|i| rewriter.builder.value(node.inputs[i]).name.clone());
    let name = format!("{}/depthwise", node.name);
    let filters =
        rewriter.add_f32(&format!("{weights}/depthwise"), &[middle, kh, kw, 1], separable.depthwise.clone())?;
    let zero = rewriter.add_f32(&format!("{bias}/depthwise"), &[middle], vec![0.0; middle])?;
    let depthwise = Conv2d { window: layer.conv.window, groups: channels, activation: Activation::Identity };
    let x = rewriter.builder.node(&name, depthwise, &[node.inputs[0], filters, zero])?;
    let mix = rewriter.add_f32(&weights, &[outputs, 1, 1, middle], separable.pointwise.clone())?;
    let bias = rewriter.add_f32(&bias, &[outputs], separable.bias.clone())?;
    let pointwise = Conv2d { window: Window::new(1, 1), groups: 1, activation: layer.conv.activation };
    rewriter.builder.node(&node.name, pointwise, &[&[x, mix, bias], &node.inputs[3..]].concat())
}

/// The same convolution with other weights.
pub(super) fn insert_standard(
    rewriter: &mut Rewriter<'_>,
    node: &Node,
    layer: &Layer,
    standard: &Standard,
) -> Result<ValueId> {
    let names = [1, 2].map(|i| rewriter.builder.value(node.inputs[i]).name.clone());
    let weights = rewriter.builder.constant(&names[0], standard.tensor(layer.conv.window.kernel)?)?;
    let bias = rewriter.builder.constant(&names[1], Tensor::f32([standard.outputs], standard.bias.clone())?)?;
    let inputs = [&[node.inputs[0], weights, bias], &node.inputs[3..]].concat();
    rewriter.builder.node(&node.name, node.op.clone(), &inputs)
}
