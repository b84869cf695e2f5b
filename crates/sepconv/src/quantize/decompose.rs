use sepconv_core::op::{Binary, BinaryFunction, Dense};
use sepconv_core::rewrite;
use sepconv_core::{Graph, Op, Result, op::Conv2d};
use sepconv_kernels::Activation;

/// The same network with one function per node: residual sums and activations leave the layers that they were fused
/// into, so that each result which is to become bytes is a value of its own.
pub(super) fn decompose(graph: &Graph) -> Result<Graph> {
    rewrite(graph, |rewriter, node| {
        let (plain, activation) = without_activation(&node.op);
        let (operands, residual) = match (&node.op, &node.inputs[..]) {
            (Op::Conv2d(_), &[x, weights, bias, residual]) => (vec![x, weights, bias], Some(residual)),
            (_, operands) => (operands.to_vec(), None),
        };
        if activation == Activation::Identity && residual.is_none() {
            return Ok(None);
        }
        let mut result = rewriter.builder.node(&node.name, plain, &operands)?;
        if let Some(residual) = residual {
            let name = format!("{}/sum", node.name);
            result = rewriter.builder.node(&name, BinaryFunction::Add, &[result, residual])?;
        }
        if activation != Activation::Identity {
            let name = format!("{}/activation", node.name);
            result = rewriter.builder.node(&name, activation, &[result])?;
        }
        Ok(Some(result))
    })
}

fn without_activation(op: &Op) -> (Op, Activation) {
    let mut plain = op.clone();
    let fused = match &mut plain {
        Op::Conv2d(Conv2d { activation, .. })
        | Op::Dense(Dense { activation })
        | Op::Binary(Binary { activation, .. }) => activation,
        Op::ConvTranspose(conv) => &mut conv.activation,
        _ => return (plain, Activation::Identity),
    };
    let activation = std::mem::replace(fused, Activation::Identity);
    (plain, activation)
}
