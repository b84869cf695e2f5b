//! Functions of each element.

use sepconv_core::op::{BinaryFunction, QuantParams, UnaryFunction};
use sepconv_core::{DType, Data, Node, Result, Shape, Tensor};
use sepconv_kernels::Activation;

use crate::onnx::proto::AttributeProto;
use crate::onnx::write::attribute::{float, int};
use crate::onnx::write::tensor;
use crate::onnx::write::writer::{Held, Writer};

pub(super) fn unary(writer: &mut Writer<'_>, node: &Node, function: UnaryFunction) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let x = writer.operand(node.inputs[0], &order)?;
    let name = match function {
        UnaryFunction::Activation(Activation::Identity) => writer.emit("Identity", &[&x], vec![]),
        UnaryFunction::Activation(function) => activation(writer, x, function)?,
        UnaryFunction::Gelu { tanh } => gelu(writer, &x, tanh)?,
        UnaryFunction::Mish => {
            let softplus = writer.emit("Softplus", &[&x], vec![]);
            let gate = writer.emit("Tanh", &[&softplus], vec![]);
            writer.emit("Mul", &[&x, &gate], vec![])
        }
        _ => {
            let (operator, attributes) = named(function);
            writer.emit(operator, &[&x], attributes)
        }
    };
    Ok(Held { name, order })
}

/// The operators that ONNX has for functions which are neither activations nor spelled out.
fn named(function: UnaryFunction) -> (&'static str, Vec<AttributeProto>) {
    let operator = match function {
        UnaryFunction::Elu { alpha } => return ("Elu", vec![float("alpha", alpha)]),
        UnaryFunction::Selu { alpha, gamma } => return ("Selu", vec![float("alpha", alpha), float("gamma", gamma)]),
        UnaryFunction::Celu { alpha } => return ("Celu", vec![float("alpha", alpha)]),
        UnaryFunction::ThresholdedRelu { alpha } => return ("ThresholdedRelu", vec![float("alpha", alpha)]),
        UnaryFunction::Exp => "Exp",
        UnaryFunction::Log => "Log",
        UnaryFunction::Sqrt => "Sqrt",
        UnaryFunction::Neg => "Neg",
        UnaryFunction::Abs => "Abs",
        UnaryFunction::Reciprocal => "Reciprocal",
        UnaryFunction::Floor => "Floor",
        UnaryFunction::Ceil => "Ceil",
        UnaryFunction::Round => "Round",
        UnaryFunction::Erf => "Erf",
        UnaryFunction::Sign => "Sign",
        UnaryFunction::Softplus => "Softplus",
        UnaryFunction::Softsign => "Softsign",
        UnaryFunction::Sin => "Sin",
        UnaryFunction::Cos => "Cos",
        UnaryFunction::Tan => "Tan",
        UnaryFunction::Asin => "Asin",
        UnaryFunction::Acos => "Acos",
        UnaryFunction::Atan => "Atan",
        UnaryFunction::Sinh => "Sinh",
        UnaryFunction::Cosh => "Cosh",
        UnaryFunction::Asinh => "Asinh",
        UnaryFunction::Acosh => "Acosh",
        UnaryFunction::Atanh => "Atanh",
        UnaryFunction::Activation(_) | UnaryFunction::Gelu { .. } | UnaryFunction::Mish => {
            unreachable!("written by hand")
        }
    };
    (operator, vec![])
}

/// Applies an activation to a tensor.
pub(super) fn activation(writer: &mut Writer<'_>, x: String, activation: Activation) -> Result<String> {
    Ok(match activation {
        Activation::Identity => x,
        Activation::Relu => writer.emit("Relu", &[&x], vec![]),
        Activation::Clip { low, high } => {
            let mut bound = |what, value: f32| match value.is_finite() {
                true => writer.scalar(what, value),
                false => Ok(String::new()),
            };
            let (low, high) = (bound("min", low)?, bound("max", high)?);
            writer.emit("Clip", &[&x, &low, &high], vec![])
        }
        Activation::LeakyRelu { slope } => writer.emit("LeakyRelu", &[&x], vec![float("alpha", slope)]),
        Activation::HardSigmoid { alpha, beta } => {
            writer.emit("HardSigmoid", &[&x], vec![float("alpha", alpha), float("beta", beta)])
        }
        Activation::HardSwish => writer.emit("HardSwish", &[&x], vec![]),
        Activation::Sigmoid => writer.emit("Sigmoid", &[&x], vec![]),
        Activation::Silu => {
            let gate = writer.emit("Sigmoid", &[&x], vec![]);
            writer.emit("Mul", &[&x, &gate], vec![])
        }
        Activation::Tanh => writer.emit("Tanh", &[&x], vec![]),
    })
}

