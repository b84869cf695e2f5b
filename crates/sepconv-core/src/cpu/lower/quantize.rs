use sepconv_kernels::{Isa, quantized};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::cpu::call::KernelCall;
use crate::op::{self, QuantParams};

/// f32 to int8.
#[derive(Debug)]
pub(crate) struct Quantize {
    params: QuantParams,
    /// How many neighbors share a scale where there are several.
    inner: usize,
}

pub(super) fn select(op: &op::Quantize, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let params = op.0.clone();
    let inner = params.inner_len(lowering.shape(0));
    lowering.choice(Quantize { params, inner }.into(), "quantize", "f32 to int8")
}

impl Quantize {
    /// The call, where one scale is that of all elements.
    pub(crate) fn call(&self) -> Option<KernelCall<'_>> {
        let (scale, zero_point) = self.params.as_per_tensor_u8()?;
        Some(KernelCall::Quantize { scale, zero_point })
    }
}

impl Kernel for Quantize {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        BLOCK
    }

    fn run(&self, task: Task<'_>) {
        let Self { params, inner } = self;
        let Task { isa, operands, first, out, .. } = task;
        let x = &operands.get::<f32>(0)[first..][..out.len()];
        if let Some((scale, zero_point)) = params.as_per_tensor_u8() {
            return quantized::quantize(isa, scale, zero_point, x, out);
        }
        for ((out, &x), (scale, zero_point)) in out.iter_mut().zip(x).zip(params.of_elements(*inner, first)) {
            *out = params.quantize(x, scale, zero_point) as u8;
        }
    }
}
