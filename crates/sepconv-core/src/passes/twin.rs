use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::pairs::{Pair, pairs};
use super::rewrite::{Rewriter, rewrite};
use super::tidy;
use crate::{Error, Graph, Limits, Node, Op, Result, Shape, ValueId, builder::memory_error, op::Conv2d};

/// The network with a standard convolution in place of every [`Pair`]: same window, stride, padding, dilation, channels in and out, with
/// the residual and the activation of the pointwise convolution and whatever follows it. An inverted residual keeps its expansion.
///
/// Its weights are the product of the pair's, `w[o,ky,kx,i] = Σ_m pointwise[o, i·M+m] · depthwise[i·M+m, ky,kx]` for a depth multiplier M, and so is
/// its bias: what the pair would compute without anything between. Normalisation, activation and squeeze-excite between them are left out, since
/// what they worked on is no more. Where there are none, the twin computes what the network does, else it has the cost of a standard network
/// and an answer without meaning.
///
/// The result is [`tidy`]: its batch normalisations are not folded yet, one for each standard convolution.
///
/// # Errors
/// When the standard convolutions would pass `limits`; nothing large is allocated before that is known.
pub fn twin(graph: &Graph, limits: &Limits) -> Result<Graph> {
    let graph = tidy(graph.clone())?;
    let pairs: Vec<Pair> = pairs(&graph).into_iter().flatten().collect();
    check(&graph, &pairs, limits)?;
    let output = |node: usize| graph.nodes[node].output;
    let partners: BTreeMap<_, _> = pairs.iter().map(|pair| (output(pair.pointwise), output(pair.depthwise))).collect();
    let mut grouped: BTreeMap<ValueId, Node> = BTreeMap::new();
    rewrite(&graph, |rewriter, node| {
        let depthwise = partners.get(&node.output).and_then(|depthwise| grouped.get(depthwise));
        if let Some(depthwise) = depthwise {
            return standard(rewriter, depthwise, node);
        }
        if matches!(&node.op, Op::Conv2d(conv) if conv.groups > 1) {
            grouped.insert(node.output, node.clone());
        }
        Ok(None)
    })
}

/// The limits, before anything is allocated for weights.
fn check(graph: &Graph, pairs: &[Pair], limits: &Limits) -> Result<()> {
    let (mut bytes, mut macs) = (0_usize, 0_u64);
    for pair in pairs {
        let [depthwise, pointwise] = [pair.depthwise, pair.pointwise].map(|i| &graph.nodes[i]);
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

/// One convolution that does what a depthwise and then a pointwise one do.
fn standard(rewriter: &mut Rewriter, depthwise: &Node, pointwise: &Node) -> Result<Option<ValueId>> {
    let (Op::Conv2d(first), Op::Conv2d(second)) = (&depthwise.op, &pointwise.op) else { return Ok(None) };
    let floats = |node: &Node, i: usize| rewriter.floats(node.inputs[i]);
    let (Some(filters), Some(shifts)) = (floats(depthwise, 1), floats(depthwise, 2)) else { return Ok(None) };
    let (Some(mix), Some(bias)) = (floats(pointwise, 1), floats(pointwise, 2)) else { return Ok(None) };
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
    let bias = rewriter.constant(&names[1], &[sums.len()], sums)?;
    let weights = rewriter.constant(&names[0], &dims, weights)?;
    let op = Op::Conv2d(Conv2d { window: first.window, groups: 1, activation: second.activation });
    let inputs = [&[depthwise.inputs[0], weights, bias], &pointwise.inputs[3..]].concat();
    rewriter.builder.node(&pointwise.name, op, &inputs).map(Some)
}
