//! What real TensorFlow Lite files answer to real inputs.

use std::cmp::Reverse;
use std::fs;

use crate::models::{data, network};
use sepconv_core::{Data, Graph, Limits, Plan, Serial, Session, Tensor, interpret, passes};
use sepconv_formats::{ImportOptions, npy};
use sepconv_kernels::Isa;

fn graph(name: &str) -> Option<Graph> {
    Some(network(name)?.graph(&ImportOptions::default()).unwrap())
}

fn answer(graph: &Graph, input: Tensor) -> Tensor {
    interpret(graph, &[input]).unwrap().remove(0)
}

/// The network of integers that passes make of it, ready to run.
fn session(graph: &Graph) -> Session {
    let optimized = passes::optimize(graph.clone()).unwrap();
    Session::new(Plan::new(&optimized, Isa::best(), 1, &Limits::default()).unwrap()).unwrap()
}

fn run(session: &mut Session, input: &Tensor) -> Tensor {
    session.run(&[input], &Serial).unwrap()[0].clone()
}

/// The tensors of a `.npy` file of the shared data.
fn array(path: &str) -> Option<Tensor> {
    Some(npy::read(&data(path)?, &Limits::default()).unwrap().remove(0).1)
}

/// Pixels as signed bytes.
fn signed(pixels: &[u8]) -> Vec<i8> {
    pixels.iter().map(|pixel| (pixel ^ 0x80).cast_signed()).collect()
}

/// The bytes of a tensor of either sign.
fn bytes(tensor: &Tensor) -> Vec<i32> {
    match tensor.data() {
        Data::U8(bytes) => bytes.iter().map(|&byte| byte.into()).collect(),
        Data::I8(bytes) => bytes.iter().map(|&byte| byte.into()).collect(),
        _ => panic!("bytes, not {}", tensor.dtype()),
    }
}

/// The first of the greatest.
fn best(scores: &[i32]) -> usize {
    (0..scores.len()).max_by_key(|&i| (scores[i], Reverse(i))).unwrap()
}

#[test]
fn mobilenet_answers_as_the_reference_kernels_do() {
    let Some(graph) = graph("mobilenet_v1_0.25_224_f32") else { return };
    let (Some(images), Some(golden)) =
        (array("golden/inputs_8x224x224x3_u8.npy"), array("golden/mobilenet_v1_0.25_224_f32.tflite.out.npy"))
    else {
        return;
    };
    let pixels = images.as_u8().unwrap().chunks_exact(224 * 224 * 3);
    for (pixels, golden) in pixels.zip(golden.as_f32().unwrap().chunks_exact(1001)) {
        let input: Vec<f32> = pixels.iter().map(|&pixel| (f32::from(pixel) - 127.5) / 127.5).collect();
        let output = answer(&graph, Tensor::f32([1, 224, 224, 3], input).unwrap());
        for (ours, theirs) in output.as_f32().unwrap().iter().zip(golden) {
            assert!((ours - theirs).abs() <= 1e-4, "{ours} instead of {theirs}");
        }
    }
}

/// Bytes that are equal to the reference kernels', and the most by which others differ. Those kernels round in fixed
/// point, layer for layer otherwise than real numbers do; their optimized siblings differ from them by 14 and 9.
#[test]
fn quantized_networks_answer_as_the_reference_kernels_do() {
    for (name, side, equal, most) in
        [("mobilenet_v1_0.25_128_quant", 128, 0.99, 12), ("mcunet_320kb_1mb_176_int8", 176, 0.29, 6)]
    {
        let Some(graph) = graph(name) else { return };
        let images = array(&format!("golden/inputs_8x{side}x{side}x3_u8.npy")).unwrap();
        let golden = array(&format!("golden/{name}.tflite.out.npy")).unwrap();
        let (golden, signed_bytes) = (bytes(&golden), golden.as_i8().is_some());
        let shape = [1, side, side, 3];
        let inputs = images.as_u8().unwrap().chunks_exact(side * side * 3).map(|pixels| {
            let input = if signed_bytes { Tensor::i8(shape, signed(pixels)) } else { Tensor::u8(shape, pixels) };
            input.unwrap()
        });
        let inputs: Vec<Tensor> = inputs.collect();
        let mut session = session(&graph);
        let interpreted: Vec<i32> = inputs.iter().flat_map(|input| bytes(&answer(&graph, input.clone()))).collect();
        let planned: Vec<i32> = inputs.iter().flat_map(|input| bytes(&run(&mut session, input))).collect();
        for (how, output) in [("interpreted", interpreted), ("planned", planned)] {
            assert_eq!(output.len(), golden.len());
            let differences: Vec<u32> = output.iter().zip(&golden).map(|(ours, their)| ours.abs_diff(*their)).collect();
            let same = differences.iter().filter(|&&difference| difference == 0).count();
            assert!(same as f64 >= equal * golden.len() as f64, "{name} {how}: {same} of {}", golden.len());
            let largest = differences.iter().max().unwrap();
            assert!(*largest <= most, "{name} {how}: {largest}");
        }
    }
}

