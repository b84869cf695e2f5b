//! Data and small networks for the tests of this crate.

use sepconv_core::op::{BatchNorm, Transpose};
use sepconv_core::{
    Builder, DType, Graph, Join, Limits, Op, Plan, Result, Serial, Session, Shape, Tensor, ValueId, op::Conv2d,
};
use sepconv_kernels::{Activation, Isa, Window};

/// A small generator of numbers that look random and are the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// In -1..1.
    pub(crate) fn float(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }

    pub(crate) fn tensor(&mut self, dims: &[usize]) -> Tensor {
        let count = dims.iter().product();
        Tensor::f32(dims, (0..count).map(|_| self.float()).collect::<Vec<_>>()).unwrap()
    }
}

/// A builder with the few calls that tests repeat.
pub(crate) struct Net {
    pub(crate) builder: Builder,
    pub(crate) random: Random,
    count: usize,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self { builder: Builder::new(Limits::default()), random: Random(seed), count: 0 }
    }

    pub(crate) fn input(&mut self, dims: &[usize]) -> ValueId {
        self.builder.input("input", Shape::new(dims).unwrap(), DType::F32).unwrap()
    }

    pub(crate) fn constant(&mut self, dims: &[usize]) -> ValueId {
        let tensor = self.random.tensor(dims);
        self.builder.constant("constant", tensor).unwrap()
    }

    pub(crate) fn scalar(&mut self, x: f32) -> ValueId {
        self.builder.constant("scalar", Tensor::f32([], [x]).unwrap()).unwrap()
    }

    pub(crate) fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.try_node(op, inputs).unwrap()
    }

    pub(crate) fn try_node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        self.count += 1;
        self.builder.node(&format!("n{}", self.count), op, inputs)
    }

    pub(crate) fn channels(&self, x: ValueId) -> usize {
        self.builder.shape(x).last()
    }

    /// A convolution of an NHWC value with random weights, symmetric padding and no activation.
    pub(crate) fn conv(&mut self, x: ValueId, filters: usize, kernel: usize, stride: usize, groups: usize) -> ValueId {
        let pad = [(kernel - 1) / 2; 2];
        let window = Window { stride: [stride; 2], before: pad, after: pad, ..Window::new(kernel, kernel) };
        let per_group = self.channels(x) / groups;
        let weights = self.constant(&[filters, kernel, kernel, per_group]);
        let bias = self.constant(&[filters]);
        self.node(Conv2d { window, groups, activation: Activation::Identity }, &[x, weights, bias])
    }

    /// A batch normalization with positive variances.
    pub(crate) fn batch_norm(&mut self, x: ValueId) -> ValueId {
        let c = self.channels(x);
        let [scale, shift, mean] = [0; 3].map(|_| self.constant(&[c]));
        let variance: Vec<f32> = (0..c).map(|_| 0.5 + self.random.float().abs()).collect();
        let variance = self.builder.constant("variance", Tensor::f32([c], variance).unwrap()).unwrap();
        self.node(BatchNorm { epsilon: 1e-3 }, &[x, scale, shift, mean, variance])
    }

    pub(crate) fn activation(&mut self, x: ValueId, activation: Activation) -> ValueId {
        self.node(activation, &[x])
    }

    /// To NHWC, as an importer of an NCHW file writes it.
    pub(crate) fn nhwc(&mut self, x: ValueId) -> ValueId {
        self.node(Transpose { order: vec![0, 2, 3, 1] }, &[x])
    }

    /// To NCHW.
    pub(crate) fn nchw(&mut self, x: ValueId) -> ValueId {
        self.node(Transpose { order: vec![0, 3, 1, 2] }, &[x])
    }

    pub(crate) fn finish(mut self, outputs: &[ValueId]) -> Graph {
        for (i, &id) in outputs.iter().enumerate() {
            self.builder.output(&format!("output{i}"), id);
        }
        self.builder.finish()
    }
}

/// The largest difference, relative to 1 or to the expected number where that is larger.
pub(crate) fn difference(expected: &[Tensor], got: &[Tensor]) -> f32 {
    assert_eq!(expected.len(), got.len());
    let pairs = expected.iter().zip(got).flat_map(|(expected, got)| {
        assert_eq!(expected.shape(), got.shape());
        expected.as_f32().unwrap().iter().zip(got.as_f32().unwrap())
    });
    pairs
        .map(|(e, g)| if e == g { 0.0 } else { (e - g).abs() / e.abs().max(1.0) })
        .fold(0.0, |most, x| if x <= most { most } else { x })
}

/// Forks as a pool of `0` threads would, one piece after the other, the second first: results must not depend on the
/// order.
pub(crate) struct Backwards(pub(crate) usize);

impl Join for Backwards {
    fn threads(&self) -> usize {
        self.0
    }

    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        Serial.join(b, a);
    }
}

/// What a graph's plan gives first, and its steps and the bytes of its arena.
pub(crate) fn run(graph: &Graph, input: &Tensor, isa: Isa, threads: usize) -> (Tensor, usize, usize) {
    let plan = Plan::new(graph, isa, threads, &Limits::default()).unwrap();
    let (steps, arena) = (plan.step_count(), plan.arena_bytes());
    (Session::new(plan).unwrap().run(&[input], &Backwards(threads)).unwrap()[0].clone(), steps, arena)
}
