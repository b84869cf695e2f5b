//! Operators of the first operator sets, and those of networks that onnxruntime saved after optimizing them.

use super::*;

impl NodeProto {
    fn float(self, name: &str, f: f32) -> Self {
        self.with(AttributeProto { name: name.into(), r#type: 1, f: Some(f), ..Default::default() })
    }

    fn floats(self, name: &str, floats: &[f32]) -> Self {
        self.with(AttributeProto { name: name.into(), r#type: 6, floats: floats.into(), ..Default::default() })
    }
}

/// What a node makes of 1, 2, 3… less half their number.
#[track_caller]
fn check(opset: i64, dims: &[i64], node: NodeProto, weights: Vec<TensorProto>, shape: &[usize], expected: &[f32]) {
    let graph = load(network(dims, vec![node], weights), opset).and_then(|file| file.graph(&ImportOptions::default()));
    let count = dims.iter().product::<i64>();
    let data: Vec<f32> = (0..count).map(|i| (i + 1 - count / 2) as f32).collect();
    let x = Tensor::f32(dims.iter().map(|&size| size as usize).collect::<Vec<_>>(), data).unwrap();
    let y = graph.and_then(|graph| interpret(&graph, &[x])).unwrap_or_else(|error| panic!("{error}")).remove(0);
    assert_eq!(y.shape()[..], *shape);
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
    assert!(y.as_f32().unwrap().iter().zip(expected).all(close), "{:?} instead of {expected:?}", y.as_f32());
}

#[test]
fn operands_were_attributes_once() {
    let x = |operator: &str| node(operator, &["x"], &["y"]);
    let line = [-1.0, 0.0, 1.0, 2.0];
    check(1, &[4], x("Reshape").ints("shape", &[2, -1]), vec![], &[2, 2], &line);
    check(1, &[1, 4], x("Relu").ints("consumed_inputs", &[0]), vec![], &[1, 4], &[0.0, 0.0, 1.0, 2.0]);
    check(1, &[4], x("Pad").ints("paddings", &[1, 0]), vec![], &[5], &[0.0, -1.0, 0.0, 1.0, 2.0]);
    check(1, &[1, 4], x("Cast").text("to", "FLOAT16"), vec![], &[1, 4], &line);
    let twice = x("Upsample").float("width_scale", 2.0).float("height_scale", 1.0);
    check(1, &[1, 1, 1, 2], twice, vec![], &[1, 1, 1, 4], &[0.0, 0.0, 1.0, 1.0]);
    let tiles = vec![weight("times", &[1], &[2.0]), weight("axis", &[1], &[0.0])];
    check(1, &[2], node("Tile", &["x", "times", "axis"], &["y"]), tiles, &[4], &[0.0, 1.0, 0.0, 1.0]);
    check(1, &[1, 2], node("Concat", &["x", "x"], &["y"]), vec![], &[1, 4], &[0.0, 1.0, 0.0, 1.0]);
    let channels = vec![weight("w", &[2], &[10.0, 20.0])];
    let sum = node("Add", &["x", "w"], &["y"]).int("broadcast", 1).int("axis", 1);
    check(1, &[1, 2, 1, 2], sum, channels, &[1, 2, 1, 2], &[9.0, 10.0, 21.0, 22.0]);
}

#[test]
fn pictures_were_scaled_and_cropped_by_operators() {
    let x = |operator: &str| node(operator, &["x"], &["y"]);
    check(7, &[4], x("Affine").float("alpha", 2.0).float("beta", 1.0), vec![], &[4], &[-1.0, 1.0, 3.0, 5.0]);
    let scaler = x("ImageScaler").float("scale", 2.0).floats("bias", &[1.0, -1.0]);
    check(7, &[1, 2, 1, 2], scaler, vec![], &[1, 2, 1, 2], &[-1.0, 1.0, 1.0, 3.0]);
    check(7, &[1, 1, 2, 4], x("Crop").ints("border", &[1, 0, 2, 1]), vec![], &[1, 1, 1, 1], &[-2.0]);
    let scaled = x("Crop").ints("border", &[1, 1, 0, 0]).ints("scale", &[1, 2]);
    check(7, &[1, 1, 2, 4], scaled, vec![], &[1, 1, 1, 2], &[2.0, 3.0]);
    let narrow = network(&[1, 1, 2, 4], vec![x("Crop").ints("border", &[3, 0, 2, 0])], vec![]);
    refused(ErrorKind::Mismatch, narrow);
}

fn microsoft(operator: &str, inputs: &[&str]) -> NodeProto {
    NodeProto { domain: "com.microsoft".into(), ..node(operator, inputs, &["y"]) }
}

#[test]
fn activations_follow_their_layers() {
    let weights = || vec![weight("w", &[1, 1, 1, 1], &[10.0]), weight("b", &[1], &[5.0])];
    let conv = |name: &'static str| microsoft("FusedConv", &["x", "w", "b"]).text("activation", name);
    let dims = [1, 1, 1, 4];
    let shape = dims.map(|size| size as usize);
    check(13, &dims, conv("Relu"), weights(), &shape, &[0.0, 5.0, 15.0, 25.0]);
    let clip = conv("Clip").floats("activation_params", &[-2.0, 20.0]);
    check(13, &dims, clip, weights(), &shape, &[-2.0, 5.0, 15.0, 20.0]);
    let sum = microsoft("FusedConv", &["x", "w", "b", "x"]).text("activation", "LeakyRelu");
    let sum = sum.floats("activation_params", &[0.5]);
    check(13, &dims, sum, weights(), &shape, &[-3.0, 5.0, 16.0, 27.0]);
    let gemm = microsoft("FusedGemm", &["x", "w"]).text("activation", "LeakyRelu").float("activation_alpha", 0.25);
    check(13, &[2, 1], gemm, vec![weight("w", &[1, 2], &[1.0, -4.0])], &[2, 2], &[0.0, 0.0, 1.0, -1.0]);
    let product = microsoft("FusedMatMul", &["x", "w"]).int("transB", 1).float("alpha", 2.0);
    check(13, &[1, 2], product, vec![weight("w", &[2, 2], &[1.0, 3.0, 5.0, 7.0])], &[1, 2], &[6.0, 14.0]);
    let unknown = network(&dims, vec![conv("Swoosh")], weights());
    assert!(refused(ErrorKind::Unsupported, unknown).contains("\"activation\" has a value"));
}

#[test]
fn any_axes_are_resized() {
    let x = |to: &[i64]| {
        let inputs = ["x", "", "", "sizes"];
        (node("Resize", &inputs, &["y"]).text("mode", "linear"), vec![ints("sizes", &[to.len() as i64], to)])
    };
    let (resize, sizes) = x(&[1, 4, 1, 2]);
    check(13, &[1, 2, 1, 2], resize, sizes, &[1, 4, 1, 2], &[-1.0, 0.0, -0.5, 0.5, 0.5, 1.5, 1.0, 2.0]);
    let (resize, sizes) = x(&[2, 1, 1, 1, 4]);
    check(13, &[1, 1, 1, 1, 2], resize, sizes, &[2, 1, 1, 1, 4], &[0.0, 0.25, 0.75, 1.0, 0.0, 0.25, 0.75, 1.0]);
}
