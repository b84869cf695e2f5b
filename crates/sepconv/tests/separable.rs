//! The operator alone, against its definition in loops.

use allocation_counter::measure;
use sepconv::{Activation, DType, ErrorKind, Limits, Options, SeparableConv2d, Shape, Tensor};

/// A case: what is set, and what the loops need of it.
#[derive(Clone, Debug)]
struct Case {
    input: [usize; 4],
    multiplier: usize,
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    before: [usize; 2],
    after: [usize; 2],
}

const PLAIN: Case = Case {
    input: [1, 9, 11, 5],
    multiplier: 1,
    outputs: 7,
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    before: [1, 1],
    after: [1, 1],
};

/// Whole numbers from -3 to 3: every order of summation gives the same floats.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 31 + seed * 17 + i * i % 13) % 7) as f32 - 3.0).collect()
}

impl Case {
    fn filters(&self) -> usize {
        self.input[3] * self.multiplier
    }

    fn depthwise(&self) -> Vec<f32> {
        numbers(self.filters() * self.kernel[0] * self.kernel[1], 1)
    }

    fn pointwise(&self) -> Vec<f32> {
        numbers(self.outputs * self.filters(), 2)
    }

    /// With biases, ReLU between and ReLU6 after.
    fn operator(&self) -> SeparableConv2d {
        let [kh, kw] = self.kernel;
        let depthwise = Tensor::f32([self.filters(), 1, kh, kw], self.depthwise()).unwrap();
        let pointwise = Tensor::f32([self.outputs, self.filters(), 1, 1], self.pointwise()).unwrap();
        SeparableConv2d::new(depthwise, pointwise)
            .depth_multiplier(self.multiplier)
            .stride(self.stride)
            .dilation(self.dilation)
            .padding_sides(self.before, self.after)
            .depthwise_bias(numbers(self.filters(), 3))
            .pointwise_bias(numbers(self.outputs, 4))
            .activation_between(Activation::Relu)
            .activation(Activation::RELU6)
    }

    fn image(&self) -> Tensor {
        Tensor::f32(self.input, numbers(self.input.iter().product(), 5)).unwrap()
    }

    fn output(&self) -> [usize; 4] {
        let axis = |i: usize| {
            let extent = (self.kernel[i] - 1) * self.dilation[i] + 1;
            (self.input[1 + i] + self.before[i] + self.after[i] - extent) / self.stride[i] + 1
        };
        [self.input[0], axis(0), axis(1), self.outputs]
    }

    /// The definition: first every depthwise sum, then the mix of channels.
    fn expected(&self) -> Vec<f32> {
        let [_, h, w, c] = self.input;
        let [n, oh, ow, outputs] = self.output();
        let (image, depthwise, pointwise) = (self.image(), self.depthwise(), self.pointwise());
        let (x, filters) = (image.as_f32().unwrap(), self.filters());
        let (first, second) = (numbers(filters, 3), numbers(outputs, 4));
        let mut result = Vec::new();
        for (b, i, j) in (0..n).flat_map(|b| (0..oh).flat_map(move |i| (0..ow).map(move |j| (b, i, j)))) {
            let depthwise_at = |q: usize| {
                let mut sum = first[q];
                for (u, v) in (0..self.kernel[0]).flat_map(|u| (0..self.kernel[1]).map(move |v| (u, v))) {
                    let y = (i * self.stride[0] + u * self.dilation[0]).checked_sub(self.before[0]);
                    let z = (j * self.stride[1] + v * self.dilation[1]).checked_sub(self.before[1]);
                    if let (Some(y), Some(z)) = (y.filter(|&y| y < h), z.filter(|&z| z < w)) {
                        let weight = depthwise[(q * self.kernel[0] + u) * self.kernel[1] + v];
                        sum += x[((b * h + y) * w + z) * c + q / self.multiplier] * weight;
                    }
                }
                sum.max(0.0)
            };
            let mixed: Vec<f32> = (0..filters).map(depthwise_at).collect();
            result.extend((0..outputs).map(|o| {
                let sum: f32 = (0..filters).map(|q| mixed[q] * pointwise[o * filters + q]).sum();
                (second[o] + sum).clamp(0.0, 6.0)
            }));
        }
        result
    }
}

#[test]
fn every_setting_means_what_the_loops_say() {
    let cases = [
        PLAIN,
        Case { input: [3, 8, 8, 16], outputs: 24, stride: [2, 2], ..PLAIN },
        Case { multiplier: 3, ..PLAIN },
        Case { input: [1, 6, 7, 1], multiplier: 4, outputs: 1, ..PLAIN },
        Case { kernel: [5, 2], stride: [1, 3], ..PLAIN },
        Case { dilation: [2, 3], before: [2, 3], after: [2, 3], ..PLAIN },
        Case { before: [0, 2], after: [3, 0], stride: [2, 1], ..PLAIN },
        Case { kernel: [1, 1], before: [0; 2], after: [0; 2], ..PLAIN },
        Case { input: [1, 20, 20, 33], outputs: 40, kernel: [7, 7], before: [3; 2], after: [3; 2], ..PLAIN },
    ];
    for case in cases {
        for threads in [1, 2] {
            let mut session =
                case.operator().compile(case.input, &Options::default().threads(threads)).unwrap().session().unwrap();
            let y = &session.run(&[&case.image()]).unwrap()[0];
            assert_eq!(&y.shape()[..], case.output(), "{case:?}");
            assert_eq!(y.as_f32().unwrap(), case.expected(), "{case:?}");
            let [_, h, w, _] = case.output();
            let per_pixel = case.filters() * (case.kernel[0] * case.kernel[1] + case.outputs);
            assert_eq!(session.plan().macs(), (case.input[0] * h * w * per_pixel) as u64, "{case:?}");
        }
    }
}

