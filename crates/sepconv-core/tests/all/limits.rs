//! Limits on memory and arithmetic hold before anything is allocated or computed.

use sepconv_core::op::{
    Activation, AxisMap, Broadcast, Conv2d, ConvTranspose, Coordinates, Dequantize, Gather, Pool, PoolKind,
    QuantParams, Resize, ResizeMode, Slice, Window,
};
use sepconv_core::{DType, ErrorKind, Limits, Op, Plan, Shape, Tensor};
use sepconv_kernels::Isa;

use crate::common::{Net, Random};
use crate::plan::check;

#[test]
fn limits_are_enforced_before_allocating() {
    let mut net = Net::new(1);
    let x = net.input(&[1, 64, 64, 16]);
    let y = net.activation(x, Activation::Relu);
    let graph = net.finish(&[y, x]);
    let limits = Limits { max_memory: 100_000, ..Limits::default() };
    let error = Plan::new(&graph, Isa::best(), 1, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);

    let mut builder = sepconv_core::Builder::new(limits);
    let huge = Shape::new([1 << 20, 1 << 10]).unwrap();
    let x = builder.input("x", Shape::new([1, 1]).unwrap(), DType::F32).unwrap();
    let error = builder.node("huge", Broadcast { shape: huge.clone() }, &[x]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    let error = builder.input("huge", huge, DType::F32).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("input \"huge\""), "{error}");
}

/// The result of a window may be small however much it covers: padding, dilation and what a transposed convolution cuts
/// off again count too.
#[test]
fn what_windows_cover_is_limited() {
    let far = 1 << 20;
    let mut window = Window::new(2, 2);
    (window.dilation, window.before, window.after) = ([far; 2], [far / 2; 2], [far / 2; 2]);
    let mut conv = Conv2d { window, groups: 1, activation: Activation::Identity };
    let mut net = Net::new(1);
    let (x, w, b) = (net.input(&[1, 4, 4, 3]), net.constant(&[2, 2, 2, 3]), net.constant(&[2]));
    let kind = |net: &mut Net, op: Op, inputs: &[_]| net.try_node(op, inputs).unwrap_err().kind();
    assert_eq!(kind(&mut net, Op::Conv2d(conv.clone()), &[x, w, b]), ErrorKind::Limit);
    let pool = Pool { window, kind: PoolKind::Max, ceil_mode: false };
    assert_eq!(kind(&mut net, Op::Pool(pool), &[x]), ErrorKind::Limit);
    let transposed = ConvTranspose { window, groups: 1, output_padding: [0; 2], activation: Activation::Identity };
    assert_eq!(kind(&mut net, Op::ConvTranspose(transposed), &[x, w, b]), ErrorKind::Limit);
    for (before, after) in [(usize::MAX, 1), (usize::MAX / 2, usize::MAX / 2), (1 << 40, 0)] {
        (conv.window.before, conv.window.after) = ([before; 2], [after; 2]);
        assert!(net.try_node(conv.clone(), &[x, w, b]).is_err(), "{before} and {after}");
    }
    // More padding than the window is wide is legal while it fits in memory.
    (conv.window.dilation, conv.window.before, conv.window.after) = ([1; 2], [9; 2], [9; 2]);
    let y = net.node(conv, &[x, w, b]);
    check(net.finish(&[y]), &[Random(6).tensor(&[1, 4, 4, 3])]);
}

/// Small results, or few operands, that would need much on the way.
#[test]
fn what_planning_needs_is_limited() {
    let limits = Limits { max_memory: 1 << 20, ..Limits::default() };
    let mut builder = sepconv_core::Builder::new(limits);
    let x = builder.input("x", Shape::new([1, 1, 1, 1]).unwrap(), DType::F32).unwrap();
    let indices = builder.constant("indices", Tensor::i64([1 << 14], vec![0; 1 << 14]).unwrap()).unwrap();
    let gather = builder.node("gather", Gather { axis: 0 }, &[x, indices]).unwrap_err();
    let map = AxisMap { mode: ResizeMode::Linear, coordinates: Coordinates::HalfPixel, scale: 2.0 };
    let resize = Op::Resize(Resize { maps: [map; 2], size: [1 << 13, 1] });
    let resize = builder.node("resize", resize, &[x]).unwrap_err();
    let slice = Op::Slice(Slice { starts: vec![0, 0, 0, usize::MAX], steps: vec![1; 4], sizes: vec![1, 1, 1, 0] });
    let slice = builder.node("slice", slice, &[x]).unwrap_err();
    let kinds = [gather, resize, slice].map(|error| error.kind());
    assert_eq!(kinds, [ErrorKind::Limit, ErrorKind::Limit, ErrorKind::Mismatch]);

    let x = builder.input("y", Shape::new([1, 1 << 14]).unwrap(), DType::F32).unwrap();
    (0..100).for_each(|i| builder.output(&format!("{i}"), x));
    let error = Plan::new(&builder.finish(), Isa::best(), 1, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

/// What follows dequantized constants is computed by a pass: it costs what folding does, and takes memory.
#[test]
fn what_passes_will_fold_is_limited() {
    let build = |limits: Limits, nodes: usize| {
        let mut builder = sepconv_core::Builder::new(limits);
        let bytes = builder.constant("bytes", Tensor::u8([1, 100, 100, 1], vec![1; 10_000])?)?;
        for i in 0..nodes {
            let dequantized = builder.node("real", Dequantize(QuantParams::per_tensor(DType::U8, 0.5, 0)), &[bytes])?;
            let result = builder.node("relu", Activation::Relu, &[dequantized])?;
            builder.output(&format!("{i}"), result);
        }
        Ok::<_, sepconv_core::Error>(())
    };
    let (memory, arithmetic) =
        (Limits { max_memory: 1 << 20, ..Limits::default() }, Limits { max_macs: 1_000_000_000, ..Limits::default() });
    for limits in [memory, arithmetic] {
        build(limits, 5).unwrap();
        assert_eq!(build(limits, 200).unwrap_err().kind(), ErrorKind::Limit);
    }
}

/// Folding runs the slow interpreter: a small file must not keep it busy for long.
#[test]
fn folding_is_limited() {
    let mut builder = sepconv_core::Builder::new(Limits::default());
    let x = builder.constant("x", Random(1).tensor(&[1, 256, 256, 16])).unwrap();
    let w = builder.constant("w", Random(2).tensor(&[64, 5, 5, 16])).unwrap();
    let b = builder.constant("b", Random(3).tensor(&[64])).unwrap();
    let conv = Conv2d { window: Window::new(5, 5), groups: 1, activation: Activation::Identity };
    let error = builder.node("conv", conv, &[x, w, b]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    // One pixel, yet every number of the result looks at every tap.
    let x = builder.constant("x", Random(1).tensor(&[1, 1, 1, 1])).unwrap();
    let w = builder.constant("w", Random(2).tensor(&[1, 512, 512, 1])).unwrap();
    let b = builder.constant("b", Random(3).tensor(&[1])).unwrap();
    let (window, activation) = (Window::new(512, 512), Activation::Identity);
    let transposed = ConvTranspose { window, groups: 1, output_padding: [0; 2], activation };
    let error = builder.node("transposed", transposed, &[x, w, b]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}
