use alloc::vec;
use alloc::vec::Vec;
use core::{fmt, ops::Range};

use bytemuck::Pod;
use sepconv_kernels::{Isa, Rows, depthwise};

use crate::{Graph, Node, Op, op::ConvKind, passes::Block};

/// A pointwise layer with its packed weights.
pub(crate) trait PointwiseLayer {
    /// What it reads and writes.
    type Element: Pod;
    /// Channels of the input and of the result.
    fn channels(&self) -> [usize; 2];
    /// Makes pixels of pixels.
    fn run(
        &self,
        isa: Isa,
        weights: &[u8],
        x: &[Self::Element],
        residual: Option<&[Self::Element]>,
        out: &mut [Self::Element],
    );
}

/// A depthwise convolution with its packed weights.
pub(crate) trait DepthwiseLayer {
    /// What it reads and writes.
    type Element: Pod;
    /// Window and planes.
    fn geometry(&self) -> &depthwise::Depthwise;
    /// Makes the output rows `rows`.
    fn run(&self, isa: Isa, weights: &[u8], x: Rows<'_, Self::Element>, rows: Range<usize>, out: &mut [Self::Element]);
}

/// A layer of a block.
pub(crate) enum Part<P, D> {
    Pointwise(P),
    Depthwise(D),
}

/// A depthwise convolution with the pointwise ones around it, a few rows at a time: what lies between them stays in cache.
///
/// Rows of the expansion go into a ring that holds as many as the depthwise window needs, rows of the depthwise result into a
/// strip; the kernels are those that run the layers one by one, so every bit is the same. Where threads meet, the few rows of the
/// expansion that both need are computed twice.
#[derive(Debug)]
pub(crate) struct Fused<P, D> {
    expand: Option<P>,
    depthwise: D,
    project: Option<P>,
    /// Output rows in a strip.
    strip: usize,
}

/// Bytes that the strips of a block should fit in: a part of any core's second-level cache, leaving room for weights.
const CACHE: usize = 384 << 10;

/// Blocks whose inner tensors are smaller stay in the second-level cache anyway; then long products beat short strips.
const WORTH: usize = 512 << 10;

impl<P: PointwiseLayer, D: DepthwiseLayer<Element = P::Element>> Fused<P, D> {
    /// Joins the layers of a [`group`](groups).
    pub(super) fn new(parts: impl Iterator<Item = Part<P, D>>) -> Self {
        let (mut expand, mut depthwise, mut project) = (None, None, None);
        for part in parts {
            match part {
                Part::Pointwise(layer) if depthwise.is_none() => expand = Some(layer),
                Part::Pointwise(layer) => project = Some(layer),
                Part::Depthwise(layer) => depthwise = Some(layer),
            }
        }
        let depthwise = depthwise.expect("a group is around a depthwise convolution");
        let mut fused = Self { expand, depthwise, project, strip: 1 };
        let rows = fused.depthwise.geometry().output[0];
        while fused.strip < rows.min(8) {
            fused.strip += 1;
            if fused.scratch_bytes() > CACHE {
                fused.strip -= 1;
                break;
            }
        }
        fused
    }

    /// The sizes `[h, w, c]` of an input and an output image.
    pub(super) fn planes(&self) -> ([usize; 3], [usize; 3]) {
        let &depthwise::Depthwise { input: [h, w, c], output: [oh, ow, o], .. } = self.depthwise.geometry();
        let input = self.expand.as_ref().map_or(c, |expand| expand.channels()[0]);
        let output = self.project.as_ref().map_or(o, |project| project.channels()[1]);
        ([h, w, input], [oh, ow, output])
    }

    /// Rows of the expansion that the window of a strip covers.
    fn ring_rows(&self) -> usize {
        let depthwise::Depthwise { window, input, .. } = self.depthwise.geometry();
        let extent = (window.kernel[0] - 1) * window.dilation[0] + 1;
        ((self.strip - 1) * window.stride[0] + extent).min(input[0])
    }

    fn ring_len(&self) -> usize {
        let [_, w, c] = self.depthwise.geometry().input;
        if self.expand.is_some() { self.ring_rows() * w * c } else { 0 }
    }

    /// Bytes of scratch: the ring and the strip.
    pub(super) fn scratch_bytes(&self) -> usize {
        let [_, ow, o] = self.depthwise.geometry().output;
        let strip = if self.project.is_some() { self.strip * ow * o } else { 0 };
        (self.ring_len() + strip) * size_of::<P::Element>()
    }

