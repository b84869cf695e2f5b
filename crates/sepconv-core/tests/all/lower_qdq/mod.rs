//! Graphs of real numbers between bytes become graphs of bytes that compute the same.
//!
//! Where all scales are powers of two and sums are short, every real number is exact, so the integers have to agree to
//! the last bit, ties included. With any other scale they may be one step off.

mod patterns;
mod quantized;
mod refused;

use sepconv_core::op::{BinaryFunction, Concat};
use sepconv_core::{
    DType, Data, Graph, Limits, Op, Plan, Session, Tensor, interpret,
    op::QConvOutput,
    passes::{CANONICALIZING, FUSING, optimize},
};
use sepconv_kernels::{Activation, Isa, Window, pool::PoolKind};

use self::quantized::{Quantized, Reals, Style};
use crate::common::{Backwards, Random};

/// Random inputs in the file's order of axes.
fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut random = Random(seed);
    let one = |port: &sepconv_core::Port| {
        let value = graph.value(port.value);
        let mut dims = vec![0; value.shape.len()];
        port.order.iter().zip(value.shape.iter()).for_each(|(&axis, &size)| dims[axis] = size);
        let bits: Vec<u8> = (0..value.shape.elements()).map(|_| random.below(256) as u8).collect();
        match value.dtype {
            DType::U8 => Tensor::u8(dims, bits).unwrap(),
            DType::I8 => Tensor::i8(dims, bits.into_iter().map(|bits| bits as i8).collect::<Vec<_>>()).unwrap(),
            _ => random.tensor(&dims),
        }
    };
    graph.inputs().iter().map(one).collect()
}

/// Runs all passes; after each, the answer has to be the same to the last bit. Doing it twice changes nothing.
fn check_exact(graph: Graph, seed: u64) -> Graph {
    let inputs = inputs(&graph, seed);
    let expected = interpret(&graph, &inputs).unwrap();
    let mut now = graph.clone();
    for pass in CANONICALIZING.iter().chain(FUSING) {
        now = (pass.run)(&now).unwrap();
        assert_eq!(interpret(&now, &inputs).unwrap(), expected, "pass {:?} changes\n{graph}to\n{now}", pass.name);
    }
    let twice = optimize(now.clone()).unwrap();
    assert_eq!(nameless(&twice), nameless(&now), "once and twice");
    now
}

/// On every instruction set, the plan of a graph of bytes computes what the interpreter does, every bit.
fn check_plans(graph: &Graph, inputs: &[Tensor]) {
    let expected = interpret(graph, inputs).unwrap();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    for isa in Isa::available() {
        let mut session = Session::new(Plan::new(graph, isa, 2, &Limits::default()).unwrap()).unwrap();
        let got = session.run(&inputs, &Backwards(2)).unwrap();
        assert!(got == expected, "{isa} differs from the definition:\n{graph}");
    }
}

