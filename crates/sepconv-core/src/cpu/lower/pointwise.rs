//! Pointwise convolutions and fully connected layers: products of a matrix of pixels and a packed matrix of weights.

use alloc::format;

use bytemuck::{Pod, cast_slice_mut};
use sepconv_kernels::{Activation, F32Output, Isa, Tile, pointwise};
#[cfg(feature = "int8")]
use sepconv_kernels::{Epilogue, Int8Output, ZeroPoints};

use super::conv_layer::ConvArithmetic;
#[cfg(feature = "int8")]
use super::quantized_constants::QuantizedConstants;
use super::{Kernel, KernelChoice, Lowering, RowTask, StepKernel, Task, padding_waste};
use crate::Result;
#[cfg(feature = "int8")]
use crate::cpu::call::KernelCall;
use crate::cpu::weights::Packed;
use crate::op::{Conv2d, Dense};

/// A product of `m` pixels of `k` channels with a packed `[k, n]` matrix of weights.
#[derive(Debug)]
pub(crate) struct Pointwise<X: ConvArithmetic<Y>, Y = X> {
    tile: Tile,
    m: usize,
    k: usize,
    n: usize,
    packed: Packed<<X as ConvArithmetic<Y>>::Weight>,
    epilogue: <X as ConvArithmetic<Y>>::Epilogue,
    /// Elements of scratch.
    scratch: usize,
}

/// The product for a single pixel: work items are panels of outputs.
#[derive(Debug)]
pub(crate) struct PointwiseVector<X: ConvArithmetic<Y>, Y = X>(Pointwise<X, Y>);

/// The product for pixels that a gate scales first: operand `gate` of the multiplication has an element for each
/// channel.
#[derive(Debug)]
pub(crate) struct GatedPointwise {
    pointwise: Pointwise<f32>,
    gate: usize,
}

/// Elements of a product: `x` is `[m, k]`, `out` and `residual` are `[m, n]`.
pub(crate) struct Product<'a, X: ConvArithmetic<Y>, Y> {
    isa: Isa,
    n: usize,
    x: &'a [X],
    packed: &'a [<X as ConvArithmetic<Y>>::Weight],
    residual: Option<&'a [Y]>,
    out: &'a mut [Y],
}

