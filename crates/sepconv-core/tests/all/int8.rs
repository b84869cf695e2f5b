//! Bytes through a plan: the interpreter's, every bit, on any instruction set and for any number of threads.

use std::sync::Arc;

use sepconv_core::op::{
    BinaryFunction, Broadcast, Concat, Dequantize, Gather, Pad, Quantize, Reshape, Slice, Transpose, UnaryFunction,
};
use sepconv_core::{
    DType, Graph, Limits, Op, Plan, Serial, Session, Shape, Tensor, ValueId, interpret,
    op::{Lut, PadMode, Pool, QAveragePool, QBinary, QConv2d, QConvOutput, QuantParams},
    passes::optimize,
};
use sepconv_kernels::{AddResidual, Isa, RequantOperand, Requantize, Window, pool::PoolKind};

use crate::common::{Backwards, Net, Random, run};

impl Random {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// Bytes of either type.
    fn byte_tensor(&mut self, dims: &[usize], dtype: DType) -> Tensor {
        let bytes = self.bytes(dims.iter().product());
        match dtype {
            DType::I8 => Tensor::i8(dims, bytes.into_iter().map(|byte| byte as i8).collect::<Vec<_>>()).unwrap(),
            _ => Tensor::u8(dims, bytes).unwrap(),
        }
    }

    fn byte_type(&mut self) -> DType {
        [DType::U8, DType::I8][self.below(2)]
    }
}

impl Net {
    fn bytes(&mut self, dims: &[usize], dtype: DType) -> ValueId {
        self.builder.input("bytes", Shape::new(dims).unwrap(), dtype).unwrap()
    }

    fn lookup(&mut self, x: ValueId, output: DType) -> ValueId {
        let table: [u8; 256] = self.random.bytes(256).try_into().unwrap();
        self.node(Lut { table: Arc::new(table), output }, &[x])
    }
}

/// Compares every instruction set and several thread counts with the interpreter, on the graph as it is and optimized.
fn check(graph: Graph, inputs: &[Tensor]) {
    let expected = interpret(&graph, inputs).unwrap();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    for graph in [graph.clone(), optimize(graph).unwrap()] {
        for isa in Isa::available() {
            for threads in [1, 2, 3] {
                let plan = Plan::new(&graph, isa, threads, &Limits::default()).unwrap();
                let absent = Isa::absent(isa.name()).unwrap();
                let elsewhere = Plan::new(&graph, absent, threads, &Limits::default()).unwrap();
                if elsewhere.kernel_choices() == plan.kernel_choices() {
                    assert!(elsewhere.weights() == plan.weights(), "{isa}, packed elsewhere:\n{graph}");
                }
                let mut session = Session::new(plan).unwrap();
                session.run(&inputs, &Backwards(threads)).unwrap();
                // A second run must not see what the first left behind.
                let got = session.run(&inputs, &Backwards(threads)).unwrap();
                assert!(got == expected, "{isa} with {threads} thread(s) differs from the definition:\n{graph}");
            }
        }
    }
}

/// Small networks of random operators that move bytes or look them up, all shapes odd.
#[test]
fn random_moves() {
    for seed in 0..60 {
        let mut net = Net::new(seed);
        let dims: Vec<usize> = [3, 12, 11, 21].map(|most| 1 + net.random.below(most)).to_vec();
        let dtype = net.random.byte_type();
        let x = net.bytes(&dims, dtype);
        let mut values = vec![x];
        for _ in 0..6 {
            let x = values[net.random.below(values.len())];
            let y = random_move(&mut net, x);
            values.push(y);
        }
        let input = Random(seed + 1000).byte_tensor(&dims, dtype);
        check(net.finish(&[values[6], values[3]]), &[input]);
    }
}

