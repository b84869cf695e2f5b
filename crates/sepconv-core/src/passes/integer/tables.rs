use alloc::vec::Vec;

use super::Coding;
use crate::passes::rewrite::Rewriter;
use crate::{DType, Op, Result, Tensor, ValueId, op::Lookup};

/// `Quantize(f(Dequantize(x)))` as a table over `x`, made by computing `f` of all bytes with the operators' own definitions. `f` may
/// be any composition of functions of one number, and use `x` in several places.
pub(super) fn bytes(rewriter: &mut Rewriter, name: &str, x: ValueId, coding: Coding) -> Result<Option<ValueId>> {
    let Some(Function { root: Some(root), reals }) = Function::of(rewriter, x, &mut FUEL.clone()) else {
        return Ok(None);
    };
    let quantized = Op::Quantize(coding.quantization()).evaluate(&[&reals], reals.shape())?;
    let Some(table) = quantized.as_u8() else { return Ok(None) };
    let lookup = Lookup::new(DType::U8, |q| table[usize::from(q)]);
    if rewriter.builder.value(root).dtype == DType::U8 && lookup.is(|q| q) {
        return Ok(Some(root));
    }
    rewriter.builder.node(name, Op::Lookup(lookup), &[root]).map(Some)
}

/// How many operators a function may be composed of: real ones have up to ten.
const FUEL: usize = 32;

/// What a value of reals is as a function of bytes.
struct Function {
    /// The bytes, one for each of its elements; `None` for a number that all elements share.
    root: Option<ValueId>,
    /// The number for each byte, or the only one.
    reals: Tensor,
}

impl Function {
    /// `None` where the elements depend on more than one byte each, or on their place.
    fn of(rewriter: &Rewriter, id: ValueId, fuel: &mut usize) -> Option<Self> {
        *fuel = fuel.checked_sub(1)?;
        let shape = rewriter.builder.shape(id);
        if let Some(constant) = rewriter.builder.constant_of(id) {
            return Self::constant(constant);
        }
        let node = rewriter.producer(id)?;
        let function = match &node.op {
            Op::Dequantize(quantization) => {
                quantization.whole()?;
                let bytes = node.inputs[0];
                match rewriter.builder.constant_of(bytes).filter(|constant| constant.shape().elements() == 1) {
                    Some(constant) => Self::constant(&node.op.evaluate(&[constant], constant.shape()).ok()?)?,
                    None => {
                        let all = all_bytes(rewriter.builder.value(bytes).dtype)?;
                        Self { root: Some(bytes), reals: node.op.evaluate(&[&all], all.shape()).ok()? }
                    }
                }
            }
            Op::Unary(_) => {
                let x = Self::of(rewriter, node.inputs[0], fuel)?;
                Self { reals: node.op.evaluate(&[&x.reals], x.reals.shape()).ok()?, ..x }
            }
            Op::Binary { .. } => {
                let mut operands =
                    [Self::of(rewriter, node.inputs[0], fuel)?, Self::of(rewriter, node.inputs[1], fuel)?];
                let root = meet(rewriter, &mut operands, fuel)?;
                let [a, b] = operands.map(|operand| operand.reals);
                let shape = if a.shape().is_empty() { b.shape() } else { a.shape() };
                Self { root, reals: node.op.evaluate(&[&a, &b], shape).ok()? }
            }
            _ => return None,
        };
        // Where operands broadcast, elements are no longer those of the root.
        function.root.is_none_or(|root| rewriter.builder.shape(root) == shape).then_some(function)
    }

    /// A constant of one number.
    fn constant(constant: &Tensor) -> Option<Self> {
        match constant.as_f32()? {
            &[x] => Some(Self { root: None, reals: Tensor::f32([], [x]).ok()? }),
            _ => None,
        }
    }

    /// The same function of the bytes that a table makes the root from.
    fn before_table(&self, rewriter: &Rewriter) -> Option<Self> {
        let node = rewriter.producer(self.root?)?;
        let Op::Lookup(lookup) = &node.op else { return None };
        let reals = self.reals.as_f32()?;
        let reals: Vec<f32> = lookup.table.iter().map(|&q| reals[usize::from(q)]).collect();
        Some(Self { root: Some(node.inputs[0]), reals: Tensor::f32([256], reals).ok()? })
    }
}

/// Makes both operands functions of the same bytes, and says of which: the nearest that both come from through tables.
fn meet(rewriter: &Rewriter, operands: &mut [Function; 2], fuel: &mut usize) -> Option<Option<ValueId>> {
    loop {
        match operands.each_ref().map(|operand| operand.root) {
            [Some(a), Some(b)] if a != b => {
                *fuel = fuel.checked_sub(1)?;
                // What is made later cannot be what the other comes from.
                let later = &mut operands[usize::from(b > a)];
                *later = later.before_table(rewriter)?;
            }
            [a, b] => return Some(a.or(b)),
        }
    }
}

/// Every byte once, in the order of its bits.
fn all_bytes(dtype: DType) -> Option<Tensor> {
    let bits = 0..=u8::MAX;
    match dtype {
        DType::U8 => Tensor::u8([256], bits.collect::<Vec<_>>()).ok(),
        DType::I8 => Tensor::i8([256], bits.map(|bits| bits as i8).collect::<Vec<_>>()).ok(),
        DType::F32 | DType::I64 => None,
    }
}
