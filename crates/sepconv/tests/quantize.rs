//! Quantizing small networks of every kind of layer, and a real one.

mod common;

use sepconv::op::{Activation, BinaryFunction, Conv2d, Reduce, Reduction, Window};
use sepconv::{Builder, Limits};
use sepconv::{
    CompiledModel, DType, Granularity, Graph, Image, Model, Op, Options, Preprocess, ProgressEvent, Quantized,
    Quantizer, Range, Shape, Tensor, onnx,
};

/// Numbers from -1 to 1 that look random.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    std::iter::repeat_n((), count).scan(seed, |state, ()| step(state)).collect()
}

/// Stem, depthwise, pointwise, squeeze-and-excite's product, a classifier: 3 channels of 12x12 pixels to 5 scores.
fn network() -> Graph {
    let mut builder = Builder::new(Limits::default());
    let mut seed = 0;
    let mut layer = |builder: &mut Builder, name: &str, x, [o, kernel, i]: [usize; 3], groups, activation| {
        seed += 1;
        let taps = kernel * kernel * i;
        let filters: Vec<f32> = numbers(seed, o * taps).iter().map(|w| w * (6.0 / taps as f32).sqrt()).collect();
        let filters = Tensor::f32([o, kernel, kernel, i], filters).unwrap();
        let filters = builder.constant(&format!("{name}.w"), filters).unwrap();
        let bias = Tensor::f32([o], numbers(100 + seed, o).iter().map(|b| 0.3 * b).collect::<Vec<_>>()).unwrap();
        let bias = builder.constant(&format!("{name}.b"), bias).unwrap();
        let op = Op::Conv2d(Conv2d { window: Window::new(kernel, kernel), groups, activation });
        builder.node(name, op, &[x, filters, bias]).unwrap()
    };
    let x = builder.input("x", Shape::new([1, 12, 12, 3]).unwrap(), DType::F32).unwrap();
    let x = layer(&mut builder, "stem", x, [16, 3, 3], 1, Activation::HardSwish);
    let x = layer(&mut builder, "depthwise", x, [16, 3, 1], 16, Activation::Clip { low: 0.0, high: 6.0 });
    let mean = Op::Reduce(Reduce { reduction: Reduction::Mean, axes: vec![1, 2], keep_dims: true });
    let squeezed = builder.node("squeeze", mean.clone(), &[x]).unwrap();
    let gate = layer(&mut builder, "excite", squeezed, [16, 1, 16], 1, Activation::Sigmoid);
    let x = builder.node("product", BinaryFunction::Mul, &[x, gate]).unwrap();
    let x = layer(&mut builder, "pointwise", x, [24, 1, 16], 1, Activation::HardSwish);
    let x = builder.node("pool", mean, &[x]).unwrap();
    let x = layer(&mut builder, "classifier", x, [5, 1, 24], 1, Activation::Identity);
    builder.output("scores", x);
    builder.finish()
}

fn samples(seed: u32, count: u32) -> Vec<Vec<Tensor>> {
    let sample = |i| vec![Tensor::f32([1, 12, 12, 3], numbers(seed + i, 432)).unwrap()];
    (0..count).map(sample).collect()
}

fn quantize(quantizer: &Quantizer) -> Quantized {
    quantizer.run(&network(), &samples(5000, 32), &Options::default().threads(1), &mut ProgressEvent::ignore).unwrap()
}

fn scores(graph: &Graph, samples: &[Vec<Tensor>]) -> Vec<f32> {
    let mut session =
        CompiledModel::from_graph(graph.clone(), &Options::default().threads(1)).unwrap().session().unwrap();
    samples.iter().flat_map(|x| session.run(&[&x[0]]).unwrap()[0].as_f32().unwrap().to_vec()).collect()
}

/// Signal to noise, in decibels, on samples that calibration did not see.
fn decibels(graph: &Graph) -> f32 {
    let unseen = samples(9000, 32);
    let (exact, got) = (scores(&network(), &unseen), scores(graph, &unseen));
    let power = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>();
    let noise = power(&mut exact.iter().zip(&got).map(|(a, b)| a - b));
    10.0 * (power(&mut exact.iter().copied()) / noise).log10()
}

#[test]
fn every_technique_keeps_the_network_what_it_was() {
    let default = Quantizer::default;
    let quantizers = [
        default(),
        default().range(Range::MinMax).correct_biases(false),
        default().range(Range::Percentile(99.99)),
        default().equalize(true),
        default().optimize(true),
        default().optimize(true).correct_biases(false),
        default().weights(Granularity::PerTensor).equalize(true),
    ];
    for quantizer in quantizers {
        let done = quantize(&quantizer);
        let decibels = decibels(&done.graph);
        assert!(decibels > 22.0, "{decibels} dB with {quantizer:?}");
        assert!(done.report.layers.iter().all(|layer| layer.integer), "{quantizer:?}");
        assert!(done.report.bytes * 5 < done.report.float_bytes * 2, "{:?}", done.report);
    }
}

#[test]
fn correcting_biases_restores_means() {
    let seen = samples(5000, 32);
    let exact = scores(&network(), &seen);
    // One scale for all weights leaves errors that are worth correcting.
    let off = |correct: bool| -> f32 {
        let quantizer = Quantizer::default().weights(Granularity::PerTensor).correct_biases(correct);
        let got = scores(&quantize(&quantizer).graph, &seen);
        let mean = |class: usize| exact.iter().zip(&got).skip(class).step_by(5).map(|(a, b)| a - b).sum::<f32>() / 32.0;
        (0..5).map(|class| mean(class).abs()).sum()
    };
    let (with, without) = (off(true), off(false));
    assert!(with < 0.5 * without, "means are off by {with} with correction and {without} without");
}