fn random_move(net: &mut Net, x: ValueId) -> ValueId {
    let (shape, dtype) = (net.builder.shape(x).clone(), net.builder.value(x).dtype);
    let rank = shape.len();
    let axis = net.random.below(rank);
    match net.random.below(9) {
        0 => {
            let output = net.random.byte_type();
            net.lookup(x, output)
        }
        1 => {
            let mut order: Vec<usize> = (0..rank).collect();
            order.rotate_left(axis);
            net.node(Transpose { order }, &[x])
        }
        2 => net.node(Concat { axis }, &[x, x, x]),
        3 => {
            let mut starts = vec![0; rank];
            starts[axis] = shape[axis] - 1;
            let mut steps = vec![1; rank];
            steps[axis] = -1;
            net.node(Slice { starts, steps, sizes: shape.to_vec() }, &[x])
        }
        4 => {
            let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
            (before[axis], after[(axis + 1) % rank]) = (2, 1);
            let fill = if dtype == DType::I8 { -128.0 } else { 200.0 };
            let fill = [PadMode::Constant(fill), PadMode::Edge][net.random.below(2)];
            net.node(Pad { before, after, mode: fill }, &[x])
        }
        5 => {
            let indices = [0, shape[axis] as i64 - 1, 0];
            let indices = net.builder.constant("indices", Tensor::i64([3], indices).unwrap()).unwrap();
            net.node(Gather { axis }, &[x, indices])
        }
        6 => {
            let mut sizes = shape.to_vec();
            sizes.reverse();
            net.node(Reshape { shape: Shape::new(sizes).unwrap() }, &[x])
        }
        7 => {
            let slice = Op::Slice(Slice { starts: vec![0; rank], steps: vec![1; rank], sizes: vec![1; rank] });
            let one = net.node(slice, &[x]);
            net.node(Broadcast { shape }, &[one])
        }
        _ => {
            // Through the real numbers and back, with a scale for each index of an axis.
            let mut parameters = || {
                let channels = shape[axis];
                let scale = (0..channels).map(|_| 0.01 + net.random.float().abs()).collect();
                let zero = if dtype == DType::I8 { -128 } else { 0 };
                let zero_point = (0..channels).map(|_| zero + net.random.below(256) as i32).collect();
                QuantParams { dtype, scale, zero_point, axis }
            };
            let (from, to) = (parameters(), parameters());
            let dequantized = net.node(Dequantize(from), &[x]);
            let dequantized = net.node(UnaryFunction::Neg, &[dequantized]);
            net.node(Quantize(to), &[dequantized])
        }
    }
}

/// What a random int8 layer is made of.
#[derive(Clone, Copy)]
struct Layer {
    filters: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    dilation: usize,
}

impl Net {
    /// An int8 layer with random constants and a random way from sums to bytes; `residual` may be added. Sums spread
    /// over most bytes.
    fn qconv(&mut self, x: ValueId, layer: Layer, residual: Option<ValueId>, table: bool) -> ValueId {
        let random = &mut self.random;
        let table = table.then(|| Lut { table: Arc::new(random.bytes(256).try_into().unwrap()), output: DType::U8 });
        let residual_term =
            residual.map(|_| AddResidual { sum: random.term(), residual: random.term(), output: random.clip() });
        let output = QConvOutput::U8 { requantize: random.clip(), lut: table, residual: residual_term };
        self.qconv_to(x, layer, residual, output)
    }

    fn qconv_to(&mut self, x: ValueId, layer: Layer, residual: Option<ValueId>, output: QConvOutput) -> ValueId {
        let Layer { filters, kernel, stride, groups, dilation } = layer;
        let per_group = self.channels(x) / groups;
        let dims = [filters, kernel, kernel, per_group];
        let products = dims[1..].iter().product::<usize>();
        let random = &mut self.random;
        let dtype = random.byte_type();
        let weights = random.byte_tensor(&dims, dtype);
        // Half of the layers are symmetric, as most files have them.
        let weight_zero_point = match (dtype, random.below(2)) {
            (DType::I8, 0) => 0,
            (DType::I8, _) => random.below(256) as i32 - 128,
            _ => random.below(256) as i32,
        };
        let spread = 255.0 / (10_000.0 * (products as f32).sqrt());
        let scale: Vec<f32> = (0..filters).map(|_| spread * (0.5 + random.float())).collect();
        let bias: Vec<i64> = (0..filters).map(|_| random.below(20_001) as i64 - 10_000).collect();
        let input_zero_point = random.next() as u8;
        let constants = [weights, Tensor::i64([filters], bias).unwrap(), Tensor::f32([filters], scale).unwrap()];
        let [w, b, s] = constants.map(|tensor| self.builder.constant("constant", tensor).unwrap());
        let window = Window {
            stride: [stride; 2],
            dilation: [dilation; 2],
            before: [(kernel - 1) / 2 * dilation; 2],
            after: [kernel / 2 * dilation; 2],
            ..Window::new(kernel, kernel)
        };
        let op = Op::QConv2d(QConv2d { window, groups, input_zero_point, weight_zero_point, output });
        let operands: Vec<ValueId> = [x, w, b, s].into_iter().chain(residual).collect();
        self.node(op, &operands)
    }
}