#[test]
fn same_padding_puts_the_odd_zero_last() {
    let same = |input: [usize; 4], stride: usize, before: usize, after: usize| {
        let case = Case { input, stride: [stride; 2], before: [before; 2], after: [after; 2], ..PLAIN };
        let mut session =
            case.operator().same_padding().compile(input, &Options::default().threads(1)).unwrap().session().unwrap();
        assert_eq!(session.run(&[&case.image()]).unwrap()[0].as_f32().unwrap(), case.expected(), "{input:?}");
    };
    same([1, 8, 8, 5], 1, 1, 1);
    same([1, 8, 8, 5], 2, 0, 1);
    same([1, 9, 9, 5], 2, 1, 1);
}

#[test]
fn a_plain_operator_has_neither_bias_nor_activation() {
    let ones = |dims: [usize; 4]| Tensor::f32(dims, vec![1.0; dims.iter().product()]).unwrap();
    let block = SeparableConv2d::new(ones([2, 1, 2, 2]), ones([1, 2, 1, 1]));
    let mut session = block.compile([1, 2, 2, 2], &Options::default()).unwrap().session().unwrap();
    let x = Tensor::f32([1, 2, 2, 2], vec![-1.0; 8]).unwrap();
    assert_eq!(session.run(&[&x]).unwrap()[0].as_f32().unwrap(), [-8.0]);
}

#[test]
fn results_go_where_the_caller_wants_them_without_allocation() {
    let mut session = PLAIN.operator().compile(PLAIN.input, &Options::default().threads(1)).unwrap().session().unwrap();
    let x = PLAIN.image();
    let mut y = Tensor::zeros(Shape::new(PLAIN.output()).unwrap(), DType::F32);
    let counted = measure(|| session.run_into(&[&x], &mut [(&mut y).into()]).unwrap());
    assert_eq!((counted.count_total, y.as_f32().unwrap()), (0, &PLAIN.expected()[..]));
    let mut small = Tensor::zeros(Shape::new([1]).unwrap(), DType::F32);
    assert_eq!(session.run_into(&[&x], &mut [(&mut small).into()]).unwrap_err().kind(), ErrorKind::Argument);
    let mut bytes = Tensor::zeros(y.shape().clone(), DType::U8);
    assert_eq!(session.run_into(&[&x], &mut [(&mut bytes).into()]).unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let weights = |dims: &[usize]| Tensor::zeros(Shape::new(dims).unwrap(), DType::F32);
    let of = |depthwise: &[usize], pointwise: &[usize]| SeparableConv2d::new(weights(depthwise), weights(pointwise));
    let block = || of(&[4, 1, 3, 3], &[5, 4, 1, 1]);
    let bytes = Tensor::u8([4, 1, 3, 3], vec![1; 36]).unwrap();
    for (what, block) in [
        ("another rank", of(&[4, 3, 3], &[5, 4, 1, 1])),
        ("a standard convolution's weights", of(&[4, 4, 3, 3], &[5, 4, 1, 1])),
        ("another number of channels", of(&[3, 1, 3, 3], &[5, 3, 1, 1])),
        ("pointwise weights of other channels", of(&[4, 1, 3, 3], &[5, 3, 1, 1])),
        ("no outputs", of(&[4, 1, 3, 3], &[0, 4, 1, 1])),
        ("a second window", of(&[4, 1, 3, 3], &[5, 4, 3, 3])),
        ("no taps", of(&[4, 1, 0, 3], &[5, 4, 1, 1])),
        ("bytes", SeparableConv2d::new(bytes, weights(&[5, 4, 1, 1]))),
        ("a multiplier that is not there", block().depth_multiplier(2)),
        ("no multiplier", block().depth_multiplier(0)),
        ("a multiplier without end", block().depth_multiplier(usize::MAX)),
        ("no stride", block().stride([0, 1])),
        ("no dilation", block().dilation([1, 0])),
        ("a window larger than the plane", block().dilation([9, 9])),
        ("a window without end", block().dilation([usize::MAX, 1]).same_padding()),
        ("padding without end", block().padding([usize::MAX, 0])),
        ("a short bias", block().depthwise_bias([1.0])),
        ("a long bias", block().pointwise_bias([1.0; 6])),
    ] {
        assert!(block.compile([1, 8, 8, 4], &Options::default()).is_err(), "{what}");
    }
    for input in [[0, 8, 8, 4], [1, 0, 8, 4], [1, 8, 8, 0], [1, 8, 8, 5], [1, usize::MAX, 8, 4]] {
        assert!(block().compile(input, &Options::default()).is_err(), "{input:?}");
    }
    let limits = Limits { max_memory: 1000, ..Limits::default() };
    assert_eq!(block().graph([1, 8, 8, 4], limits).unwrap_err().kind(), ErrorKind::Limit);
    let error = block().compile([1, 8, 8, 3], &Options::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "depthwise weights do not match the input channels\n   = expected 3 channels times the depth multiplier 1 filters, got 4"
    );
}
