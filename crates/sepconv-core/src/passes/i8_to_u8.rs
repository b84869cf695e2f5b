use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::op::{Dequantize, Lut, QuantParams, Quantize};
use crate::{DType, Graph, Node, Op, Result, Rewriter, Tensor, ValueId, rewrite};

/// i8 activations become u8, the dtype of the kernels: the same numbers with a zero point that is 128 higher, so the
/// same bits except the first. Tables translate at inputs and outputs of the graph. Weights stay as they are.
pub(super) fn i8_to_u8(graph: &Graph) -> Result<Graph> {
    let mut inputs = BTreeMap::new();
    rewrite(graph, |rewriter, node| I8ToU8 { rewriter, inputs: &mut inputs }.node(node))
}

/// In the new graph, a computed i8 value is a table over its u8 form: an operator that this pass knows reads the u8
/// form instead, and the table vanishes where all readers do.
struct I8ToU8<'a, 'g> {
    rewriter: &'a mut Rewriter<'g>,
    /// u8 forms of the graph's inputs.
    inputs: &'a mut BTreeMap<ValueId, ValueId>,
}

impl I8ToU8<'_, '_> {
    fn node(&mut self, node: &Node) -> Result<Option<ValueId>> {
        let is_i8 = self.is_i8(node.inputs[0]);
        let op: Op = match &node.op {
            Op::Quantize(Quantize(params)) if params.dtype == DType::I8 => Quantize(to_u8(params)).into(),
            Op::Dequantize(Dequantize(params)) if is_i8 && !self.is_constant(node.inputs[0]) => {
                Dequantize(to_u8(params)).into()
            }
            Op::Lut(lut) => return self.lut(node, lut),
            op if is_i8 => match op.operator().recoded(&|fill| Some(f32::from(fill as i8) + 128.0)) {
                Some(op) => op,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let inputs = node.inputs.iter().map(|&id| self.as_u8(id)).collect::<Result<Vec<_>>>()?;
        let result = self.rewriter.builder.node(&node.name, op, &inputs)?;
        match self.rewriter.builder.value(result).dtype {
            DType::U8 => self.as_i8(&node.name, result).map(Some),
            DType::F32 | DType::I64 | DType::I8 => Ok(Some(result)),
        }
    }

    /// A table reads the u8 form, if there is one, and makes it.
    fn lut(&mut self, node: &Node, lut: &Lut) -> Result<Option<ValueId>> {
        let x = node.inputs[0];
        let u8_form = self.u8_form(x);
        let makes_i8 = lut.output == DType::I8 && !self.is_translation(node);
        if u8_form.is_none() && !makes_i8 {
            return Ok(None);
        }
        let read = if u8_form.is_some() { SIGN_BIT } else { 0 };
        let made = if lut.output == DType::I8 { SIGN_BIT } else { 0 };
        let table = Lut::new(DType::U8, |q| lut.get(q ^ read) ^ made);
        let result = self.rewriter.builder.node(&node.name, table, &[u8_form.unwrap_or(x)])?;
        if made == 0 { Ok(Some(result)) } else { self.as_i8(&node.name, result).map(Some) }
    }

    fn is_i8(&self, id: ValueId) -> bool {
        self.rewriter.builder.value(id).dtype == DType::I8
    }

    fn is_constant(&self, id: ValueId) -> bool {
        self.rewriter.builder.constant_of(id).is_some()
    }

    /// Whether a node is the table that makes an i8 value of its u8 form.
    fn is_translation(&self, node: &Node) -> bool {
        let Op::Lut(lut) = &node.op else { return false };
        lut.output == DType::I8 && !self.is_i8(node.inputs[0]) && lut.is(|q| q ^ SIGN_BIT)
    }

    /// The u8 form of an i8 value that the new graph computes.
    fn u8_form(&self, id: ValueId) -> Option<ValueId> {
        self.rewriter.producer(id).filter(|node| self.is_translation(node)).map(|node| node.inputs[0])
    }

    /// The u8 form of an i8 value; any other value as it is.
    fn as_u8(&mut self, id: ValueId) -> Result<ValueId> {
        if !self.is_i8(id) {
            return Ok(id);
        }
        let known = self.u8_form(id).or_else(|| self.inputs.get(&id).copied());
        if let Some(known) = known {
            return Ok(known);
        }
        // The table of a constant is folded.
        let name = self.rewriter.builder.value(id).name.clone();
        let translated = self.rewriter.builder.node(&name, flip_sign(DType::U8), &[id])?;
        self.inputs.insert(id, translated);
        Ok(translated)
    }

    fn as_i8(&mut self, name: &str, u8_form: ValueId) -> Result<ValueId> {
        self.rewriter.builder.node(name, flip_sign(DType::I8), &[u8_form])
    }
}

/// The bit in which an i8 value and its u8 form differ.
const SIGN_BIT: u8 = 0x80;

fn flip_sign(output: DType) -> Lut {
    Lut::new(output, |q| q ^ SIGN_BIT)
}

fn to_u8(params: &QuantParams) -> QuantParams {
    let zero_point = params.zero_point.iter().map(|zero| zero + 128).collect();
    QuantParams { dtype: DType::U8, zero_point, ..params.clone() }
}

/// The u8 form of a constant operand (not of weights), and the difference of their zero points.
pub(super) fn u8_constant(constant: &Tensor) -> Option<(Tensor, i32)> {
    match constant.dtype() {
        DType::U8 => Some((constant.clone(), 0)),
        DType::I8 => {
            let result = Op::from(flip_sign(DType::U8)).evaluate(&[constant], constant.shape());
            result.ok().map(|result| (result, 128))
        }
        DType::F32 | DType::I64 => None,
    }
}
