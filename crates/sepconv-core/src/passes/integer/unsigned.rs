use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::moves::moved;
use crate::passes::rewrite::{Rewriter, rewrite};
use crate::{
    DType, Graph, Node, Op, Result, Tensor, ValueId,
    op::{Lookup, Quantization},
};

/// Signed bytes become unsigned ones, which kernels take: the same number from a zero point that is 128 higher, so the same bits but
/// for the first. Tables translate where they enter and leave the graph. Weights stay as they are.
pub(in crate::passes) fn unsigned(graph: &Graph) -> Result<Graph> {
    let mut entered = BTreeMap::new();
    rewrite(graph, |rewriter, node| Unsigned { rewriter, entered: &mut entered }.node(node))
}

/// A signed value that something makes is, in the new graph, a table over its unsigned form: whoever knows takes that, and the
/// table goes where all know.
struct Unsigned<'a> {
    rewriter: &'a mut Rewriter,
    /// Inputs of the graph in their unsigned form.
    entered: &'a mut BTreeMap<ValueId, ValueId>,
}

impl Unsigned<'_> {
    fn node(&mut self, node: &Node) -> Result<Option<ValueId>> {
        let signed = self.is_signed(node.inputs[0]);
        let op = match &node.op {
            Op::Quantize(quantization) if quantization.dtype == DType::I8 => Op::Quantize(raised(quantization)),
            Op::Dequantize(quantization) if signed && !self.is_constant(node.inputs[0]) => {
                Op::Dequantize(raised(quantization))
            }
            Op::Lookup(lookup) => return self.lookup(node, lookup),
            op if signed => match moved(op, |fill| Some(f32::from(fill as i8) + 128.0)) {
                Some(op) => op,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let inputs = node.inputs.iter().map(|&id| self.enter(id)).collect::<Result<Vec<_>>>()?;
        let result = self.rewriter.builder.node(&node.name, op, &inputs)?;
        match self.rewriter.builder.value(result).dtype {
            DType::U8 => self.leave(&node.name, result).map(Some),
            _ => Ok(Some(result)),
        }
    }

    /// A table reads the unsigned form, if there is one, and makes it.
    fn lookup(&mut self, node: &Node, lookup: &Lookup) -> Result<Option<ValueId>> {
        let x = node.inputs[0];
        let inside = self.inside(x);
        let leaves = lookup.output == DType::I8 && !self.is_leaving(node);
        if inside.is_none() && !leaves {
            return Ok(None);
        }
        let read = if inside.is_some() { FLIP } else { 0 };
        let made = if lookup.output == DType::I8 { FLIP } else { 0 };
        let op = Op::Lookup(Lookup::new(DType::U8, |q| lookup.get(q ^ read) ^ made));
        let result = self.rewriter.builder.node(&node.name, op, &[inside.unwrap_or(x)])?;
        if made == 0 { Ok(Some(result)) } else { self.leave(&node.name, result).map(Some) }
    }

    fn is_signed(&self, id: ValueId) -> bool {
        self.rewriter.builder.value(id).dtype == DType::I8
    }

    fn is_constant(&self, id: ValueId) -> bool {
        self.rewriter.builder.constant_of(id).is_some()
    }

    /// Whether a node makes a signed value of its unsigned form.
    fn is_leaving(&self, node: &Node) -> bool {
        let Op::Lookup(lookup) = &node.op else { return false };
        lookup.output == DType::I8 && !self.is_signed(node.inputs[0]) && lookup.is(|q| q ^ FLIP)
    }

    /// The unsigned form of a signed value that the new graph makes.
    fn inside(&self, id: ValueId) -> Option<ValueId> {
        self.rewriter.producer(id).filter(|node| self.is_leaving(node)).map(|node| node.inputs[0])
    }

    /// The unsigned form of a signed value; any other value as it is.
    fn enter(&mut self, id: ValueId) -> Result<ValueId> {
        if !self.is_signed(id) {
            return Ok(id);
        }
        let known = self.inside(id).or_else(|| self.entered.get(&id).copied());
        if let Some(known) = known {
            return Ok(known);
        }
        // Of a constant, this is computed at once.
        let name = self.rewriter.builder.value(id).name.clone();
        let entered = self.rewriter.builder.node(&name, flip(DType::U8), &[id])?;
        self.entered.insert(id, entered);
        Ok(entered)
    }

    fn leave(&mut self, name: &str, unsigned: ValueId) -> Result<ValueId> {
        self.rewriter.builder.node(name, flip(DType::I8), &[unsigned])
    }
}

/// The bit in which a signed byte and its unsigned form differ.
const FLIP: u8 = 0x80;

fn flip(output: DType) -> Op {
    Op::Lookup(Lookup::new(output, |q| q ^ FLIP))
}

fn raised(quantization: &Quantization) -> Quantization {
    let zero_point = quantization.zero_point.iter().map(|zero| zero + 128).collect();
    Quantization { dtype: DType::U8, zero_point, ..quantization.clone() }
}

/// Bytes in their unsigned form, and what is added to their zero point: of constants that are operands, not weights.
pub(super) fn unsigned_constant(bytes: &Tensor) -> Option<(Tensor, i32)> {
    match bytes.dtype() {
        DType::U8 => Some((bytes.clone(), 0)),
        DType::I8 => flip(DType::U8).evaluate(&[bytes], bytes.shape()).ok().map(|bytes| (bytes, 128)),
        _ => None,
    }
}
