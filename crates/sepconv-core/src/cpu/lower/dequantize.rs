use bytemuck::cast_slice_mut;
use sepconv_kernels::{Isa, quantized};

use super::{BLOCK, Kernel, KernelChoice, Lowering, Task};
use crate::DType;
use crate::cpu::call::KernelCall;
use crate::op::{self, QuantParams};

/// int8 to f32.
#[derive(Debug)]
pub(crate) struct Dequantize {
    params: QuantParams,
    /// How many neighbors share a scale where there are several.
    inner: usize,
}

pub(super) fn select(op: &op::Dequantize, lowering: &Lowering<'_, '_>) -> KernelChoice {
    let params = op.0.clone();
    let inner = params.inner_len(lowering.shape(0));
    lowering.choice(Dequantize { params, inner }.into(), "dequantize", "int8 to f32")
}

impl Dequantize {
    /// The call, where one scale is that of all elements.
    pub(crate) fn call(&self) -> Option<KernelCall<'_>> {
        let (scale, zero_point) = self.params.as_per_tensor_u8()?;
        Some(KernelCall::Dequantize { scale, zero_point })
    }
}

impl Kernel for Dequantize {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        BLOCK
    }

    fn run(&self, task: Task<'_>) {
        let Self { params, inner } = self;
        let Task { isa, operands, first, .. } = task;
        let out = cast_slice_mut::<_, f32>(task.out);
        let x = &operands.get::<u8>(0)[first..][..out.len()];
        if let Some((scale, zero_point)) = params.as_per_tensor_u8() {
            return quantized::dequantize(isa, scale, zero_point, x, out);
        }
        let integer = |bits: u8| match params.dtype {
            DType::I8 => i32::from(bits as i8),
            DType::U8 | DType::I64 | DType::F32 => i32::from(bits),
        };
        for ((out, &bits), (scale, zero_point)) in out.iter_mut().zip(x).zip(params.of_elements(*inner, first)) {
            *out = (integer(bits) - zero_point) as f32 * scale;
        }
    }
}