/// Features and class of each keyword of the shared data.
fn keywords() -> Option<Vec<(Vec<i8>, usize)>> {
    let features = fs::read(data("datasets/mlperf_tiny/kws01_500_int8_49x10.bin")?).unwrap();
    let labels = fs::read_to_string(data("datasets/mlperf_tiny/kws01_500_int8_49x10_labels.txt")?).unwrap();
    let samples = features.chunks_exact(490).map(|sample| sample.iter().map(|byte| byte.cast_signed()).collect());
    let classes = labels.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap());
    Some(samples.zip(classes).collect())
}

/// DS-CNN's weights are 8-bit in this file. The count is that of the same network written out in NumPy.
#[test]
fn keywords_are_spotted() {
    let (Some(graph), Some(keywords)) = (graph("kws_dscnn_f32"), keywords()) else { return };
    let right = keywords.iter().filter(|(sample, class)| {
        let input: Vec<f32> = sample.iter().map(|&byte| (f32::from(byte) - 83.0) * 0.584_702_9).collect();
        let output = answer(&graph, Tensor::f32([1, 49, 10, 1], input).unwrap());
        let scores = output.as_f32().unwrap();
        (0..12).max_by(|&a, &b| scores[a].total_cmp(&scores[b])) == Some(*class)
    });
    assert_eq!(right.count(), 447);
}

/// LiteRT's reference kernels spot as many.
#[test]
fn keywords_are_spotted_in_bytes() {
    let (Some(graph), Some(keywords)) = (graph("kws_dscnn_int8"), keywords()) else { return };
    let mut session = session(&graph);
    let (mut interpreted, mut planned) = (0, 0);
    for (sample, class) in keywords {
        let input = Tensor::i8([1, 49, 10, 1], sample).unwrap();
        planned += usize::from(best(&bytes(&run(&mut session, &input))) == class);
        interpreted += usize::from(best(&bytes(&answer(&graph, input))) == class);
    }
    assert_eq!((interpreted, planned), (447, 447));
}

/// Every second image shows somebody. LiteRT's reference kernels see as many.
#[test]
fn people_are_seen() {
    let Some(graph) = graph("vww_96_int8") else { return };
    let pictures = fs::read(data("datasets/mlperf_tiny/vww01_100_u8_96x96x3.bin").unwrap()).unwrap();
    let right = pictures.chunks_exact(96 * 96 * 3).zip([1, 0].into_iter().cycle()).filter(|(pixels, class)| {
        best(&bytes(&answer(&graph, Tensor::i8([1, 96, 96, 3], signed(pixels)).unwrap()))) == *class
    });
    assert_eq!(right.count(), 82);
}

/// The top left corners of seven images. LiteRT's reference kernels see the same classes in them.
#[test]
fn small_pictures_are_classified() {
    let (Some(graph), Some(images)) = (graph("cifar10_resnet8_int8"), array("golden/inputs_8x128x128x3_u8.npy")) else {
        return;
    };
    let pictures = images.as_u8().unwrap().chunks_exact(128 * 128 * 3).take(7);
    let classes = pictures.map(|pixels| {
        let rows: Vec<u8> = pixels.chunks_exact(128 * 3).take(32).flat_map(|row| &row[..32 * 3]).copied().collect();
        best(&bytes(&answer(&graph, Tensor::i8([1, 32, 32, 3], signed(&rows)).unwrap())))
    });
    assert_eq!(classes.collect::<Vec<_>>(), [3, 6, 3, 2, 8, 9, 0]);
}

/// The two images that come with this file. Their pixels are fed as they are, read as signed bytes, as the file's own
/// test does; a bitmap begins with its last row.
#[test]
fn a_person_is_told_from_none() {
    let Some(graph) = graph("person_detect_96_int8") else { return };
    for (name, scores) in [("person", [-113, 113]), ("no_person", [59, -59])] {
        let bitmap = fs::read(data(&format!("images/person_detect_{name}.bmp")).unwrap()).unwrap();
        let rows = bitmap[bitmap.len() - 96 * 96..].chunks_exact(96).rev();
        let pixels: Vec<i8> = rows.flatten().map(|pixel| pixel.cast_signed()).collect();
        assert_eq!(bytes(&answer(&graph, Tensor::i8([1, 96, 96, 1], pixels).unwrap())), scores, "{name}");
    }
}
