//! Pairs beside the standard convolutions that they stand for.

mod common;

use sepconv::Builder;
use sepconv::measure::compare::{Cost, NetworkComparison};
use sepconv::op::Activation;
use sepconv::{
    DType, ErrorKind, Limits, Model, Options, ProgressEvent, Quantizer, Shape, Tensor, onnx, onnx::Metadata, zoo,
};

const COLOURS: &[u8] = include_bytes!("../../../examples/colors.onnx");

fn colors() -> Model {
    Model::from_bytes("colors.onnx", COLOURS).unwrap()
}

fn refused(model: &Model, options: &Options) -> (ErrorKind, String) {
    let error = NetworkComparison::new(model, options).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn a_pair_and_its_network_are_counted_and_timed() {
    let mut comparison = NetworkComparison::new(&colors(), &Options::default().threads(2)).unwrap();
    assert!(comparison.network().measured_speedup().is_nan(), "nothing is timed yet");
    comparison.measure(2, &mut ProgressEvent::ignore).unwrap();
    let [pair] = comparison.pairs() else { panic!("{:?}", comparison.pairs()) };
    assert_eq!((pair.depthwise.as_str(), pair.pointwise.as_str()), ("depthwise", "pointwise"));
    assert_eq!((pair.kernel, pair.stride, pair.channels, pair.plane), ([3; 2], [2; 2], [3, 6], [16; 2]));
    assert!(pair.projection && !pair.squeeze_excite);
    let count = |cost: Cost| (cost.macs, cost.parameters);
    let pixels = 16 * 16;
    for both in [&pair.comparison, comparison.network()] {
        assert_eq!(count(both.separable.cost()), (pixels * (9 * 3 + 3 * 6), 9 * 3 + 3 + 3 * 6 + 6));
        assert_eq!(count(both.standard.cost()), (pixels * 9 * 3 * 6, 9 * 3 * 6 + 6));
        // 1 / (1/N + 1/k²)
        assert!((both.theoretical_speedup() - 1.0 / (1.0 / 6.0 + 1.0 / 9.0)).abs() < 1e-9);
        assert!(both.measured_speedup() > 0.0);
        for side in [&both.separable, &both.standard] {
            assert_eq!(side.times().all().len(), 2);
            assert!(side.cost().weight_bytes > 0 && side.cost().activation_bytes > 0);
        }
    }
    assert_eq!((comparison.threads(), comparison.unpaired()), (2, &[][..]));
}

#[test]
fn mobilenet_v1_is_promised_what_its_paper_promises() {
    let model = zoo::named("mobilenet_v1").unwrap().build().unwrap();
    let comparison = NetworkComparison::new(&model, &Options::default().threads(1)).unwrap();
    assert_eq!(comparison.pairs().len(), 13);
    let network = comparison.network();
    assert_eq!([&network.separable, &network.standard].map(|side| side.cost().parameters), [4_231_976, 29_294_088]);
    assert_eq!(format!("{:.2}", network.theoretical_speedup()), "8.56");
}

#[test]
fn networks_without_pairs_are_refused() {
    let mut builder = Builder::new(Limits::default());
    let x = builder.input("x", Shape::new([1, 4]).unwrap(), DType::F32).unwrap();
    let y = builder.node("relu", Activation::Relu, &[x]).unwrap();
    builder.output("y", y);
    let model = Model::from_bytes("relu.onnx", onnx::write(&builder.finish(), &Metadata::default()).unwrap()).unwrap();
    let (kind, error) = refused(&model, &Options::default());
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(error.contains("no depthwise convolution") && error.contains("relu.onnx"), "{error}");
}

#[test]
fn networks_of_bytes_are_refused() {
    let options = Options::default().threads(1);
    let sample = Tensor::f32([1, 3, 33, 33], vec![0.5; 3 * 33 * 33]).unwrap();
    let graph = colors().graph(&options).unwrap();
    let quantized = Quantizer::default().run(&graph, &[vec![sample]], &options, &mut ProgressEvent::ignore).unwrap();
    let model = Model::from_bytes("int8.onnx", onnx::write(&quantized.graph, &Metadata::default()).unwrap()).unwrap();
    let (kind, error) = refused(&model, &options);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(error.contains("network is quantized, floats are compared"), "{error}");
}

#[test]
fn limits_hold_for_everything_together() {
    let limits = Limits { max_memory: 60_000, ..Limits::default() };
    let (kind, error) = refused(&colors(), &Options::default().threads(1).limits(limits));
    assert_eq!(kind, ErrorKind::Limit);
    assert!(error.contains("take too much memory together"), "{error}");
}

#[test]
fn real_networks_have_the_pairs_that_their_papers_list() {
    let Some(data) = common::data() else { return };
    // Each block has one; those with squeeze-excite are 9 of the 11 in table 2 of MobileNetV3's paper.
    for (file, pairs, projections, gates) in [
        ("mobilenet_v1_0.25_224_bn_f32", 13, 0, 0),
        ("mobilenet_v2_1.0_224_f32", 17, 17, 0),
        ("mobilenet_v3_small_1.0_224_f32", 11, 11, 9),
    ] {
        let model = Model::open(data.join(format!("models/onnx/{file}.onnx"))).unwrap();
        let mut comparison = NetworkComparison::new(&model, &Options::default().threads(1)).unwrap();
        comparison.measure(1, &mut ProgressEvent::ignore).unwrap();
        let count = |which: fn(&sepconv::measure::compare::LayerComparison) -> bool| {
            comparison.pairs().iter().filter(|p| which(p)).count()
        };
        assert_eq!(
            (count(|_| true), count(|p| p.projection), count(|p| p.squeeze_excite)),
            (pairs, projections, gates)
        );
        let saved: u64 = comparison
            .pairs()
            .iter()
            .map(|p| p.comparison.standard.cost().macs - p.comparison.separable.cost().macs)
            .sum();
        let network = comparison.network();
        assert_eq!(network.standard.cost().macs - network.separable.cost().macs, saved, "{file}: the rest stays");
    }
}