pub(crate) trait PointwiseElement<Y = Self>: ConvArithmetic<Y> {
    fn multiply(layer: &Pointwise<Self, Y>, product: Product<'_, Self, Y>);
}

impl PointwiseElement for f32 {
    fn multiply(layer: &Pointwise<Self>, product: Product<'_, Self, Self>) {
        let Product { isa, n, x, packed, residual, out } = product;
        let output = F32Output { residual, activation: layer.epilogue, out };
        pointwise::pointwise(isa, layer.tile, [layer.k, n], x, packed, output);
    }
}

#[cfg(feature = "int8")]
impl PointwiseElement for u8 {
    fn multiply(layer: &Pointwise<Self>, product: Product<'_, Self, Self>) {
        let Product { isa, n, x, packed, residual, out } = product;
        let (zero_points, epilogue) = (layer.epilogue.zero_points, layer.epilogue.epilogue());
        let output = Int8Output::U8 { epilogue: &epilogue, residual, out };
        pointwise::pointwise_int8(isa, layer.tile, [layer.k, n], zero_points, x, packed, output);
    }
}

#[cfg(feature = "int8")]
impl PointwiseElement<f32> for u8 {
    fn multiply(layer: &Pointwise<Self, f32>, product: Product<'_, Self, f32>) {
        let Product { isa, n, x, packed, residual: _, out } = product;
        let output = Int8Output::F32(out);
        pointwise::pointwise_int8(isa, layer.tile, [layer.k, n], layer.epilogue, x, packed, output);
    }
}

/// The kernel for a fully connected layer.
pub(super) fn select_dense(dense: &Dense, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice> {
    Ok(select(dense.activation, lowering)?.map(Pointwise::into_step))
}

/// The kernel for the product of operand 0 with weights and bias, operands 1 and 2.
pub(super) fn select(activation: Activation, lowering: &mut Lowering<'_, '_>) -> Result<KernelChoice<Pointwise<f32>>> {
    let ([m, k, n], isa) = (sizes(lowering), lowering.isa);
    let (tile, alternatives) = lowering.tile("pointwise", Tile::choose(isa, m, k, n), Tile::variants(isa));
    let [weights, bias] = lowering.weights_and_bias()?;
    let len = pointwise::packed_len(isa, tile, k, n);
    let packed = lowering.weights.reserve(len, move |packed| pointwise::pack(isa, tile, k, weights, bias, packed));
    Ok(KernelChoice {
        kernel: Pointwise { tile, m, k, n, packed, epilogue: activation, scratch: 0 },
        operands: lowering.unpacked_operands(3),
        name: format!("pointwise {}", tile.name(isa)),
        alternatives,
        reason: format!("{m} x {k} x {n}, {}", padding_waste(n, tile.columns(isa))),
    })
}

/// The kernel for a product that a gate precedes; its operands begin with both of the multiplication.
pub(crate) fn select_gated(
    conv: &Conv2d,
    gate: usize,
    lowering: &mut Lowering<'_, '_>,
) -> Result<KernelChoice<GatedPointwise>> {
    Ok(select(conv.activation, lowering)?.map(|pointwise| GatedPointwise { pointwise, gate }))
}

#[cfg(feature = "int8")]
pub(super) fn select_int8<'g, Y>(
    constants: QuantizedConstants<'g>,
    epilogue: <u8 as ConvArithmetic<Y>>::Epilogue,
    lowering: &mut Lowering<'_, 'g>,
) -> KernelChoice<Pointwise<u8, Y>>
where
    u8: ConvArithmetic<Y, Weight = i8>,
{
    let ([m, k, n], isa) = (sizes(lowering), lowering.isa);
    let (tile, alternatives) =
        lowering.tile("pointwise_int8", Tile::choose_int8(isa, m, k, n), Tile::variants_int8(isa));
    let len = pointwise::packed_len_int8(isa, tile, k, &constants.params());
    let pack = move |packed: &mut [i8]| pointwise::pack_int8(isa, tile, k, &constants.params(), packed);
    let packed = lowering.weights.reserve(len, pack);
    KernelChoice {
        kernel: Pointwise { tile, m, k, n, packed, epilogue, scratch: pointwise::scratch_len_int8(isa, k) },
        operands: lowering.unpacked_operands(4),
        name: format!("pointwise_int8 {}", tile.name(isa)),
        alternatives,
        reason: format!("{m} x {k} x {n}, {}", padding_waste(n, tile.columns(isa))),
    }
}

/// `[m, k, n]` of the product.
fn sizes(lowering: &Lowering<'_, '_>) -> [usize; 3] {
    let (k, n) = (lowering.shape(0).last(), lowering.output().last());
    [lowering.output().elements() / n, k, n]
}

impl<X: PointwiseElement<Y>, Y: Pod> Pointwise<X, Y> {
    /// The layer as a step of its own.
    pub(super) fn into_step(self) -> StepKernel
    where
        StepKernel: From<Self> + From<PointwiseVector<X, Y>>,
    {
        if self.m == 1 { PointwiseVector(self).into() } else { self.into() }
    }
}

impl<T: PointwiseElement> Pointwise<T> {
    /// Elements of scratch.
    pub(super) fn scratch_len(&self) -> usize {
        self.scratch
    }

