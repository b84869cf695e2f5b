//! Networks out of random choices. The fuzz target of plans makes the choices too, so nothing here knows where they
//! come from.

use sepconv_core::op::{
    BatchNorm, Binary, Broadcast, Cell, Concat, Dense, Gather, LayerNorm, MatMul, Pad, Recurrent, Reduce, Reshape,
    Slice, Softmax, Transpose,
};
use sepconv_core::{
    Builder, DType, Graph, Limits, Op, Shape, Tensor, ValueId,
    op::{Conv2d, ConvTranspose, PadMode, Pool, Resize},
};
use sepconv_kernels::{
    Activation, Window,
    pool::PoolKind,
    reduce::Reduction,
    resize::{AxisMap, Coordinates, Mode, Rounding},
};

use crate::common::Random;

/// Limits that keep the cost of one network small.
const LIMITS: Limits = Limits { max_memory: 1 << 24, max_macs: 1_000_000, max_nodes: 100 };

/// A network that grows, and the values that it is given.
pub(crate) struct Awkward {
    pub(crate) builder: Builder,
    random: Random,
    pub(crate) values: Vec<ValueId>,
    pub(crate) inputs: Vec<Tensor>,
}

impl Awkward {
    pub(crate) fn new(random: Random) -> Self {
        Self { builder: Builder::new(LIMITS), random, values: vec![], inputs: vec![] }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len())].clone()
    }

    fn chance(&mut self, of: usize) -> bool {
        self.random.below(of) == 0
    }

    /// Whole numbers, so that results are exact and the order of sums cannot matter.
    pub(crate) fn tensor(&mut self, dims: &[usize]) -> Tensor {
        let count = dims.iter().product();
        let data: Vec<f32> = (0..count).map(|_| self.random.below(7) as f32 - 3.0).collect();
        Tensor::f32(dims, data).unwrap()
    }

    /// A constant, or a single number where it would be large.
    pub(crate) fn constant(&mut self, dims: &[usize]) -> ValueId {
        self.constant_of(dims, |x| x)
    }

    fn constant_of(&mut self, dims: &[usize], f: impl Fn(f32) -> f32) -> ValueId {
        let small = dims.iter().product::<usize>() < 100_000;
        let tensor = self.tensor(if small { dims } else { &[] });
        let data: Vec<f32> = tensor.as_f32().unwrap().iter().copied().map(f).collect();
        self.builder.constant("constant", Tensor::f32(&tensor.shape()[..], data).unwrap()).unwrap()
    }

    pub(crate) fn input(&mut self) {
        let dims = self.dims();
        let id = self.builder.input("input", Shape::new(&dims[..]).unwrap(), DType::F32).unwrap();
        let tensor = self.tensor(&dims);
        self.inputs.push(tensor);
        self.values.push(id);
    }

    fn dims(&mut self) -> Vec<usize> {
        let rank = self.pick(&[0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5]);
        let dims: Vec<usize> = (0..rank).map(|_| self.pick(&[1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 9, 17, 0])).collect();
        if dims.iter().product::<usize>() < 5000 { dims } else { self.dims() }
    }

    /// A number that an attribute may hold: mostly small, sometimes absurd.
    fn size(&mut self) -> usize {
        if self.chance(60) { self.pick(&[1 << 20, 1 << 40, usize::MAX / 2, usize::MAX]) } else { self.random.below(4) }
    }

    fn sizes(&mut self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.size()).collect()
    }

    fn axis(&mut self, rank: usize) -> usize {
        if self.chance(20) { self.size() } else { self.random.below(rank.max(1)) }
    }

    fn window(&mut self) -> Window {
        let side = self.pick(&[1, 1, 2, 3, 3, 3, 5, 7, 0]);
        let mut window = Window::new(side, if self.chance(4) { self.random.below(5) } else { side });
        let stride = self.pick(&[1, 1, 1, 2, 2, 3, 8, 0]);
        window.stride = if self.chance(6) { [self.size(), self.size()] } else { [stride; 2] };
        window.dilation = self.pick(&[[1; 2], [1; 2], [1; 2], [2, 1], [1, 3], [5; 2]]);
        for side in [&mut window.before, &mut window.after] {
            let same = self.pick(&[0, 1, 1, 2, 3, 12]);
            *side = if self.chance(4) { [self.size(), self.size()] } else { [same; 2] };
        }
        window
    }

    fn activation(&mut self) -> Activation {
        let clip = Activation::Clip { low: 2.0, high: -1.0 };
        let leaky = Activation::LeakyRelu { slope: 0.5 };
        let hard = Activation::HardSigmoid { alpha: 0.2, beta: 0.5 };
        use Activation::{HardSwish, Identity, Relu, Sigmoid, Silu, Tanh};
        self.pick(&[Identity, Identity, Relu, Activation::RELU6, clip, leaky, hard, HardSwish, Sigmoid, Silu, Tanh])
    }

    fn group_count(&mut self, channels: usize) -> usize {
        self.pick(&[1, 1, channels, channels, 2, 3, 0])
    }

    /// A random operator on random values; whether the builder took it.
    pub(crate) fn node(&mut self) -> bool {
        let x = self.pick(&self.values.clone());
        let shape = self.builder.shape(x).clone();
        let (op, inputs) = match self.random.below(4) {
            0 => self.sliding(x, &shape),
            1 => self.arithmetic(x, &shape),
            2 => self.reducing(x, &shape),
            _ => self.moving(x, &shape),
        };
        let node = self.builder.node("node", op, &inputs);
        node.map(|id| self.values.push(id)).is_ok()
    }

    fn sliding(&mut self, x: ValueId, shape: &Shape) -> (Op, Vec<ValueId>) {
        let (window, activation) = (self.window(), self.activation());
        let groups = self.group_count(shape.last());
        let filters = shape.last().max(1) * self.pick(&[1, 1, 2, 3]);
        let kernel = window.kernel;
        let dims = [filters, kernel[0], kernel[1], shape.last() / groups.max(1)];
        let (weights, bias) = (self.constant(&dims), self.constant(&[filters]));
        let map = AxisMap {
            mode: self.pick(&[
                Mode::Nearest(Rounding::Floor),
                Mode::Linear,
                Mode::Cubic { a: -0.75, exclude_outside: true },
            ]),
            coordinates: self.pick(&[
                Coordinates::HalfPixel,
                Coordinates::HalfPixelSymmetric,
                Coordinates::PytorchHalfPixel,
                Coordinates::AlignCorners,
                Coordinates::Asymmetric,
            ]),
            scale: self.pick(&[0.5, 1.0, 2.0, 3.5, 0.0, -1.0, f32::NAN, f32::INFINITY, 1e-30, 1e30]),
        };
        match self.random.below(6) {
            0 | 1 => {
                let mut inputs = vec![x, weights, bias];
                let op = Op::Conv2d(Conv2d { window, groups, activation });
                if self.chance(2)
                    && let Ok(out) = self.builder.node("plain", op.clone(), &inputs)
                {
                    let out = self.builder.shape(out).to_vec();
                    let same = self.values.iter().find(|&&value| self.builder.shape(value)[..] == out);
                    inputs.push(same.copied().unwrap_or_else(|| self.constant(&out)));
                }
                (op, inputs)
            }
            2 => {
                let extra = self.pick(&[[0; 2], [0; 2], [1, 0], [3, 9]]);
                (
                    Op::ConvTranspose(ConvTranspose { window, groups, output_padding: extra, activation }),
                    vec![x, weights, bias],
                )
            }
            3 | 4 => {
                let average = PoolKind::Average { count_padding: self.chance(2) };
                let kind = self.pick(&[PoolKind::Max, average]);
                (Op::Pool(Pool { window, kind, ceil_mode: self.chance(2) }), vec![x])
            }
            _ => {
                let plane = [self.size(), self.size()];
                (Op::Resize(Resize { maps: [map; 2], size: plane }), vec![x])
            }
        }
    }

    fn arithmetic(&mut self, x: ValueId, shape: &Shape) -> (Op, Vec<ValueId>) {
        use {sepconv_core::op::BinaryFunction::*, sepconv_core::op::UnaryFunction::*};
        match self.random.below(5) {
            0 | 1 => {
                let function = self.pick(&[Add, Sub, Mul, Div, Min, Max, PRelu]);
                let dims: Vec<usize> = shape.iter().map(|&size| self.pick(&[size, size, 1])).collect();
                let kept = self.random.below(shape.len() + 1);
                let other = match function {
                    Div => self.constant_of(&dims[kept..], |x| if x == 0.0 { 4.0 } else { x }),
                    _ if self.chance(2) => self.constant(&dims[kept..]),
                    _ => self.pick(&self.values.clone()),
                };
                let activation = self.activation();
                let op = Op::Binary(Binary { function, activation });
                // A divisor that is computed may be zero but for rounding, as what is divided by zero may be.
                let swap = self.chance(2) && function != Div;
                (op, if swap { vec![other, x] } else { vec![x, other] })
            }
            2 => {
                let activation = sepconv_core::op::UnaryFunction::Activation(self.activation());
                (Op::Unary(self.pick(&[activation, activation, Exp, Neg, Abs, Softplus, Erf])), vec![x])
            }
            3 if shape.len() == 3 && self.chance(2) => self.recurrent(x, shape),
            3 => {
                let n = self.pick(&[0, 1, 2, 5, 40]);
                let (weights, bias) = (self.constant(&[n, shape.last()]), self.constant(&[n]));
                (Op::Dense(Dense { activation: self.activation() }), vec![x, weights, bias])
            }
            _ => {
                let n = self.random.below(4);
                let constant = self.constant(&[shape.last(), n]);
                let other = self.pick(&[&self.values[..], &[constant]].concat());
                (Op::MatMul(MatMul), vec![x, other])
            }
        }
    }

    fn recurrent(&mut self, x: ValueId, shape: &Shape) -> (Op, Vec<ValueId>) {
        let clip = self.pick(&[f32::INFINITY, 1.5, 0.0, f32::NAN]);
        let cell = self.pick(&[Cell::Lstm { clip }, Cell::Gru { reset_after: true }, Cell::Gru { reset_after: false }]);
        let hidden = self.pick(&[1, 3, 16, 0]);
        let rows = cell.gates() * hidden;
        let states = vec![[shape[1], hidden]; if cell.has_cell_state() { 2 } else { 1 }];
        let weights = [[rows, shape[2]], [rows, hidden]].map(|dims| self.constant(&dims));
        let mut inputs = vec![x, weights[0], weights[1], self.constant(&[2 * rows])];
        inputs.extend(states.iter().map(|dims| self.constant(dims)));
        (Op::Recurrent(Recurrent { cell, reverse: self.chance(2) }), inputs)
    }

    fn reducing(&mut self, x: ValueId, shape: &Shape) -> (Op, Vec<ValueId>) {
        match self.random.below(5) {
            0 => (Op::Softmax(Softmax { axis: self.axis(shape.len()), log: self.chance(2) }), vec![x]),
            1 => {
                let channels = [shape.last()];
                let [scale, shift, mean] = [0; 3].map(|_| self.constant(&channels));
                let variance = vec![2.0; channels[0].min(100_000)];
                let variance = Tensor::f32([variance.len()], variance).unwrap();
                let variance = self.builder.constant("variance", variance).unwrap();
                (Op::BatchNorm(BatchNorm { epsilon: 1e-3 }), vec![x, scale, shift, mean, variance])
            }
            2 => {
                let [scale, shift] = [0; 2].map(|_| self.constant(&[shape.last()]));
                let axes = 1 + self.axis(shape.len());
                (Op::LayerNorm(LayerNorm { axes, epsilon: 1e-3 }), vec![x, scale, shift])
            }
            _ => {
                use Reduction::{L1, L2, LogSumExp, Max, Mean, Min, Prod, Sum, SumSquare};
                let reduction = self.pick(&[Mean, Mean, Sum, Max, Min, Prod, L1, L2, SumSquare, LogSumExp]);
                let axes =
                    if self.chance(2) { vec![1, 2] } else { (0..shape.len()).filter(|_| self.chance(2)).collect() };
                (Op::Reduce(Reduce { reduction, axes, keep_dims: self.chance(2) }), vec![x])
            }
        }
    }

    fn moving(&mut self, x: ValueId, shape: &Shape) -> (Op, Vec<ValueId>) {
        let rank = shape.len();
        match self.random.below(7) {
            0 => {
                let mut dims = shape.to_vec();
                if rank < Shape::MAX_RANK {
                    dims.insert(self.random.below(rank + 1), 1);
                }
                let flat = vec![shape.elements()];
                (Op::Reshape(Reshape { shape: Shape::new(self.pick(&[dims, flat])).unwrap() }), vec![x])
            }
            1 => {
                let mut order: Vec<usize> = (0..rank).collect();
                (1..rank).for_each(|i| order.swap(i, self.random.below(i + 1)));
                (Op::Transpose(Transpose { order }), vec![x])
            }
            2 => {
                let axis = self.axis(rank);
                let mut dims = shape.to_vec();
                dims.iter_mut().skip(axis).take(1).for_each(|size| *size = self.random.below(3));
                let other = self.constant(&dims);
                (Op::Concat(Concat { axis }), self.pick(&[vec![x], vec![x, x], vec![other, x], vec![x, other, x]]))
            }
            3 => {
                let starts = self.sizes(rank);
                let steps = (0..rank).map(|_| self.pick(&[1, 1, 2, -1, -2, 0, isize::MIN, isize::MAX])).collect();
                let sizes = shape.iter().map(|&size| self.pick(&[size, 1, 1, 2, 0])).collect();
                (Op::Slice(Slice { starts, steps, sizes }), vec![x])
            }
            4 => {
                let fill = self.pick(&[
                    PadMode::Constant(0.0),
                    PadMode::Constant(f32::NAN),
                    PadMode::Edge,
                    PadMode::Reflect,
                    PadMode::Wrap,
                ]);
                (Op::Pad(Pad { before: self.sizes(rank), after: self.sizes(rank), mode: fill }), vec![x])
            }
            5 => {
                let dims = self.pick(&[vec![], vec![0], vec![1], vec![2, 3]]);
                let indices: Vec<i64> =
                    (0..dims.iter().product::<usize>()).map(|_| self.pick(&[0, 0, 0, 0, 0, -1, 1, i64::MIN])).collect();
                let indices = self.builder.constant("indices", Tensor::i64(dims, indices).unwrap()).unwrap();
                (Op::Gather(Gather { axis: self.axis(rank) }), vec![x, indices])
            }
            _ => {
                let mut dims: Vec<usize> =
                    shape.iter().map(|&size| if size == 1 { self.random.below(4) } else { size }).collect();
                if rank < Shape::MAX_RANK && self.chance(2) {
                    dims.insert(0, self.random.below(4));
                }
                (Op::Broadcast(Broadcast { shape: Shape::new(dims).unwrap() }), vec![x])
            }
        }
    }

    /// The graph whose results are the last value, and two others.
    pub(crate) fn finish(mut self) -> (Graph, Vec<Tensor>) {
        let outputs =
            [self.values[self.values.len() - 1], self.pick(&self.values.clone()), self.pick(&self.values.clone())];
        outputs.iter().for_each(|&id| self.builder.output("output", id));
        (self.builder.finish(), self.inputs)
    }
}
