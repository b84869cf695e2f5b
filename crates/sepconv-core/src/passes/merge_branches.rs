use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::fold::ChannelAffine;
use crate::op::{Activation, Binary, BinaryFunction, Conv2d, Window};
use crate::{Node, Op, Result, Rewriter, Shape, ValueId};

/// Convolutions of one value whose results are added become one convolution, and so does a sum of a convolution and its
/// own input, scaled and shifted or not: blocks that are trained with branches (RepVGG, arXiv:2101.03697; MobileOne,
/// arXiv:2206.04040) are as fast as if they had been exported without.
///
/// `node` is a sum or a difference; the window of one branch must have a tap wherever the other has one.
pub(super) fn merge_branches(rewriter: &mut Rewriter<'_>, node: &Node) -> Result<Option<ValueId>> {
    let (Op::Binary(Binary { function, activation }), &[a, b]) = (&node.op, &node.inputs[..]) else { return Ok(None) };
    let sign = match function {
        BinaryFunction::Add => 1.0,
        BinaryFunction::Sub => -1.0,
        _ => return Ok(None),
    };
    if rewriter.builder.shape(a) != rewriter.builder.shape(b) {
        return Ok(None);
    }
    let signs = [1.0, sign];
    let merged = match [a, b].map(|id| Branch::of(rewriter, id)) {
        [Some(first), Some(second)] => first.merged(second, signs),
        [Some(conv), None] => conv.with_input(rewriter, b, signs),
        [None, Some(conv)] => conv.with_input(rewriter, a, [signs[1], signs[0]]),
        [None, None] => None,
    };
    let Some(Branch { name, x, window, groups, shape, weights, bias }) = merged else { return Ok(None) };
    let weights = rewriter.add_f32(&name, &shape, weights.iter().map(|&w| w as f32).collect())?;
    let bias = rewriter.add_f32(&name, &[bias.len()], bias.iter().map(|&b| b as f32).collect())?;
    let op = Conv2d { window, groups, activation: *activation };
    rewriter.builder.node(&name, op, &[x, weights, bias]).map(Some)
}

/// A convolution whose result has no other reader.
struct Branch {
    name: String,
    x: ValueId,
    window: Window,
    groups: usize,
    /// `[o, kh, kw, c / groups]`
    shape: Shape,
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Branch {
    fn of(rewriter: &Rewriter<'_>, id: ValueId) -> Option<Self> {
        let node = rewriter.sole_producer(id)?;
        let Op::Conv2d(Conv2d { window, groups, activation: Activation::Identity }) = node.op else { return None };
        let [x, weights, bias] = node.inputs[..] else { return None };
        let values = |id| Some(rewriter.f32_constant(id)?.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>());
        let shape = rewriter.builder.shape(weights).clone();
        Some(Self { name: node.name.clone(), x, window, groups, shape, weights: values(weights)?, bias: values(bias)? })
    }

    /// The sum of both branches, each with its sign.
    fn merged(self, other: Self, [sign, other_sign]: [f64; 2]) -> Option<Self> {
        let is_same = self.x == other.x && self.groups == other.groups && self.window.stride == other.window.stride;
        if !is_same {
            return None;
        }
        match Self::taps(&other.window, &self.window) {
            Some(taps) => Some(self.scaled(sign).plus(&other.scaled(other_sign), &taps)),
            None => {
                let taps = Self::taps(&self.window, &other.window)?;
                Some(other.scaled(other_sign).plus(&self.scaled(sign), &taps))
            }
        }
    }

    /// For each axis, the tap of `wide` at the place of each tap of `narrow`; `None` where there is none.
    fn taps(narrow: &Window, wide: &Window) -> Option<[Vec<usize>; 2]> {
        let axis = |axis: usize| {
            let tap = |tap: usize| {
                let place = (tap * narrow.dilation[axis] + wide.before[axis]).checked_sub(narrow.before[axis])?;
                let tap = place / wide.dilation[axis];
                (place.is_multiple_of(wide.dilation[axis]) && tap < wide.kernel[axis]).then_some(tap)
            };
            (0..narrow.kernel[axis]).map(tap).collect::<Option<Vec<usize>>>()
        };
        Some([axis(0)?, axis(1)?])
    }

    fn scaled(mut self, sign: f64) -> Self {
        self.weights.iter_mut().chain(&mut self.bias).for_each(|value| *value *= sign);
        self
    }

    fn plus(mut self, narrow: &Self, [rows, columns]: &[Vec<usize>; 2]) -> Self {
        let &[_, kh, kw, per_group] = &self.shape[..] else { return self };
        let taps = narrow.weights.chunks_exact(per_group).enumerate();
        for (i, tap) in taps {
            let (o, row, column) =
                (i / (rows.len() * columns.len()), i / columns.len() % rows.len(), i % columns.len());
            let place = ((o * kh + rows[row]) * kw + columns[column]) * per_group;
            self.weights[place..].iter_mut().zip(tap).for_each(|(sum, w)| *sum += w);
        }
        self.bias.iter_mut().zip(&narrow.bias).for_each(|(sum, b)| *sum += b);
        self
    }

    /// The sum with `other`, if that is this convolution's input, scaled and shifted channel by channel.
    fn with_input(self, rewriter: &Rewriter<'_>, other: ValueId, [sign, other_sign]: [f64; 2]) -> Option<Self> {
        let [scale, shift] = affine(rewriter, other, self.x)?;
        let &[o, _, _, per_group] = &self.shape[..] else { return None };
        let window = Window { stride: self.window.stride, ..Window::new(1, 1) };
        if window.stride != [1; 2] || o != scale.len() || o != per_group * self.groups {
            return None;
        }
        let [rows, columns] = Self::taps(&window, &self.window)?;
        let (place, [kh, kw]) = ((rows[0], columns[0]), self.window.kernel);
        let mut sum = self.scaled(sign);
        for channel in 0..o {
            let tap = (channel * kh + place.0) * kw + place.1;
            sum.weights[tap * per_group + channel % per_group] += other_sign * scale[channel];
            sum.bias[channel] += other_sign * shift[channel];
        }
        Some(sum)
    }
}

/// Scale and shift of each channel that make `id` of `x`.
fn affine(rewriter: &Rewriter<'_>, id: ValueId, x: ValueId) -> Option<[Vec<f64>; 2]> {
    /// A batch normalization is a product and a sum.
    const MAX_DEPTH: usize = 3;
    let channels = rewriter.builder.shape(x).last();
    let (mut scale, mut shift) = (vec![1.0; channels], vec![0.0; channels]);
    let mut id = id;
    for _ in 0..MAX_DEPTH {
        if id == x {
            return Some([scale, shift]);
        }
        let step = ChannelAffine::of(rewriter, rewriter.sole_producer(id)?)?;
        if step.activation != Activation::Identity || step.scale.len() != channels {
            return None;
        }
        for c in 0..channels {
            shift[c] += scale[c] * step.shift[c];
            scale[c] *= step.scale[c];
        }
        id = step.x;
    }
    (id == x).then_some([scale, shift])
}