    /// Computes some rows of one image.
    pub(super) fn run_rows(&self, task: RowTask<'_, T>) {
        let RowTask { isa, weights, x, residual, rows, out, .. } = task;
        let packed = self.packed.of(weights);
        for (x, place) in x.runs(rows, self.k, self.n) {
            let residual = residual.map(|residual| &residual[place.clone()]);
            T::multiply(self, Product { isa, n: self.n, x, packed, residual, out: &mut out[place] });
        }
    }
}

#[cfg(feature = "int8")]
impl Pointwise<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        self.int8_call(self.epilogue.zero_points, Some(self.epilogue.epilogue()))
    }
}

#[cfg(feature = "int8")]
impl Pointwise<u8, f32> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        self.int8_call(self.epilogue, None)
    }
}

#[cfg(feature = "int8")]
impl<Y> Pointwise<u8, Y>
where
    u8: ConvArithmetic<Y, Weight = i8>,
{
    fn int8_call<'a>(&self, zero_points: ZeroPoints, epilogue: Option<Epilogue<'a>>) -> KernelCall<'a> {
        let Self { tile, k, n, ref packed, .. } = *self;
        KernelCall::Pointwise { tile, sizes: [k, n], zero_points, packed: packed.range(), epilogue }
    }
}

#[cfg(feature = "int8")]
impl PointwiseVector<u8> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        self.0.call()
    }
}

#[cfg(feature = "int8")]
impl PointwiseVector<u8, f32> {
    pub(crate) fn call(&self) -> KernelCall<'_> {
        self.0.call()
    }
}

impl<X: PointwiseElement<Y>, Y: Pod> Kernel for Pointwise<X, Y> {
    fn work_item_len(&self, _: Isa, _: usize) -> usize {
        self.tile.mr * self.n
    }

    fn run(&self, task: Task<'_>) {
        let Task { isa, operands, first, .. } = task;
        let out = cast_slice_mut::<_, Y>(task.out);
        let x = &operands.get(0)[first / self.n * self.k..][..out.len() / self.n * self.k];
        let (packed, residual) = (self.packed.of(operands.weights), operands.residual(1, first, out.len()));
        X::multiply(self, Product { isa, n: self.n, x, packed, residual, out });
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch * size_of::<X>()
    }
}

impl<X: PointwiseElement<Y>, Y: Pod> Kernel for PointwiseVector<X, Y> {
    fn work_item_len(&self, isa: Isa, _: usize) -> usize {
        self.0.tile.columns(isa)
    }

    fn run(&self, task: Task<'_>) {
        let (Self(layer), Task { isa, operands, items, first, out, .. }) = (self, task);
        let out = cast_slice_mut::<_, Y>(out);
        let (n, columns) = (out.len(), layer.tile.columns(isa));
        let panel = layer.packed.len() / layer.n.div_ceil(columns);
        let packed = &layer.packed.of(operands.weights)[items.start * panel..][..n.div_ceil(columns) * panel];
        let residual = operands.residual(1, first, n);
        X::multiply(layer, Product { isa, n, x: operands.get(0), packed, residual, out });
    }

    fn scratch_bytes(&self) -> usize {
        self.0.scratch_bytes()
    }
}

impl Kernel for GatedPointwise {
    fn work_item_len(&self, isa: Isa, len: usize) -> usize {
        self.pointwise.work_item_len(isa, len)
    }

    fn run(&self, task: Task<'_>) {
        let (Self { pointwise: layer, gate }, Task { isa, operands, first, out, scratch, .. }) = (self, task);
        let (out, scratch) = (cast_slice_mut(out), cast_slice_mut::<_, f32>(scratch));
        let gated = &mut scratch[..layer.packed.len()];
        pointwise::gate_inputs(isa, layer.tile, operands.get(*gate), layer.packed.of(operands.weights), gated);
        let x = &operands.get(1 - gate)[first / layer.n * layer.k..][..out.len() / layer.n * layer.k];
        let residual = operands.residual(2, first, out.len());
        f32::multiply(layer, Product { isa, n: layer.n, x, packed: gated, residual, out });
    }

    fn scratch_bytes(&self) -> usize {
        self.pointwise.packed.len() * size_of::<f32>()
    }
}