    /// Makes the output rows `rows` of one image `x`.
    #[expect(clippy::too_many_arguments, reason = "as many as a step has operands")]
    pub(super) fn run(
        &self,
        isa: Isa,
        weights: &[u8],
        x: &[P::Element],
        residual: Option<&[P::Element]>,
        rows: Range<usize>,
        out: &mut [P::Element],
        scratch: &mut [P::Element],
    ) {
        let ([_, w, c], [_, ow, o]) = self.planes();
        let (ring, rest) = scratch.split_at_mut(self.ring_len());
        let mut expanded = 0;
        for (i, out) in out.chunks_mut(self.strip * ow * o).enumerate() {
            let first = rows.start + i * self.strip;
            let strip = first..first + out.len() / (ow * o);
            let source = match &self.expand {
                Some(expand) => {
                    let needed = self.input_rows(&strip);
                    let missing = needed.start.max(expanded)..needed.end;
                    expanded = needed.end.max(expanded);
                    self.fill(isa, weights, expand, x, missing, ring);
                    Rows::new(&*ring, ring.len() / self.ring_rows())
                }
                None => Rows::new(x, w * c),
            };
            match &self.project {
                Some(project) => {
                    let middle = &mut rest[..strip.len() * ow * project.channels()[0]];
                    self.depthwise.run(isa, weights, source, strip, middle);
                    let residual = residual.map(|residual| &residual[i * self.strip * ow * o..][..out.len()]);
                    project.run(isa, weights, middle, residual, out);
                }
                None => self.depthwise.run(isa, weights, source, strip, out),
            }
        }
    }

    /// The input rows that the windows of some output rows meet.
    fn input_rows(&self, rows: &Range<usize>) -> Range<usize> {
        let &depthwise::Depthwise { window, input: [h, ..], .. } = self.depthwise.geometry();
        let extent = (window.kernel[0] - 1) * window.dilation[0] + 1;
        let start = (rows.start * window.stride[0]).saturating_sub(window.before[0]);
        let end = ((rows.end - 1) * window.stride[0] + extent).saturating_sub(window.before[0]);
        start.min(h)..end.min(h)
    }

    /// Expands the input rows `rows` into their places in the ring, neighbours at once.
    fn fill(
        &self,
        isa: Isa,
        weights: &[u8],
        expand: &P,
        x: &[P::Element],
        rows: Range<usize>,
        ring: &mut [P::Element],
    ) {
        let ([_, width, _], [k, n]) = (self.depthwise.geometry().input, expand.channels());
        let slots = self.ring_rows();
        let mut y = rows.start;
        while y < rows.end {
            let slot = y % slots;
            let count = (rows.end - y).min(slots - slot);
            let from = &x[y * width * k..][..count * width * k];
            let to = &mut ring[slot * width * n..][..count * width * n];
            expand.run(isa, weights, from, None, to);
            y += count;
        }
    }
}

impl<P: PointwiseLayer, D: DepthwiseLayer<Element = P::Element>> fmt::Display for Fused<P, D> {
    /// Why the layers run together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} row(s) at a time through {} kB that stay in cache",
            self.strip,
            self.scratch_bytes().div_ceil(1000)
        )
    }
}

/// The nodes of a graph in the groups that become steps, in an order that keeps dependencies: most alone, the layers around a
/// depthwise convolution together where what lies between them is large.
pub(super) fn groups(graph: &Graph, blocks: &[Block]) -> Vec<Vec<usize>> {
    let together: Vec<Vec<usize>> = blocks.iter().filter_map(|block| group(graph, block)).collect();
    // A group runs where its last node stands: nobody else reads what its other nodes make.
    let lead = |i: usize| together.iter().find(|group| group.contains(&i));
    (0..graph.nodes.len())
        .filter_map(|i| match lead(i) {
            None => Some(vec![i]),
            Some(group) => (group.last() == Some(&i)).then(|| group.clone()),
        })
        .collect()
}

fn group(graph: &Graph, block: &Block) -> Option<Vec<usize>> {
    let node = |i: usize| &graph.nodes[i];
    let at = block.nodes.iter().position(|&i| ConvKind::of(graph, node(i)) == Some(ConvKind::Depthwise))?;
    let depthwise = block.nodes[at];
    let pointwise = |i: &usize| ConvKind::of(graph, node(*i)) == Some(ConvKind::Pointwise);
    // Residuals are added to the last layer only.
    let plain = |i: &usize| !adds_residual(node(*i));
    let depthwise = Some(depthwise).filter(plain)?;
    let expand = at.checked_sub(1).map(|i| block.nodes[i]).filter(pointwise).filter(plain);
    let project = block.nodes.get(at + 1).copied().filter(pointwise);
    let project = project.filter(|&i| node(i).inputs[0] == node(depthwise).output);
    let bytes = |i: usize| graph.value(node(i).output).bytes();
    let inner = expand.map_or(0, bytes) + if project.is_some() { bytes(depthwise) } else { 0 };
    let images = graph.value(node(depthwise).output).shape[0].max(1);
    (inner / images > WORTH).then(|| expand.into_iter().chain([depthwise]).chain(project).collect())
}

fn adds_residual(node: &Node) -> bool {
    match &node.op {
        Op::QConv2d(_) => node.inputs.len() > 4,
        _ => node.inputs.len() > 3,
    }
}
