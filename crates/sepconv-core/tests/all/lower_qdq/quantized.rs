//! Small networks of bytes, as importers spell them: `Dequantize`, an operator on real numbers, `Quantize`.

use sepconv_core::op::{BinaryFunction, Dense, Dequantize, Pad, Quantize, Reduce};
use sepconv_core::{
    DType, Graph, Op, Shape, Tensor, ValueId,
    op::{Conv2d, PadMode, Pool, QuantParams},
};
use sepconv_kernels::{Activation, Window, pool::PoolKind, reduce::Reduction};

use crate::common::{Net, Random};

/// Options of post-training quantization.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) activations: DType,
    pub(crate) weights: DType,
    pub(crate) per_channel: bool,
    /// Whether scales are powers of two.
    pub(crate) exact: bool,
}

/// As TensorFlow Lite quantizes now.
pub(crate) const INT8: Style = Style { activations: DType::I8, weights: DType::I8, per_channel: true, exact: true };

/// As TensorFlow 1 trained.
pub(crate) const UINT8: Style = Style { activations: DType::U8, weights: DType::U8, per_channel: false, exact: true };

impl Style {
    pub(crate) fn random(random: &mut Random, exact: bool) -> Self {
        let mut signed = || if random.below(2) == 0 { DType::I8 } else { DType::U8 };
        let (activations, weights) = (signed(), signed());
        Self { activations, weights, per_channel: random.below(2) == 0, exact }
    }
}

/// Real numbers that bytes stand for, and in steps of what.
#[derive(Clone, Copy)]
pub(crate) struct Reals {
    pub(crate) id: ValueId,
    pub(crate) scale: f32,
}

/// A network under construction.
pub(crate) struct Quantized {
    pub(crate) net: Net,
    pub(crate) style: Style,
}

impl Quantized {
    pub(crate) fn new(seed: u64, style: Style) -> Self {
        Self { net: Net::new(seed), style }
    }

    fn scale(&mut self, around: f32) -> f32 {
        let scale = around * (1.0 + self.net.random.float() / 2.0);
        if self.style.exact { scale.log2().round().exp2() } else { scale }
    }

    /// A quantization of activations in steps of about `around`, to both sides of zero.
    pub(crate) fn quantization(&mut self, around: f32) -> QuantParams {
        let zero = 96 + self.net.random.below(64) as i32;
        let zero = if self.style.activations == DType::I8 { zero - 128 } else { zero };
        QuantParams::per_tensor(self.style.activations, self.scale(around), zero)
    }

    /// Bytes that enter the graph.
    pub(crate) fn input(&mut self, dims: &[usize]) -> Reals {
        let bytes = self.net.builder.input("input", Shape::new(dims).unwrap(), self.style.activations).unwrap();
        let quantization = self.quantization(1.0 / 64.0);
        self.dequantized(bytes, quantization)
    }

    fn dequantized(&mut self, bytes: ValueId, quantization: QuantParams) -> Reals {
        let scale = quantization.scale[0];
        Reals { id: self.net.node(Dequantize(quantization), &[bytes]), scale }
    }

    /// To bytes and back.
    pub(crate) fn through(&mut self, x: ValueId, quantization: QuantParams) -> Reals {
        let bytes = self.net.node(Quantize(quantization.clone()), &[x]);
        self.dequantized(bytes, quantization)
    }

    /// To bytes over -4..4 or so and back.
    pub(crate) fn stored(&mut self, x: ValueId) -> Reals {
        let quantization = self.quantization(1.0 / 32.0);
        self.through(x, quantization)
    }

    pub(crate) fn random_bytes(&mut self, dims: &[usize], dtype: DType) -> Tensor {
        let bits: Vec<u8> = (0..dims.iter().product()).map(|_| self.net.random.below(256) as u8).collect();
        match dtype {
            DType::I8 => Tensor::i8(dims, bits.into_iter().map(|bits| bits as i8).collect::<Vec<_>>()).unwrap(),
            _ => Tensor::u8(dims, bits).unwrap(),
        }
    }

    /// A constant of bytes for real numbers in steps of `scale` each index of the first axis.
    pub(crate) fn constant(&mut self, dims: &[usize], scale: Vec<f32>) -> ValueId {
        let dtype = self.style.weights;
        let zero = if dtype == DType::U8 { 100 + self.net.random.below(50) as i32 } else { 0 };
        let quantization = QuantParams { dtype, zero_point: vec![zero; scale.len()], scale, axis: 0 };
        let bytes = self.random_bytes(dims, dtype);
        let bytes = self.net.builder.constant("bytes", bytes).unwrap();
        self.net.node(Dequantize(quantization), &[bytes])
    }

    /// Weights for results over -4..4 or so, and a bias of integers in their units.
    fn weights(&mut self, x: Reals, dims: &[usize]) -> [ValueId; 2] {
        let (n, taps) = (dims[0], dims[1..].iter().product::<usize>());
        let count = if self.style.per_channel { n } else { 1 };
        let scale: Vec<f32> = (0..count).map(|_| self.scale(1.0 / 64.0 / (taps as f32).sqrt())).collect();
        let weights = self.constant(dims, scale.clone());
        let integers: Vec<i64> = (0..n).map(|_| self.net.random.below(4000) as i64 - 2000).collect();
        let bias = self.net.builder.constant("bias", Tensor::i64([n], integers).unwrap()).unwrap();
        let scale: Vec<f32> = scale.iter().map(|scale| scale * x.scale).collect();
        let zero_point = vec![0; count];
        let bias = self.net.node(Dequantize(QuantParams { dtype: DType::I64, scale, zero_point, axis: 0 }), &[bias]);
        [weights, bias]
    }

