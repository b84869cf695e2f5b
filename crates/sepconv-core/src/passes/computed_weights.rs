use alloc::vec;
use alloc::vec::Vec;

use crate::op::{Binary, BinaryFunction, Concat, Conv2d, Dense, MatMul, Pad, PadMode, Slice, Transpose};
use crate::{Graph, Node, Op, Result, Rewriter, Shape, ValueId, rewrite};

/// Kernels pack weights beforehand. Where a layer's are an input or are computed, it becomes products and sums: a fully
/// connected layer a matrix product, a convolution one of what its taps see.
pub(super) fn computed_weights(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let is_known = |i: usize| rewriter.builder.constant_of(node.inputs[i]).is_some();
        match &node.op {
            Op::Dense(dense) if !is_known(1) => product(rewriter, node, dense),
            Op::Conv2d(conv) if !is_known(1) && node.inputs.len() == 3 => {
                if conv.window.kernel.iter().product::<usize>() > MOST_TAPS {
                    return Ok(None);
                }
                let mut layer = Layer { rewriter, node, conv };
                layer.convolution().map(Some)
            }
            _ => Ok(None),
        }
    })
}

/// Each tap is a node. Larger windows are refused by the planner.
const MOST_TAPS: usize = 1 << 12;

/// `x · weightsᵀ + bias`
fn product(rewriter: &mut Rewriter<'_>, node: &Node, dense: &Dense) -> Result<Option<ValueId>> {
    let &[x, weights, bias] = &node.inputs[..] else { return Ok(None) };
    if rewriter.builder.shape(x).len() < 2 {
        return Ok(None);
    }
    let builder = &mut rewriter.builder;
    let turned = builder.node(&node.name, Transpose { order: vec![1, 0] }, &[weights])?;
    let product = builder.node(&node.name, MatMul, &[x, turned])?;
    let sum = Binary { function: BinaryFunction::Add, activation: dense.activation };
    builder.node(&node.name, sum, &[product, bias]).map(Some)
}

struct Layer<'a, 'g> {
    rewriter: &'a mut Rewriter<'g>,
    node: &'a Node,
    conv: &'a Conv2d,
}

impl Layer<'_, '_> {
    fn convolution(&mut self) -> Result<ValueId> {
        let (x, weights, bias) = (self.node.inputs[0], self.node.inputs[1], self.node.inputs[2]);
        let taps = self.taps(x)?;
        let filters = self.shape(weights);
        let product = match filters[0] == self.conv.groups && filters.last() == 1 {
            true => self.depthwise(&taps, weights)?,
            false => self.standard(&taps, weights)?,
        };
        self.add(Binary { function: BinaryFunction::Add, activation: self.conv.activation }, &[product, bias])
    }

    /// What each tap sees, `[n,oh,ow,c]`.
    fn taps(&mut self, x: ValueId) -> Result<Vec<ValueId>> {
        let window = self.conv.window;
        let around = |[rows, columns]: [usize; 2]| vec![0, rows, columns, 0];
        let pad = Pad { before: around(window.before), after: around(window.after), mode: PadMode::Constant(0.0) };
        let padded = if window.before == [0; 2] && window.after == [0; 2] { x } else { self.add(pad, &[x])? };
        let shape = self.shape(x);
        let [rows, columns] = window.output([shape[1], shape[2]]).unwrap_or_default();
        let sizes = vec![shape[0], rows, columns, shape.last()];
        let steps: Vec<isize> = vec![1, window.stride[0] as isize, window.stride[1] as isize, 1];
        let places = (0..window.kernel[0]).flat_map(|y| (0..window.kernel[1]).map(move |x| [y, x]));
        let tap = |[y, x]: [usize; 2]| {
            let starts = vec![0, y * window.dilation[0], x * window.dilation[1], 0];
            self.add(Slice { starts, steps: steps.clone(), sizes: sizes.clone() }, &[padded])
        };
        places.map(tap).collect()
    }

    /// The sum over taps of what they see, times one weight for each channel.
    fn depthwise(&mut self, taps: &[ValueId], weights: ValueId) -> Result<ValueId> {
        let channels = self.conv.groups;
        let turned = self.add(Transpose { order: vec![1, 2, 3, 0] }, &[weights])?;
        let turned = self.reshape(turned, vec![taps.len(), channels])?;
        let mut sum = None;
        for (i, &tap) in taps.iter().enumerate() {
            let row = Slice { starts: vec![i, 0], steps: vec![1; 2], sizes: vec![1, channels] };
            let row = self.add(row, &[turned])?;
            let product = self.add(BinaryFunction::Mul, &[tap, row])?;
            sum = match sum {
                None => Some(product),
                Some(sum) => Some(self.add(BinaryFunction::Add, &[sum, product])?),
            };
        }
        // A window has a tap.
        Ok(sum.unwrap_or(turned))
    }

    /// For each group a product of matrices: a row is what all taps of a window see.
    fn standard(&mut self, taps: &[ValueId], weights: ValueId) -> Result<ValueId> {
        let (seen, filters, groups) = (self.shape(taps[0]), self.shape(weights), self.conv.groups);
        let [n, rows, columns, channels] = [0, 1, 2, 3].map(|axis| seen[axis]);
        let (pixels, per_group, count) = (rows * columns, channels / groups, taps.len());
        let apart = taps.iter().map(|&tap| self.reshape(tap, vec![n, pixels, 1, channels]));
        let apart: Vec<ValueId> = apart.collect::<Result<_>>()?;
        let patches = self.add(Concat { axis: 2 }, &apart)?;
        let patches = self.reshape(patches, vec![n, pixels, count, groups, per_group])?;
        let patches = self.turned(patches, &[0, 3, 1, 2, 4])?;
        let patches = self.reshape(patches, vec![n, groups, pixels, count * per_group])?;
        let weights = self.reshape(weights, vec![groups, filters[0] / groups, count * per_group])?;
        let weights = self.add(Transpose { order: vec![0, 2, 1] }, &[weights])?;
        let product = self.add(MatMul, &[patches, weights])?;
        let product = self.turned(product, &[0, 2, 1, 3])?;
        self.reshape(product, vec![n, rows, columns, filters[0]])
    }

    /// Axes in another order, unless there is one group: an axis of size 1 is anywhere.
    fn turned(&mut self, x: ValueId, order: &[usize]) -> Result<ValueId> {
        if self.conv.groups == 1 { Ok(x) } else { self.add(Transpose { order: order.to_vec() }, &[x]) }
    }

    fn shape(&self, x: ValueId) -> Shape {
        self.rewriter.builder.shape(x).clone()
    }

    fn reshape(&mut self, x: ValueId, dims: Vec<usize>) -> Result<ValueId> {
        self.rewriter.reshape(&self.node.name, x, Shape::new(dims)?)
    }

    fn add(&mut self, op: impl Into<Op>, operands: &[ValueId]) -> Result<ValueId> {
        self.rewriter.builder.node(&self.node.name, op, operands)
    }
}