impl Net {
    fn average(&mut self, x: ValueId, window: Window) -> ValueId {
        let pool = Pool { window, kind: PoolKind::Average { count_padding: false }, ceil_mode: false };
        let RequantOperand { zero_point: input_zero_point, scale } = self.random.term();
        let output = self.random.clip();
        self.node(QAveragePool { pool, input_zero_point, scale, output }, &[x])
    }

    /// A layer that keeps numbers below zero, as projections do.
    fn linear(&mut self, x: ValueId, layer: Layer, residual: Option<ValueId>) -> ValueId {
        let requantize = Requantize { zero_point: 128, low: 0, high: 255 };
        let random = &mut self.random;
        let residual_term =
            residual.map(|_| AddResidual { sum: random.term(), residual: random.term(), output: requantize });
        self.qconv_to(x, layer, residual, QConvOutput::U8 { requantize, lut: None, residual: residual_term })
    }

    /// `x` times a number for each channel.
    fn gate(&mut self, x: ValueId, scale: ValueId) -> ValueId {
        let (a, b) = (self.random.term(), RequantOperand { zero_point: 0, scale: 1.0 / 255.0 });
        let op = Op::QBinary(QBinary { function: BinaryFunction::Mul, a, b, output: self.random.clip() });
        self.node(op, &[x, scale])
    }

    /// A random function of two operands that broadcast; where they do not, of `x` with itself.
    fn qbinary(&mut self, x: ValueId, y: ValueId) -> ValueId {
        let random = &mut self.random;
        let (mut a, b) = (random.term(), random.term());
        let function = [BinaryFunction::Add, BinaryFunction::Sub, BinaryFunction::Mul][random.below(3)];
        if function == BinaryFunction::Mul {
            a.scale /= 100.0;
        }
        let op = Op::QBinary(QBinary { function, a, b, output: random.clip() });
        self.try_node(op.clone(), &[x, y]).unwrap_or_else(|_| self.node(op, &[x, x]))
    }
}

/// Broadcasts that no network has, by strides.
#[test]
fn bytes_broadcast_in_every_way() {
    let full = [2, 3, 4, 5];
    let others: [&[usize]; 9] =
        [&[], &[1], &[5], &[4, 1], &[1, 5], &[3, 1, 1], &[2, 1, 1, 5], &[2, 3, 1, 1], &[1, 3, 4, 1]];
    for (seed, other) in others.into_iter().enumerate() {
        let mut net = Net::new(seed as u64);
        let x = net.bytes(&full, DType::U8);
        let y = net.random.byte_tensor(other, DType::U8);
        let y = net.builder.constant("constant", y).unwrap();
        let (first, second) = (net.qbinary(x, y), net.qbinary(y, x));
        check(net.finish(&[first, second]), &[Random(9).byte_tensor(&full, DType::U8)]);
    }
}

impl Random {
    fn term(&mut self) -> RequantOperand {
        RequantOperand { zero_point: self.next() as u8, scale: 0.3 + self.float().abs() }
    }

    fn clip(&mut self) -> Requantize {
        let (low, high) = [(0, 255), (40, 255), (0, 200)][self.below(3)];
        Requantize { zero_point: 100 + self.below(56) as u8, low, high }
    }
}

