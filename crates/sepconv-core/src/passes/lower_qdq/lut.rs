use alloc::vec::Vec;

use super::U8Params;
use crate::op::{Dequantize, Lut, Quantize};
use crate::{DType, Op, Result, Rewriter, Tensor, ValueId};

/// `Quantize(f(Dequantize(x)))` as a table over `x`, made by evaluating `f` for every integer with the operators' own
/// definitions. `f` may be any composition of functions of one number, and use `x` in several places.
pub(super) fn quantized(
    rewriter: &mut Rewriter<'_>,
    name: &str,
    x: ValueId,
    params: U8Params,
) -> Result<Option<ValueId>> {
    let Some(Function { root: Some(root), dequantized }) = Function::of(rewriter, x, &mut MAX_OPERATORS.clone()) else {
        return Ok(None);
    };
    let quantized = Op::from(Quantize(params.quant_params())).evaluate(&[&dequantized], dequantized.shape())?;
    let Some(table) = quantized.as_u8() else { return Ok(None) };
    let lut = Lut::new(DType::U8, |q| table[usize::from(q)]);
    if rewriter.builder.value(root).dtype == DType::U8 && lut.is(|q| q) {
        return Ok(Some(root));
    }
    rewriter.builder.node(name, lut, &[root]).map(Some)
}

/// How many operators a function may be composed of: real ones have up to ten.
const MAX_OPERATORS: usize = 32;

/// A real value as a function of an 8-bit integer.
struct Function {
    /// The integers, one for each element; `None` for a number that all elements share.
    root: Option<ValueId>,
    /// The real number for each integer, or the only one.
    dequantized: Tensor,
}

impl Function {
    /// `None` where the elements depend on more than one integer each, or on their position. `budget` counts operators.
    fn of(rewriter: &Rewriter<'_>, id: ValueId, budget: &mut usize) -> Option<Self> {
        *budget = budget.checked_sub(1)?;
        let shape = rewriter.builder.shape(id);
        if let Some(constant) = rewriter.builder.constant_of(id) {
            return Self::constant(constant);
        }
        let node = rewriter.producer(id)?;
        let function = match &node.op {
            Op::Dequantize(Dequantize(params)) => {
                params.as_per_tensor()?;
                let x = node.inputs[0];
                match rewriter.builder.constant_of(x).filter(|constant| constant.shape().elements() == 1) {
                    Some(constant) => Self::constant(&node.op.evaluate(&[constant], constant.shape()).ok()?)?,
                    None => {
                        let all = all_integers(rewriter.builder.value(x).dtype)?;
                        Self { root: Some(x), dequantized: node.op.evaluate(&[&all], all.shape()).ok()? }
                    }
                }
            }
            Op::Unary(_) => {
                let x = Self::of(rewriter, node.inputs[0], budget)?;
                Self { dequantized: node.op.evaluate(&[&x.dequantized], x.dequantized.shape()).ok()?, ..x }
            }
            Op::Binary(_) => {
                let mut operands =
                    [Self::of(rewriter, node.inputs[0], budget)?, Self::of(rewriter, node.inputs[1], budget)?];
                let root = common_root(rewriter, &mut operands, budget)?;
                let [a, b] = operands.map(|operand| operand.dequantized);
                let shape = if a.shape().is_empty() { b.shape() } else { a.shape() };
                Self { root, dequantized: node.op.evaluate(&[&a, &b], shape).ok()? }
            }
            _ => return None,
        };
        // Where operands broadcast, elements are no longer those of the root.
        function.root.is_none_or(|root| rewriter.builder.shape(root) == shape).then_some(function)
    }

    /// A constant of one number.
    fn constant(constant: &Tensor) -> Option<Self> {
        match constant.as_f32()? {
            &[x] => Some(Self { root: None, dequantized: Tensor::f32([], [x]).ok()? }),
            _ => None,
        }
    }

    /// The same function of the integers that a table makes the root from.
    fn before_lut(&self, rewriter: &Rewriter<'_>) -> Option<Self> {
        let node = rewriter.producer(self.root?)?;
        let Op::Lut(lut) = &node.op else { return None };
        let dequantized = self.dequantized.as_f32()?;
        let dequantized: Vec<f32> = lut.table.iter().map(|&q| dequantized[usize::from(q)]).collect();
        Some(Self { root: Some(node.inputs[0]), dequantized: Tensor::f32([256], dequantized).ok()? })
    }
}

/// Makes both operands functions of the same integers: the nearest that both come from through tables. Returns them.
fn common_root(rewriter: &Rewriter<'_>, operands: &mut [Function; 2], budget: &mut usize) -> Option<Option<ValueId>> {
    loop {
        match operands.each_ref().map(|operand| operand.root) {
            [Some(a), Some(b)] if a != b => {
                *budget = budget.checked_sub(1)?;
                // A later value cannot be the source of an earlier one.
                let later = &mut operands[usize::from(b > a)];
                *later = later.before_lut(rewriter)?;
            }
            [a, b] => return Some(a.or(b)),
        }
    }
}

/// Every 8-bit integer once, in the order of its bits.
fn all_integers(dtype: DType) -> Option<Tensor> {
    let bits = 0..=u8::MAX;
    match dtype {
        DType::U8 => Tensor::u8([256], bits.collect::<Vec<_>>()).ok(),
        DType::I8 => Tensor::i8([256], bits.map(|bits| bits as i8).collect::<Vec<_>>()).ok(),
        DType::F32 | DType::I64 => None,
    }
}
