use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::canonicalize_without_folding;
use crate::analysis::{SeparableConv, separable_convs};
use crate::graph::memory_error;
use crate::op::Conv2d;
use crate::{Error, Graph, Limits, Node, Op, Result, Rewriter, Shape, ValueId, rewrite};

/// The network with a standard convolution in place of every [`SeparableConv`]: same window, stride, padding, dilation,
/// input and output channels, with the residual and the activation of the pointwise convolution and the nodes after it.
/// An inverted residual keeps its expansion.
///
/// The weights are the product of both convolutions, `w[o,ky,kx,i] = Σ_m pointwise[o, i·M+m] · depthwise[i·M+m, ky,kx]`
/// for a depth multiplier M, and so is the bias: what they would compute without anything between them. Normalization,
/// activation and squeeze-excite between them are omitted, since their operand no longer exists. Where there are none,
/// the result computes the same function; otherwise it has the cost of a standard network, and its answers mean
/// nothing.
///
/// The result is [canonical](canonicalize_without_folding): its batch normalizations are not folded yet, one for each
/// standard convolution.
///
/// # Errors
/// When the standard convolutions would exceed `limits`; nothing large is allocated before that is known.
pub fn with_standard_convs(graph: &Graph, limits: &Limits) -> Result<Graph> {
    let graph = canonicalize_without_folding(graph.clone())?;
    let separable: Vec<SeparableConv> = separable_convs(&graph).into_iter().flatten().collect();
    check(&graph, &separable, limits)?;
    let output = |node: usize| graph.nodes[node].output;
    let depthwise_of: BTreeMap<_, _> =
        separable.iter().map(|conv| (output(conv.pointwise), output(conv.depthwise))).collect();
    let mut grouped: BTreeMap<ValueId, Node> = BTreeMap::new();
    rewrite(&graph, |rewriter, node| {
        let depthwise = depthwise_of.get(&node.output).and_then(|depthwise| grouped.get(depthwise));
        if let Some(depthwise) = depthwise {
            return standard_conv(rewriter, depthwise, node);
        }
        if matches!(&node.op, Op::Conv2d(conv) if conv.groups > 1) {
            grouped.insert(node.output, node.clone());
        }
        Ok(None)
    })
}

/// Checks the limits before anything is allocated for weights.
fn check(graph: &Graph, separable: &[SeparableConv], limits: &Limits) -> Result<()> {
    let (mut bytes, mut macs) = (0_usize, 0_u64);
    for conv in separable {
        let [depthwise, pointwise] = [conv.depthwise, conv.pointwise].map(|i| &graph.nodes[i]);
        let (input, output) = (&graph.value(depthwise.inputs[0]).shape, &graph.value(pointwise.output).shape);
        let [_, kh, kw, _] = graph.value(depthwise.inputs[1]).shape[..] else { continue };
        let weights = Shape::new([output.last(), kh, kw, input.last()])?.elements();
        let pixels = output.elements() / output.last().max(1);
        bytes = bytes.saturating_add(weights.saturating_mul(size_of::<f32>()));
        macs = macs.saturating_add((weights as u64).saturating_mul(pixels as u64));
    }
    if bytes > limits.max_memory {
        return Err(memory_error(bytes, limits.max_memory).at("weights of its standard convolutions"));
    }
    if macs > limits.max_macs {
        return Err(Error::limit("standard convolutions cost too much arithmetic")
            .expected(format_args!("at most {} multiply-accumulates", limits.max_macs), macs)
            .help("raise Limits::max_macs (--max-macs) if the file is trusted"));
    }
    Ok(())
}

/// One convolution that computes a depthwise and then a pointwise one.
fn standard_conv(rewriter: &mut Rewriter<'_>, depthwise: &Node, pointwise: &Node) -> Result<Option<ValueId>> {
    let (Op::Conv2d(first), Op::Conv2d(second)) = (&depthwise.op, &pointwise.op) else { return Ok(None) };
    let constant = |node: &Node, i: usize| rewriter.f32_constant(node.inputs[i]);
    let (Some(filters), Some(shifts)) = (constant(depthwise, 1), constant(depthwise, 2)) else { return Ok(None) };
    let (Some(mix), Some(bias)) = (constant(pointwise, 1), constant(pointwise, 2)) else { return Ok(None) };
    let [kh, kw] = first.window.kernel;
    let (channels, middle, taps) = (first.groups, shifts.len(), kh * kw);
    let dims = [bias.len(), kh, kw, channels];
    let mut weights = vec![0.0; bias.len() * taps * channels];
    let mut sums = Vec::with_capacity(bias.len());
    for (o, mix) in mix.chunks_exact(middle.max(1)).enumerate() {
        let filter = &mut weights[o * taps * channels..][..taps * channels];
        for (j, &mix) in mix.iter().enumerate() {
            let channel = j * channels / middle;
            for (tap, weight) in filters[j * taps..][..taps].iter().enumerate() {
                filter[tap * channels + channel] += mix * weight;
            }
        }
        let shift: f64 = mix.iter().zip(shifts).map(|(&mix, &shift)| f64::from(mix) * f64::from(shift)).sum();
        sums.push((f64::from(bias[o]) + shift) as f32);
    }
    let names = [1, 2].map(|i| rewriter.builder.value(pointwise.inputs[i]).name.clone());
    let bias = rewriter.add_f32(&names[1], &[sums.len()], sums)?;
    let weights = rewriter.add_f32(&names[0], &dims, weights)?;
    let op = Conv2d { window: first.window, groups: 1, activation: second.activation };
    let inputs = [&[depthwise.inputs[0], weights, bias], &pointwise.inputs[3..]].concat();
    rewriter.builder.node(&pointwise.name, op, &inputs).map(Some)
}