/// Small networks of random int8 layers of every kind.
#[test]
fn random_layers() {
    for seed in 0..60 {
        let mut net = Net::new(seed);
        let batch = 1 + net.random.below(2);
        let dims = [batch, 1 + net.random.below(20), 1 + net.random.below(21), 1 + net.random.below(40)];
        let x = net.bytes(&dims, DType::U8);
        let mut values = vec![x];
        for _ in 0..6 {
            let x = values[net.random.below(values.len())];
            let y = random_layer(&mut net, x, &values);
            values.push(y);
        }
        let dequantized = random_kind(&mut net, values[6]);
        let dequantized = net.qconv_to(values[6], dequantized, None, QConvOutput::F32);
        let input = Random(seed + 1000).byte_tensor(&dims, DType::U8);
        check(net.finish(&[values[6], values[3], dequantized]), &[input]);
    }
}

fn random_kind(net: &mut Net, x: ValueId) -> Layer {
    let (c, random) = (net.channels(x), &mut net.random);
    let (stride, filters, dilation) = (1 + random.below(2), 1 + random.below(70), 1 + random.below(4) / 3);
    let [kernel, other] = [0; 2].map(|_| [1, 3, 5, 2, 7][random.below(5)]);
    match random.below(6) {
        0 | 1 => Layer { filters, kernel: 1, stride: 1, groups: 1, dilation: 1 },
        2 => Layer { filters: c, kernel, stride, groups: c, dilation },
        3 => Layer { filters: 2 * c, kernel: other, stride, groups: c, dilation },
        4 if c % 2 == 0 => Layer { filters: 6, kernel, stride, groups: 2, dilation },
        _ => Layer { filters: filters.min(20), kernel, stride, groups: 1, dilation },
    }
}

fn random_layer(net: &mut Net, x: ValueId, values: &[ValueId]) -> ValueId {
    let (shape, layer) = (net.builder.shape(x).clone(), random_kind(net, x));
    let same = |y: &&ValueId| net.builder.shape(**y)[..3] == shape[..3];
    let others: Vec<ValueId> = values.iter().filter(same).copied().collect();
    let table = net.random.below(3) == 0;
    let window = Window {
        stride: [layer.stride; 2],
        before: [layer.kernel / 2; 2],
        after: [layer.kernel / 2; 2],
        ..Window::new(layer.kernel, layer.kernel)
    };
    match net.random.below(7) {
        0 if layer.stride == 1 => {
            let residual = others[net.random.below(others.len())];
            let layer = Layer { filters: net.channels(residual), groups: 1, ..layer };
            net.qconv(x, layer, Some(residual), table)
        }
        1 => {
            let pool = Pool { window, kind: PoolKind::Max, ceil_mode: layer.stride == 2 };
            net.node(pool, &[x])
        }
        2 => net.average(x, window),
        3 => {
            let other = others[net.random.below(others.len())];
            net.qbinary(x, other)
        }
        4 => {
            // A gate, as a squeeze-excite makes it.
            let [h, w] = [shape[1], shape[2]];
            let mean = net.average(x, Window::new(h, w));
            let gate = Layer { filters: shape.last(), kernel: 1, stride: 1, groups: 1, dilation: 1 };
            let gate = net.qconv(mean, gate, None, true);
            if layer.stride == 1 { net.qbinary(x, gate) } else { net.qbinary(gate, x) }
        }
        _ => net.qconv(x, layer, None, table),
    }
}