/// A graph as it is printed, without the names of its nodes.
fn nameless(graph: &Graph) -> String {
    graph.to_string().lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// How far bytes are apart at most, and how many differ.
fn steps(expected: &[Tensor], got: &[Tensor]) -> (i32, usize) {
    let bytes = |tensors: &[Tensor]| -> Vec<i32> {
        let one = |tensor: &Tensor| -> Vec<i32> {
            match tensor.data() {
                Data::U8(data) => data.iter().map(|&q| q.into()).collect(),
                Data::I8(data) => data.iter().map(|&q| q.into()).collect(),
                data => panic!("bytes expected, got {data:?}"),
            }
        };
        tensors.iter().flat_map(one).collect()
    };
    let (expected, got) = (bytes(expected), bytes(got));
    assert_eq!(expected.len(), got.len());
    let apart = expected.iter().zip(&got).map(|(e, g)| (e - g).abs());
    (apart.clone().max().unwrap_or(0), apart.filter(|&steps| steps > 0).count())
}

/// Whether an operator works on bytes and gives bytes.
fn is_integer(op: &Op) -> bool {
    match op {
        Op::QConv2d(conv) => conv.output != QConvOutput::F32,
        Op::Pool(pool) => pool.kind == PoolKind::Max,
        Op::QBinary(_) | Op::QAveragePool(_) | Op::Lut(_) => true,
        Op::Reshape(_) | Op::Concat(_) | Op::Pad(_) | Op::Slice(_) => true,
        Op::Transpose(_) | Op::Gather(_) | Op::Broadcast(_) => true,
        _ => false,
    }
}

/// Some operators one after the other, all of which have a form on bytes.
fn random_network(seed: u64) -> Graph {
    let mut random = Random(seed);
    let mut q = Quantized::new(seed + 1, Style::random(&mut random, true));
    let channels = 1 + random.below(8);
    let mut x = q.input(&[1 + random.below(2), 8, 8, channels]);
    for _ in 0..2 + random.below(5) {
        x = random_operator(&mut random, &mut q, x);
    }
    let mean = q.mean(x, random.below(2) == 0);
    let mean = q.stored(mean);
    let logits = match q.net.builder.shape(mean.id).len() {
        4 => q.pointwise(mean, 5),
        _ => q.dense(mean, 5),
    };
    q.finish(&[logits, x.id])
}

fn random_operator(random: &mut Random, q: &mut Quantized, x: Reals) -> Reals {
    let (channels, large) = (q.net.channels(x.id), q.net.builder.shape(x.id)[1] > 2);
    let stride = if large { 1 + random.below(2) } else { 1 };
    let clip = [Activation::Identity, Activation::Relu, Activation::RELU6][random.below(3)];
    let result = match random.below(11) {
        0 => {
            let mut window = q.window(3, stride);
            if random.below(3) == 0 {
                (window.dilation, window.before, window.after) = ([1, 2], [1, 2], [1, 2]);
            }
            let groups = if channels % 2 == 0 { 1 + random.below(2) } else { 1 };
            let conv = q.conv(x, groups * (1 + random.below(4)), window, groups);
            q.net.activation(conv, clip)
        }
        1 => {
            let conv = q.depthwise(x, [3, 5][random.below(2)], stride);
            q.net.activation(conv, clip)
        }
        2 => {
            let conv = q.pointwise(x, 1 + random.below(8));
            q.net.activation(conv, clip)
        }
        3 => {
            let padded = q.pad(x, 1, 1);
            let window = Window { stride: [stride; 2], ..Window::new(3, 3) };
            let conv = q.conv(padded, channels, window, channels);
            q.net.activation(conv, clip)
        }
        4 => return q.inverted_residual(x, channels, 1, random.below(2) == 0),
        5 => return q.squeeze_excite(x),
        6 => {
            let sigmoid = q.net.activation(x.id, Activation::Sigmoid);
            let sigmoid = q.stored(sigmoid);
            q.binary(BinaryFunction::Mul, x, sigmoid)
        }
        7 => q.net.activation(x.id, [Activation::HardSwish, Activation::Tanh, Activation::Relu][random.below(3)]),
        8 if large => q.pool(x, PoolKind::Max, 2, 2),
        9 if large => q.pool(x, PoolKind::Average { count_padding: false }, 2, 2),
        10 => {
            let [a, b] = [0; 2].map(|_| q.pointwise(x, 3));
            let [a, b] = [a, b].map(|x| q.stored(x));
            q.net.node(Concat { axis: 3 }, &[a.id, b.id, x.id])
        }
        _ => q.net.node([BinaryFunction::Add, BinaryFunction::Sub][random.below(2)], &[x.id, x.id]),
    };
    q.stored(result)
}

#[test]
fn whole_networks_become_integers_that_agree_to_the_last_bit() {
    for seed in 0..150 {
        let graph = check_exact(random_network(seed), seed);
        let dequantized: Vec<_> = graph.nodes().iter().filter(|node| !is_integer(&node.op)).collect();
        assert!(dequantized.is_empty(), "seed {seed}: {dequantized:?} of\n{graph}");
        check_plans(&graph, &inputs(&graph, seed));
    }
}

/// One operator between inputs and outputs of bytes, with scales as they come.
fn random_single(seed: u64) -> Graph {
    let mut random = Random(seed);
    let mut q = Quantized::new(seed + 1, Style::random(&mut random, false));
    let channels = 1 + random.below(8);
    let x = q.input(&[1, 7, 6, channels]);
    let average = PoolKind::Average { count_padding: false };
    let result = match random.below(8) {
        0 => {
            let window = q.window(3, 2);
            q.conv(x, 6, window, 1)
        }
        1 => q.depthwise(x, 5, 2),
        2 => q.pointwise(x, 7),
        3 => q.dense(x, 4),
        4 => q.mean(x, false),
        5 => q.pool(x, average, 3, 2),
        kind => {
            let other = [vec![1, 7, 6, channels], vec![channels], vec![1, 1, 1, channels]][random.below(3)].clone();
            let scale = 1.0 / 100.0 + random.float() / 200.0;
            let y =
                if other.len() == 1 { Reals { id: q.constant(&other, vec![scale]), scale } } else { q.input(&other) };
            let function = [[BinaryFunction::Add, BinaryFunction::Sub][random.below(2)], BinaryFunction::Mul][kind - 6];
            q.binary(function, x, y)
        }
    };
    q.finish(&[result])
}

#[test]
fn single_operators_are_at_most_a_step_off() {
    let (mut differing, mut all) = (0, 0);
    for seed in 0..400 {
        let graph = random_single(seed);
        let inputs = inputs(&graph, seed);
        let expected = interpret(&graph, &inputs).unwrap();
        let integer = optimize(graph).unwrap();
        assert!(integer.nodes().iter().all(|node| is_integer(&node.op)), "seed {seed}:\n{integer}");
        check_plans(&integer, &inputs);
        let (most, count) = steps(&expected, &interpret(&integer, &inputs).unwrap());
        assert!(most <= 1, "seed {seed}: {most} steps in\n{integer}");
        differing += count;
        all += expected.iter().map(|tensor| tensor.shape().elements()).sum::<usize>();
    }
    // Only what falls so close to a tie that rounding of scales decides.
    assert!(differing * 1000 < all, "{differing} of {all} differ");
}