    /// A convolution whose result is not stored yet.
    pub(crate) fn conv(&mut self, x: Reals, filters: usize, window: Window, groups: usize) -> ValueId {
        let dims = [filters, window.kernel[0], window.kernel[1], self.net.channels(x.id) / groups];
        let [weights, bias] = self.weights(x, &dims);
        let op = Op::Conv2d(Conv2d { window, groups, activation: Activation::Identity });
        self.net.node(op, &[x.id, weights, bias])
    }

    pub(crate) fn pointwise(&mut self, x: Reals, filters: usize) -> ValueId {
        self.conv(x, filters, Window::new(1, 1), 1)
    }

    /// A depthwise convolution with padding as TensorFlow's SAME or PyTorch's.
    pub(crate) fn depthwise(&mut self, x: Reals, kernel: usize, stride: usize) -> ValueId {
        let channels = self.net.channels(x.id);
        let window = self.window(kernel, stride);
        self.conv(x, channels, window, channels)
    }

    pub(crate) fn window(&mut self, kernel: usize, stride: usize) -> Window {
        let pad = (kernel - 1) / 2;
        let before = if stride == 2 && self.net.random.below(2) == 0 { pad - 1 } else { pad };
        let after = 2 * pad - before;
        Window { stride: [stride; 2], before: [before; 2], after: [after; 2], ..Window::new(kernel, kernel) }
    }

    pub(crate) fn dense(&mut self, x: Reals, outputs: usize) -> ValueId {
        let inputs = self.net.channels(x.id);
        let [weights, bias] = self.weights(x, &[outputs, inputs]);
        self.net.node(Dense { activation: Activation::Identity }, &[x.id, weights, bias])
    }

    pub(crate) fn binary(&mut self, function: BinaryFunction, a: Reals, b: Reals) -> ValueId {
        self.net.node(function, &[a.id, b.id])
    }

    /// The mean of each channel.
    pub(crate) fn mean(&mut self, x: Reals, keep_dims: bool) -> ValueId {
        self.net.node(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims }, &[x.id])
    }

    pub(crate) fn pool(&mut self, x: Reals, kind: PoolKind, kernel: usize, stride: usize) -> ValueId {
        let window = Window { stride: [stride; 2], ..Window::new(kernel, kernel) };
        self.net.node(Pool { window, kind, ceil_mode: false }, &[x.id])
    }

    /// Zeros around the plane.
    pub(crate) fn pad(&mut self, x: Reals, before: usize, after: usize) -> Reals {
        let [before, after] = [before, after].map(|size| vec![0, size, size, 0]);
        let id = self.net.node(Pad { before, after, mode: PadMode::Constant(0.0) }, &[x.id]);
        Reals { id, ..x }
    }

    /// An expansion by 4, a depthwise layer and a projection, with the input added where that is possible.
    pub(crate) fn inverted_residual(&mut self, x: Reals, filters: usize, stride: usize, gate: bool) -> Reals {
        let channels = self.net.channels(x.id);
        let expanded = self.pointwise(x, 4 * channels);
        let expanded = self.net.activation(expanded, Activation::RELU6);
        let expanded = self.stored(expanded);
        let depthwise = self.depthwise(expanded, 3, stride);
        let mut depthwise = self.stored(depthwise);
        if gate {
            depthwise = self.squeeze_excite(depthwise);
        }
        let projected = self.pointwise(depthwise, filters);
        let projected = self.stored(projected);
        if channels != filters || stride != 1 {
            return projected;
        }
        let sum = self.binary(BinaryFunction::Add, x, projected);
        self.stored(sum)
    }

    pub(crate) fn squeeze_excite(&mut self, x: Reals) -> Reals {
        let channels = self.net.channels(x.id);
        let mean = self.mean(x, true);
        let mean = self.stored(mean);
        let squeezed = self.pointwise(mean, 4);
        let squeezed = self.net.activation(squeezed, Activation::Relu);
        let squeezed = self.stored(squeezed);
        let excited = self.pointwise(squeezed, channels);
        let excited = self.stored(excited);
        let gate = self.net.activation(excited.id, Activation::Sigmoid);
        let gate = self.through(gate, QuantParams::per_tensor(DType::U8, 1.0 / 256.0, 0));
        let product = self.binary(BinaryFunction::Mul, x, gate);
        self.stored(product)
    }

    /// Stores `x` as bytes and makes them an output.
    pub(crate) fn finish(mut self, outputs: &[ValueId]) -> Graph {
        let bytes: Vec<ValueId> = outputs
            .iter()
            .map(|&x| {
                let quantization = self.quantization(1.0 / 32.0);
                self.net.node(Quantize(quantization), &[x])
            })
            .collect();
        self.net.finish(&bytes)
    }
}