/// A block whose inner tensors are large runs a few rows at a time. Every byte is that of the layers run one by one,
/// which is how they run when the inner tensors are asked for too.
#[test]
fn fused_blocks_of_bytes_equal_their_layers() {
    for (kernel, stride, batch, expand, gate) in [
        (3, 1, 1, true, false),
        (3, 2, 2, true, false),
        (5, 1, 1, true, false),
        (5, 2, 1, true, true),
        (3, 1, 2, true, true),
        (7, 1, 1, false, false),
        (5, 1, 2, false, false),
    ] {
        let dims = [batch, 81, 78, if expand { 12 } else { 150 }];
        let build = |with_inner: bool| {
            let mut net = Net::new(kernel as u64);
            let x = net.bytes(&dims, DType::U8);
            let (mut y, mut inner) = (x, vec![]);
            let pointwise = |filters| Layer { filters, kernel: 1, stride: 1, groups: 1, dilation: 1 };
            if expand {
                y = net.qconv(y, pointwise(150), None, true);
                inner.push(y);
            }
            y = net.qconv(y, Layer { filters: 150, kernel, stride, groups: 150, dilation: 1 }, None, false);
            inner.push(y);
            if gate {
                let (h, w) = (net.builder.shape(y)[1], net.builder.shape(y)[2]);
                let mean = net.average(y, Window::new(h, w));
                let scale = net.qconv(mean, pointwise(150), None, true);
                y = net.gate(y, scale);
            }
            let residual = (expand && stride == 1).then_some(x);
            y = net.linear(y, pointwise(12), residual);
            inner.truncate(if with_inner { 2 } else { 0 });
            inner.insert(0, y);
            net.finish(&inner)
        };
        let (together, apart) = (build(false), build(true));
        let input = Random(7).byte_tensor(&dims, DType::U8);
        for isa in Isa::available() {
            for threads in [1, 2, 3, 7] {
                let [(fused, few, small), (expected, many, large)] =
                    [&together, &apart].map(|graph| run(graph, &input, isa, threads));
                assert!(few < many, "{few} steps instead of {many}: kernel {kernel}, stride {stride}, gate {gate}");
                assert!(fused == expected, "kernel {kernel}, stride {stride}, {isa}, {threads} threads");
                assert!(threads > 1 || small < large, "fusing saves memory: {small} of {large} bytes");
            }
        }
    }
}

#[test]
fn chains_with_poolings_equal_their_layers() {
    let window = Window { stride: [2; 2], before: [1; 2], after: [1; 2], ..Window::new(3, 3) };
    let input = Random(11).byte_tensor(&[2, 90, 95, 3], DType::U8);
    for mean in [false, true] {
        let build = |with_inner: bool| {
            let mut net = Net::new(6);
            let x = net.bytes(input.shape(), DType::U8);
            let layer = |stride, groups| Layer { filters: 48, kernel: 3, stride, groups, dilation: 1 };
            let stem = net.qconv(x, layer(1, 1), None, false);
            let max = Pool { window, kind: PoolKind::Max, ceil_mode: false };
            let pooled = if mean { net.average(stem, window) } else { net.node(max, &[stem]) };
            let y = net.qconv(pooled, layer(2, 48), None, false);
            net.finish(&[y, pooled, stem][..if with_inner { 3 } else { 1 }])
        };
        for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 3)]) {
            let [fused, expected] = [false, true].map(|inner| run(&build(inner), &input, isa, threads));
            assert!(fused.1 < expected.1, "{} steps instead of {}", fused.1, expected.1);
            assert!(fused.0 == expected.0, "{isa}, {threads} threads, mean: {mean}");
        }
    }
}

/// On a machine of little memory layers run together where, and only where, the most that any step needs gets less.
#[test]
fn layers_run_together_where_memory_is_least() {
    let pointwise = |filters| Layer { filters, kernel: 1, stride: 1, groups: 1, dilation: 1 };
    let depthwise = |filters, stride| Layer { filters, kernel: 3, stride, groups: filters, dilation: 1 };
    let plan = |layers: &[Layer]| {
        let mut net = Net::new(1);
        let x = net.bytes(&[1, 32, 32, 8], DType::U8);
        let y = layers.iter().fold(x, |y, &layer| net.qconv(y, layer, None, false));
        let graph = net.finish(&[y]);
        (Plan::new(&graph, Isa::WORD, 1, &Limits::default()).unwrap(), Plan::unfused_bytes(&graph))
    };
    // Four times as many channels between two layers: input, result, and rows of what is between.
    let (together, whole) = plan(&[pointwise(32), depthwise(32, 2), pointwise(8)]);
    assert_eq!(whole, 32 * 32 * (8 + 32));
    let chain = together.steps()[0].chain_call().expect("layers that run together");
    let kept: usize = chain.layers.iter().map(|layer| layer.ring.len()).sum();
    assert!(together.arena_bytes() <= 32 * 32 * 8 + 16 * 16 * 32 + kept + chain.scratch.len() + 128, "{together}");
    let scratch = together.steps()[0].scratch();
    let mut end = scratch.start;
    for range in chain.layers.iter().map(|layer| &layer.ring).filter(|ring| !ring.is_empty()).chain([&chain.scratch]) {
        assert!(end <= range.start && range.end <= scratch.end, "{range:?} of {scratch:?}");
        end = range.end;
    }
    assert!(chain.layers.windows(2).all(|pair| pair[0].output == pair[1].input));
    // Nothing that is between the input and the result is larger than they are.
    let (apart, _) = plan(&[pointwise(8), depthwise(8, 1), pointwise(8)]);
    assert!(apart.steps().iter().all(|step| step.chain_call().is_none() && step.call().is_some()), "{apart}");
}