#[test]
fn named_layers_stay_float() {
    let done = quantize(&Quantizer::default().keep_float("depthwise").keep_float("classifier"));
    let float: Vec<_> = done.report.layers.iter().filter(|layer| !layer.integer).map(|layer| &layer.name[..]).collect();
    assert_eq!(float, ["depthwise", "classifier"]);
    assert!(decibels(&done.graph) > 22.0);

    let unknown = Quantizer::default().keep_float("nowhere");
    let error = unknown.run(&network(), &samples(1, 1), &Options::default(), &mut ProgressEvent::ignore).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn layers_stay_float_until_the_wanted_quality_is_reached() {
    let kept = |decibels: f64| {
        let done = quantize(&Quantizer::default().min_sqnr(decibels));
        assert!(done.report.layers.iter().all(|layer| layer.alone.is_some()));
        (done.report.layers.iter().filter(|layer| !layer.integer).count(), done)
    };
    let (none, cheap) = kept(0.0);
    let (some, good) = kept(cheap.report.sqnr + 3.0);
    let (all, exact) = kept(1000.0);
    assert_eq!((none, all), (0, 5));
    assert!((1..5).contains(&some), "{some}");
    assert!(decibels(&good.graph) > decibels(&cheap.graph));
    assert_eq!(scores(&exact.graph, &samples(9000, 4)), scores(&network(), &samples(9000, 4)));
}

#[test]
fn what_is_written_is_what_was_quantized() {
    let done = quantize(&Quantizer::default());
    let file =
        Model::from_bytes("quantized.onnx", onnx::write(&done.graph, &onnx::Metadata::default()).unwrap()).unwrap();
    let read = file.import(&Options::default()).unwrap();
    assert_eq!(scores(&read, &samples(9000, 8)), scores(&done.graph, &samples(9000, 8)));
}

#[test]
fn results_do_not_depend_on_threads_and_repetition() {
    let run = |threads| {
        let options = Options::default().threads(threads);
        Quantizer::default()
            .optimize(true)
            .run(&network(), &samples(5000, 8), &options, &mut ProgressEvent::ignore)
            .unwrap()
    };
    let once = onnx::write(&run(1).graph, &onnx::Metadata::default()).unwrap();
    assert!(
        once == onnx::write(&run(1).graph, &onnx::Metadata::default()).unwrap()
            && once == onnx::write(&run(2).graph, &onnx::Metadata::default()).unwrap()
    );
}

#[test]
fn what_cannot_be_quantized_is_refused() {
    let run = |graph: &Graph, samples: &[Vec<Tensor>]| {
        Quantizer::default()
            .run(graph, samples, &Options::default(), &mut ProgressEvent::ignore)
            .unwrap_err()
            .to_string()
    };
    assert!(run(&network(), &[]).contains("at least one sample"));
    let small = vec![Tensor::f32([1, 2, 2, 3], vec![0.0; 12]).unwrap()];
    assert!(run(&network(), &[small]).contains("sample 0"));
    assert!(run(&quantize(&Quantizer::default()).graph, &samples(1, 1)).contains("quantized already"));
}

/// With one scale for all weights of a layer and nothing to help it MobileNetV2 falls apart; with one for each filter
/// it does not. Every eighth photograph, the one after it is asked about.
#[test]
fn one_scale_for_each_filter_keeps_mobilenet_v2_alive() {
    let Some(data) = common::data() else { return };
    let model = Model::open(data.join("models/onnx/mobilenet_v2_1.0_224_f32.onnx")).unwrap();
    let graph = model.graph(&Options::default()).unwrap();
    let input = model.image_input(&graph).unwrap();
    let folder = data.join("images/imagenet200");
    let labels = std::fs::read_to_string(folder.join("labels.txt")).unwrap();
    let files: Vec<_> = labels.lines().filter_map(|line| line.split(' ').next()).collect();
    let preprocess: Preprocess = "128/128".parse().unwrap();
    let tensor = |file: &&str| input.tensor(&Image::open(folder.join(file)).unwrap(), &preprocess).unwrap();
    let calibration: Vec<_> = files.iter().step_by(8).map(|file| vec![tensor(file)]).take(8).collect();
    let asked: Vec<Tensor> = files.iter().skip(1).step_by(8).map(tensor).collect();
    assert_eq!(asked.len(), 25);
    let best = |graph: &Graph| -> Vec<usize> {
        let mut session = CompiledModel::from_graph(graph.clone(), &Options::default()).unwrap().session().unwrap();
        let class = |y: &[f32]| (0..y.len()).max_by(|&a, &b| y[a].total_cmp(&y[b])).unwrap();
        asked.iter().map(|x| class(session.run(&[x]).unwrap()[0].as_f32().unwrap())).collect()
    };
    let float = best(&graph);
    let agreeing = |granularity| {
        let quantizer = Quantizer::default().range(Range::MinMax).correct_biases(false).weights(granularity);
        let done = quantizer.run(&graph, &calibration, &Options::default(), &mut ProgressEvent::ignore).unwrap();
        best(&done.graph).iter().zip(&float).filter(|(a, b)| a == b).count()
    };
    let [tensor, channel] = [Granularity::PerTensor, Granularity::PerChannel].map(agreeing);
    assert!(tensor < 12, "one scale for all weights: {tensor} of 25 as before");
    assert!(channel >= 20, "one scale for each filter: {channel} of 25 as before");
}
