//! Comparisons, selections and indices. Booleans are integers in the graph.

use sepconv_core::op::{ArgExtreme, BinaryFunction, Cast, CumSum, NonMaxSuppression, Pairwise, ScatterNd, TopK};
use sepconv_core::{DType, Error, Node, Result, Tensor};

use crate::onnx::proto::AttributeProto;
use crate::onnx::write::attribute::{flag, int, text};
use crate::onnx::write::tensor;
use crate::onnx::write::writer::{Held, Writer};

const BOOL: usize = 9;

impl Writer<'_> {
    fn cast(&mut self, x: &str, to: usize) -> String {
        self.emit("Cast", &[x], vec![int("to", to)])
    }

    /// A node on operands with their axes in the same order, which the result has, too.
    fn in_common_order(&mut self, node: &Node, operator: &str, attributes: Vec<AttributeProto>) -> Result<Held> {
        let order = self.common_order(&node.inputs, self.shape(node.output).len());
        let inputs = node.inputs.iter().map(|&id| self.operand(id, &order)).collect::<Result<Vec<String>>>()?;
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(Held { name: self.emit(operator, &inputs, attributes), order })
    }
}

pub(super) fn pairwise(writer: &mut Writer<'_>, node: &Node, function: Pairwise) -> Result<Held> {
    let operator = match function {
        Pairwise::Equal | Pairwise::NotEqual => "Equal",
        Pairwise::Less => "Less",
        Pairwise::LessOrEqual => "LessOrEqual",
        Pairwise::FloorMod if writer.graph.value(node.output).dtype == DType::I64 => {
            return writer.in_common_order(node, "Mod", vec![]);
        }
        Pairwise::Remainder => return writer.in_common_order(node, "Mod", vec![flag("fmod", true)]),
        Pairwise::FloorDiv | Pairwise::FloorMod => return floor(writer, node, function),
    };
    let Held { mut name, order } = writer.in_common_order(node, operator, vec![])?;
    if function == Pairwise::NotEqual {
        name = writer.emit("Not", &[&name], vec![]);
    }
    Ok(Held { name: writer.cast(&name, tensor::data_type(DType::I64) as usize), order })
}

/// Divisions that ONNX does not have: `(a - mod(a, b)) / b` for integers.
fn floor(writer: &mut Writer<'_>, node: &Node, function: Pairwise) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let (a, b) = (writer.operand(node.inputs[0], &order)?, writer.operand(node.inputs[1], &order)?);
    let is_f32 = writer.graph.value(node.output).dtype == DType::F32;
    let name = if is_f32 {
        let quotient = writer.emit("Div", &[&a, &b], vec![]);
        writer.emit("Floor", &[&quotient], vec![])
    } else {
        let rest = writer.emit("Mod", &[&a, &b], vec![]);
        let whole = writer.emit("Sub", &[&a, &rest], vec![]);
        writer.emit("Div", &[&whole, &b], vec![])
    };
    if function == Pairwise::FloorDiv {
        return Ok(Held { name, order });
    }
    let product = writer.emit("Mul", &[&name, &b], vec![]);
    Ok(Held { name: writer.emit("Sub", &[&a, &product], vec![]), order })
}

pub(super) fn select(writer: &mut Writer<'_>, node: &Node) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let [condition, a, b] = [0, 1, 2].map(|i| writer.operand(node.inputs[i], &order));
    let condition = writer.cast(&condition?, BOOL);
    Ok(Held { name: writer.emit("Where", &[&condition, &a?, &b?], vec![]), order })
}

pub(super) fn cast(writer: &mut Writer<'_>, node: &Node, Cast { to }: Cast) -> Result<Held> {
    writer.in_common_order(node, "Cast", vec![int("to", tensor::data_type(to) as usize)])
}

pub(super) fn arg(writer: &mut Writer<'_>, node: &Node, op: ArgExtreme) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.inputs[0]).len());
    let x = writer.operand(node.inputs[0], &order)?;
    let axis = order[op.axis];
    let last = flag("select_last_index", op.last);
    let attributes = vec![int("axis", axis), flag("keepdims", op.keep_dims), last];
    let name = writer.emit(if op.largest { "ArgMax" } else { "ArgMin" }, &[&x], attributes);
    let kept = order.iter().filter(|&&kept| op.keep_dims || kept != axis);
    // The axes that are left move up.
    let order = kept.map(|&kept| kept - usize::from(!op.keep_dims && kept > axis)).collect();
    Ok(Held { name, order })
}

/// The second output; the first is what [`GatherElements`](sepconv_core::op::GatherElements) makes of it.
pub(super) fn top_k(writer: &mut Writer<'_>, node: &Node, op: TopK) -> Result<Held> {
    let x = writer.materialize(node.inputs[0])?;
    let k = writer.sizes("k", &[op.k])?;
    let name = writer.emit_second("TopK", &[&x, &k], vec![int("axis", op.axis), flag("largest", op.largest)]);
    Ok(Held { name, order: tensor::file_order(writer.shape(node.output).len()) })
}

pub(super) fn cum_sum(writer: &mut Writer<'_>, node: &Node, op: CumSum) -> Result<Held> {
    let axis = writer.parameter("axis", &Tensor::i64([], [op.axis as i64])?);
    let x = writer.materialize(node.inputs[0])?;
    let attributes = vec![flag("exclusive", op.exclusive), flag("reverse", op.reverse)];
    let name = writer.emit("CumSum", &[&x, &axis], attributes);
    Ok(Held { name, order: tensor::file_order(writer.shape(node.output).len()) })
}

/// An operator whose operands have their axes as they are.
pub(super) fn in_file_order(
    writer: &mut Writer<'_>,
    node: &Node,
    operator: &str,
    attributes: Vec<AttributeProto>,
) -> Result<Held> {
    let inputs = node.inputs.iter().map(|&id| writer.materialize(id)).collect::<Result<Vec<String>>>()?;
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let name = writer.emit(operator, &inputs, attributes);
    Ok(Held { name, order: tensor::file_order(writer.shape(node.output).len()) })
}

pub(super) fn scatter_nd(writer: &mut Writer<'_>, node: &Node, op: ScatterNd) -> Result<Held> {
    let reduction = match op.reduction {
        None => return in_file_order(writer, node, "ScatterND", vec![]),
        Some(BinaryFunction::Add) => "add",
        Some(BinaryFunction::Mul) => "mul",
        Some(BinaryFunction::Min) => "min",
        Some(BinaryFunction::Max) => "max",
        Some(BinaryFunction::Sub | BinaryFunction::Div | BinaryFunction::Pow | BinaryFunction::PRelu) => {
            return Err(Error::unsupported("reduction of a scatter has no ONNX form"));
        }
    };
    in_file_order(writer, node, "ScatterND", vec![text("reduction", reduction)])
}

/// Parameters have one axis in ONNX.
pub(super) fn non_max_suppression(writer: &mut Writer<'_>, node: &Node, op: NonMaxSuppression) -> Result<Held> {
    let mut inputs = vec![writer.materialize(node.inputs[0])?, writer.materialize(node.inputs[1])?];
    for &parameter in &node.inputs[2..] {
        let name = writer.materialize(parameter)?;
        inputs.push(writer.reshape(&name, &[1])?);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let name = writer.emit("NonMaxSuppression", &inputs, vec![flag("center_point_box", op.is_centered)]);
    Ok(Held { name, order: vec![0, 1] })
}