/// The operator came with set 20; what it is made of was always there.
fn gelu(writer: &mut Writer<'_>, x: &str, tanh: bool) -> Result<String> {
    let function = if tanh {
        let square = writer.emit("Mul", &[x, x], vec![]);
        let cube = writer.emit("Mul", &[&square, x], vec![]);
        let cubic = scaled(writer, &cube, 0.044_715)?;
        let sum = writer.emit("Add", &[x, &cubic], vec![]);
        let argument = scaled(writer, &sum, core::f32::consts::FRAC_2_SQRT_PI * core::f32::consts::FRAC_1_SQRT_2)?;
        writer.emit("Tanh", &[&argument], vec![])
    } else {
        let argument = scaled(writer, x, core::f32::consts::FRAC_1_SQRT_2)?;
        writer.emit("Erf", &[&argument], vec![])
    };
    let one = writer.scalar("one", 1.0)?;
    let raised = writer.emit("Add", &[&function, &one], vec![]);
    let twice = writer.emit("Mul", &[x, &raised], vec![]);
    scaled(writer, &twice, 0.5)
}

fn scaled(writer: &mut Writer<'_>, x: &str, factor: f32) -> Result<String> {
    let factor = writer.scalar("factor", factor)?;
    Ok(writer.emit("Mul", &[x, &factor], vec![]))
}

pub(super) fn binary(writer: &mut Writer<'_>, node: &Node, function: BinaryFunction, then: Activation) -> Result<Held> {
    let shape = writer.shape(node.output);
    let order = writer.common_order(&node.inputs, shape.len());
    let (mut a, b) = (writer.aligned(node.inputs[0], &order)?, writer.aligned(node.inputs[1], &order)?);
    let operator = match function {
        BinaryFunction::Add => "Add",
        BinaryFunction::Sub => "Sub",
        BinaryFunction::Mul => "Mul",
        BinaryFunction::Div => "Div",
        BinaryFunction::Min => "Min",
        BinaryFunction::Max => "Max",
        BinaryFunction::Pow => "Pow",
        BinaryFunction::PRelu => {
            // There only slopes broadcast.
            if writer.shape(node.inputs[0]) != shape {
                let dims = writer.sizes("shape", &tensor::turned_dims(shape, &order))?;
                a = writer.emit("Expand", &[&a, &dims], vec![]);
            }
            "PRelu"
        }
    };
    let sum = writer.emit(operator, &[&a, &b], vec![]);
    let name = activation(writer, sum, then)?;
    Ok(Held { name, order })
}

pub(super) fn quantize(writer: &mut Writer<'_>, node: &Node, quantization: &QuantParams) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let x = writer.operand(node.inputs[0], &order)?;
    let name = writer.quantize(&x, &turned(quantization, &order))?;
    Ok(Held { name, order })
}

pub(super) fn dequantize(writer: &mut Writer<'_>, node: &Node, quantization: &QuantParams) -> Result<Held> {
    let order = writer.common_order(&node.inputs, writer.shape(node.output).len());
    let x = writer.operand(node.inputs[0], &order)?;
    let name = writer.dequantize(&x, &turned(quantization, &order))?;
    Ok(Held { name, order })
}

/// The same quantization of a tensor whose axes are in `order`.
fn turned(quantization: &QuantParams, order: &[usize]) -> QuantParams {
    QuantParams { axis: order.get(quantization.axis).copied().unwrap_or(0), ..quantization.clone() }
}

/// Scales and zero points, and the axis that several belong to.
fn parameters(writer: &mut Writer<'_>, quantization: &QuantParams) -> Result<([String; 2], Vec<AttributeProto>)> {
    let QuantParams { dtype, scale, zero_point, axis } = quantization;
    let (dims, axis) = match quantization.as_per_tensor() {
        Some(_) => (vec![], vec![]),
        None => (vec![scale.len()], vec![int("axis", *axis)]),
    };
    let scale = writer.parameter("scale", &Tensor::f32(&dims[..], &scale[..])?);
    let zero_points = match dtype {
        DType::I8 => Data::I8(zero_point.iter().map(|&zero| zero as i8).collect()),
        DType::U8 => Data::U8(zero_point.iter().map(|&zero| zero as u8).collect()),
        // Wide integers have none.
        DType::I64 | DType::F32 => return Ok(([scale, String::new()], axis)),
    };
    let zero_point = writer.parameter("zero_point", &Tensor::new(Shape::new(dims)?, zero_points)?);
    Ok(([scale, zero_point], axis))
}

impl Writer<'_> {
    /// Writes the integers that real numbers become.
    pub(in crate::onnx::write) fn quantize(&mut self, x: &str, quantization: &QuantParams) -> Result<String> {
        let ([scale, zero_point], axis) = parameters(self, quantization)?;
        Ok(self.emit("QuantizeLinear", &[x, &scale, &zero_point], axis))
    }

    /// Writes the real numbers that the integers of a tensor stand for.
    pub(in crate::onnx::write) fn dequantize(&mut self, integers: &str, quantization: &QuantParams) -> Result<String> {
        let ([scale, zero_point], axis) = parameters(self, quantization)?;
        Ok(self.emit("DequantizeLinear", &[integers, &scale, &zero_point], axis))
    }

    /// An operand that broadcasts to a result in `order`.
    fn aligned(&mut self, value: sepconv_core::ValueId, order: &[usize]) -> Result<String> {
        let shape = self.shape(value);
        let is_scalar = shape.len() <= 1 && shape.elements() == 1;
        if is_scalar || order.is_sorted() { self.materialize(value) } else { self.operand(value, order) }
    }
}
