use std::collections::HashMap;

use sepconv_core::op::{Dequantize, QuantParams, Quantize, UnaryFunction};
use sepconv_core::{DType, Graph, Node, Op, Result, Tensor, ValueId};
use sepconv_core::{Rewriter, rewrite};
use sepconv_kernels::Activation;

use super::bytes::Affine;
use super::partition::{Partition, Placement};
use super::weights::Integers;

/// The quantized network: what becomes bytes goes through a `Quantize` and a `Dequantize`, weights and biases are
/// integers behind a `Dequantize`.
pub(super) fn insert(
    graph: &Graph,
    partition: &Partition,
    affine: &HashMap<ValueId, Affine>,
    layers: &HashMap<usize, Integers>,
) -> Result<Graph> {
    let mut i = 0;
    // Inputs by their new value: a layer meets them first.
    let mut inputs: HashMap<ValueId, ValueId> = HashMap::new();
    let of = |id: ValueId| partition.shared(id).and_then(|root| affine.get(&root)).copied();
    rewrite(graph, |rewriter, node| {
        let old = &graph.nodes()[i];
        let mut operands = node.inputs.clone();
        for (operand, &before) in operands.iter_mut().zip(&old.inputs) {
            let is_input = graph.inputs().iter().any(|port| port.value == before);
            let Some(affine) = of(before).filter(|_| is_input) else { continue };
            *operand = match inputs.get(operand) {
                Some(&known) => known,
                None => {
                    let rounded = through_bytes(rewriter, *operand, affine)?;
                    inputs.insert(*operand, rounded);
                    rounded
                }
            };
        }
        if let Some(integers) = layers.get(&i) {
            (operands[1], operands[2]) = constants(rewriter, graph, old, integers)?;
        }
        let implied =
            partition.placement(i) == Placement::Clip && of(node.output).is_some_and(|bytes| implies(bytes, &node.op));
        let result = match implied {
            true => operands[0],
            false => rewriter.builder.node(&node.name, node.op.clone(), &operands)?,
        };
        i += 1;
        match of(node.output) {
            Some(affine) => through_bytes(rewriter, result, affine).map(Some),
            None => Ok(Some(result)),
        }
    })
}

/// Whether bytes cut all that the clip would.
fn implies(bytes: Affine, clip: &Op) -> bool {
    let (low, high) = bytes.range();
    match clip {
        Op::Unary(UnaryFunction::Activation(Activation::Relu)) => low >= 0.0,
        Op::Unary(UnaryFunction::Activation(Activation::Clip { low: least, high: most })) => {
            low >= *least && high <= *most
        }
        _ => false,
    }
}

fn through_bytes(rewriter: &mut Rewriter, id: ValueId, affine: Affine) -> Result<ValueId> {
    let name = rewriter.builder.value(id).name.clone();
    let quantization = affine.quantization();
    let bytes = rewriter.builder.node(&format!("{name}/quantize"), Quantize(quantization.clone()), &[id])?;
    rewriter.builder.node(&format!("{name}/dequantize"), Dequantize(quantization), &[bytes])
}

/// The weights and the bias of a layer as integers behind a `Dequantize`.
fn constants(rewriter: &mut Rewriter, graph: &Graph, node: &Node, integers: &Integers) -> Result<(ValueId, ValueId)> {
    let [weights, bias] = [1, 2].map(|operand| graph.value(node.inputs[operand]));
    let mut dequantized = |name: &str, tensor: Tensor, scale: &[f32]| {
        let quantization =
            QuantParams { dtype: tensor.dtype(), scale: scale.to_vec(), zero_point: vec![0; scale.len()], axis: 0 };
        let constant = rewriter.builder.constant(name, tensor)?;
        rewriter.builder.node(name, Dequantize(quantization), &[constant])
    };
    let scale = match integers.scale[..] {
        // One scale says more than many equal ones.
        [first, ..] if integers.scale.iter().all(|&scale| scale == first) => &integers.scale[..1],
        _ => &integers.scale[..],
    };
    let integer_weights = Tensor::i8(weights.shape.to_vec(), integers.weights.clone())?;
    let integer_bias = Tensor::i64(bias.shape.to_vec(), integers.bias.clone())?;
    debug_assert_eq!(integer_bias.dtype(), DType::I64);
    let bias_scale = &integers.bias_scale[..scale.len()];
    Ok((dequantized(&weights.name, integer_weights, scale)?, dequantized(&bias.name, integer_bias, bias_scale)?))
}
