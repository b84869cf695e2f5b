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
    let mut parts = BTreeMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        let output = |node: usize| graph.nodes[node].output;
        parts.insert(output(pair.depthwise), (i, Part::Depthwise));
        parts.insert(output(pair.pointwise), (i, Part::Pointwise));
    }
    let mut filters: Vec<Option<Filters>> = pairs.iter().map(|_| None).collect();
    rewrite(&graph, |rewriter, node| {
        let Some(&(pair, ref part)) = parts.get(&node.output) else { return Ok(None) };
        match (part, &mut filters[pair]) {
            (Part::Depthwise, filters) => *filters = Filters::of(rewriter, node),
            (Part::Pointwise, Some(filters)) => return filters.standard(rewriter, node),
            (Part::Pointwise, None) => {}
        }
        Ok(None)
    })
}

/// What a node is in its pair.
enum Part {
    Depthwise,
    Pointwise,
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
            .help("raise Limits::max_macs if the file is trusted"));
    }
    Ok(())
}

/// A depthwise convolution and its weights.
struct Filters {
    conv: Conv2d,
    x: ValueId,
    /// `[c·M,kh,kw]`
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Filters {
    fn of(rewriter: &Rewriter, node: &Node) -> Option<Self> {
        let Op::Conv2d(conv) = &node.op else { return None };
        let floats = |i: usize| Some(rewriter.floats(node.inputs[i])?.iter().map(|&x| f64::from(x)).collect());
        Some(Self { conv: conv.clone(), x: node.inputs[0], weights: floats(1)?, bias: floats(2)? })
    }

    /// One convolution that does what this and then the pointwise one `node` do.
    fn standard(&self, rewriter: &mut Rewriter, node: &Node) -> Result<Option<ValueId>> {
        let Op::Conv2d(pointwise) = &node.op else { return Ok(None) };
        let (Some(mix), Some(bias)) = (rewriter.floats(node.inputs[1]), rewriter.floats(node.inputs[2])) else {
            return Ok(None);
        };
        let (channels, middle) = (self.conv.groups, self.bias.len());
        let [kh, kw] = self.conv.window.kernel;
        let (taps, multiplier) = (kh * kw, middle / channels);
        let mut weights = vec![0.0; bias.len() * taps * channels];
        let mut sums = Vec::with_capacity(bias.len());
        for (o, mix) in mix.chunks_exact(middle).enumerate() {
            let filter = &mut weights[o * taps * channels..][..taps * channels];
            for (j, &mix) in mix.iter().enumerate() {
                for (tap, &weight) in self.weights[j * taps..][..taps].iter().enumerate() {
                    filter[tap * channels + j / multiplier] += (f64::from(mix) * weight) as f32;
                }
            }
            let shift: f64 = mix.iter().zip(&self.bias).map(|(&mix, bias)| f64::from(mix) * bias).sum();
            sums.push((f64::from(bias[o]) + shift) as f32);
        }
        let names = [1, 2].map(|i| rewriter.builder.value(node.inputs[i]).name.clone());
        let bias = rewriter.constant(&names[1], &[sums.len()], sums)?;
        let weights = rewriter.constant(&names[0], &[weights.len() / (taps * channels), kh, kw, channels], weights)?;
        let op = Op::Conv2d(Conv2d { window: self.conv.window, groups: 1, activation: pointwise.activation });
        let inputs = [&[self.x, weights, bias], &node.inputs[3..]].concat();
        rewriter.builder.node(&node.name, op, &inputs).map(Some)
    }
}