/// What leaves the range of bytes is clamped, halves go to the even neighbor, and what is not a number is the least.
#[test]
fn quantizing_rounds_and_clamps() {
    let dequantized =
        [0.5, 1.5, 2.5, -0.5, 127.5, 128.5, -128.5, 1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    for dtype in [DType::U8, DType::I8] {
        let mut net = Net::new(1);
        let x = net.input(&[12]);
        let zero_point = if dtype == DType::I8 { -128 } else { 0 };
        let y = net.node(Quantize(QuantParams::per_tensor(dtype, 1.0, zero_point)), &[x]);
        let z = net.node(Dequantize(QuantParams::per_tensor(dtype, 1.0, zero_point)), &[y]);
        let graph = net.finish(&[z]);
        let mut session = Session::new(Plan::new(&graph, Isa::best(), 1, &Limits::default()).unwrap()).unwrap();
        let result = session.run(&[&Tensor::f32([12], dequantized).unwrap()], &Serial).unwrap();
        let expected = [0.0, 2.0, 2.0, 0.0, 128.0, 128.0, 0.0, 255.0, 0.0, 255.0, 0.0, 0.0];
        assert_eq!(result[0].as_f32().unwrap(), expected, "{dtype}");
        check(graph, &[Tensor::f32([12], dequantized).unwrap()]);
    }
}

/// A tensor of bytes takes as many, and memory of bytes is used again for floats.
#[test]
fn memory_counts_bytes() {
    let mut net = Net::new(1);
    let x = net.bytes(&[1, 32, 32, 16], DType::U8);
    let quantization = QuantParams::per_tensor(DType::U8, 0.5, 3);
    let y = net.node(Dequantize(quantization), &[x]);
    let z = net.node(UnaryFunction::Neg, &[y]);
    let plan = Plan::new(&net.finish(&[z]), Isa::best(), 1, &Limits::default()).unwrap();
    assert_eq!(plan.arena_bytes(), 32 * 32 * 16 * (1 + 4));
    assert_eq!(plan.layers()[0].bytes, 32 * 32 * 16 * (1 + 4));
}

#[test]
fn wrong_types_are_refused() {
    let mut net = Net::new(1);
    let x = net.bytes(&[2, 3], DType::I8);
    let y = net.lookup(x, DType::U8);
    let mut session = Session::new(Plan::new(&net.finish(&[y]), Isa::best(), 1, &Limits::default()).unwrap()).unwrap();
    assert_eq!(session.outputs()[0].dtype(), DType::U8);
    for wrong in [Tensor::u8([2, 3], [0; 6]).unwrap(), Tensor::f32([2, 3], [0.0; 6]).unwrap()] {
        let error = session.run(&[&wrong], &Serial).unwrap_err();
        assert!(error.to_string().contains("expected i8 [2,3]"), "{error}");
    }
}

#[test]
fn empty_tensors_of_bytes_run() {
    let mut net = Net::new(1);
    let x = net.bytes(&[2, 0, 3], DType::U8);
    let quantization = QuantParams { dtype: DType::U8, scale: vec![], zero_point: vec![], axis: 1 };
    let y = net.node(Dequantize(quantization), &[x]);
    let z = net.node(Concat { axis: 1 }, &[x, x]);
    check(net.finish(&[y, z, x]), &[Tensor::u8([2, 0, 3], []).unwrap()]);
}
