//! What files of a kilobyte can make us allocate and compute.

use allocation_counter::measure;
use sepconv::{Error, ErrorKind, Image, Limits, Model, Options};

use crate::flatbuffer;
use crate::protobuf::{Message, file, floats, graph, ints, network, node, value};

const KILOBYTE: usize = 1024;
const GIGABYTE: u64 = 1 << 30;

/// Compiles a network with limits; the most bytes that this takes at a time, and whether it succeeds.
fn compile(bytes: &[u8], limits: Limits) -> (u64, Result<(), Error>) {
    let mut result = Ok(());
    let taken = measure(|| {
        let compiled = Model::from_bytes("m", bytes)
            .and_then(|model| model.compile(&Options::default().threads(1).limits(limits)));
        result = compiled.map(|_| ());
    });
    (taken.bytes_max, result)
}

fn unary(operator: &str) -> Message {
    node(operator, &["x"], &["y"])
}

/// Networks of a side of `x` each, small as files and as large as they like otherwise.
fn greedy(side: i64) -> Vec<(&'static str, Vec<u8>)> {
    let image = [1, 1, side, side];
    let to = || ints("to", &[1, 1, side, side]);
    let one = || floats("one", &[1, 1, 1, 1], &[1.0]);
    let branches: Vec<Message> =
        (0..8).map(|i| node("Tanh", &["x"], &[["a", "b", "c", "d", "e", "f", "g", "h"][i]])).collect();
    let join = node("Concat", &["a", "b", "c", "d", "e", "f", "g", "h"], &["y"]).with_int("axis", 1);
    let filled = node("ConstantOfShape", &["to"], &["filled"]);
    let fills: Vec<Message> =
        ["p", "q", "r", "s"].iter().map(|&name| node("ConstantOfShape", &["to"], &[name])).collect();
    let sums = [
        node("Add", &["x", "p"], &["xp"]),
        node("Add", &["xp", "q"], &["xq"]),
        node("Add", &["xq", "r"], &["xr"]),
        node("Add", &["xr", "s"], &["y"]),
    ];
    let turned = node("Transpose", &["filled"], &["turned"]).with_ints("perm", &[0, 1, 3, 2]);
    let numbers = |shape: &str| node("ConstantOfShape", &[shape], &["n"]).with_tensor("value", &ints("", &[7]));
    let filled_image = || node("ConstantOfShape", &["to"], &["c"]);
    let adds: Vec<Message> = ["t", "1", "2", "3", "4"]
        .windows(2)
        .map(|names| node("Add", &[names[0], "c"], &[names[1]]))
        .chain([node("Add", &["4", "c"], &["y"])])
        .collect();
    let open = flatbuffer::Tensor::open(&[1, side as i32, side as i32, 1]);
    let add = flatbuffer::Node { code: 0, inputs: vec![0, 0], outputs: vec![1], options: (11, vec![]) };
    vec![
        ("an activation", network(&image, &[unary("Tanh")], &[])),
        ("a transpose", network(&image, &[unary("Transpose").with_ints("perm", &[0, 1, 3, 2])], &[])),
        ("eight results, joined", network(&image, &[branches, vec![join]].concat(), &[])),
        ("a broadcast", network(&[1, 1, 1, 1], &[node("Expand", &["x", "to"], &["y"])], &[to()])),
        ("repetition", network(&[1, 1, 1, 1], &[node("Tile", &["x", "to"], &["y"])], &[to()])),
        (
            "a filled constant",
            network(&[1, 1, 1, 1], &[filled.clone(), node("Add", &["x", "filled"], &["y"])], &[to()]),
        ),
        ("four filled constants", network(&[1, 1, 1, 1], &[fills, sums.to_vec()].concat(), &[to()])),
        (
            "a filled constant, turned",
            network(&[1, 1, 1, 1], &[filled.clone(), turned, node("Add", &["x", "turned"], &["y"])], &[to()]),
        ),
        ("a filled filter", network(&[1, 1, side, side], &[filled, node("Conv", &["x", "filled"], &["y"])], &[to()])),
        (
            "padding",
            network(
                &[1, 1, 1, 1],
                &[node("MaxPool", &["x"], &["y"])
                    .with_ints("kernel_shape", &[side, side])
                    .with_ints("pads", &[side - 1; 4])],
                &[],
            ),
        ),
        (
            "dilation",
            network(
                &image,
                &[node("Conv", &["x", "two"], &["y"]).with_ints("dilations", &[side - 1, side - 1])],
                &[floats("two", &[1, 1, 2, 2], &[1.0; 4])],
            ),
        ),
        (
            "a transposed convolution",
            network(
                &[1, 1, 2, 2],
                &[node("ConvTranspose", &["x", "one"], &["y"]).with_ints("strides", &[side - 1, side - 1])],
                &[one()],
            ),
        ),
        ("a resize", network(&[1, 1, 1, 1], &[node("Resize", &["x", "", "", "to"], &["y"])], &[to()])),
        (
            "a product of matrices",
            network(&[side * side, 1], &[node("Transpose", &["x"], &["t"]), node("MatMul", &["x", "t"], &["y"])], &[]),
        ),
        (
            "a constant that passes turn for each reader",
            network(
                &image,
                &[vec![filled_image(), node("Transpose", &["x"], &["t"]).with_ints("perm", &[0, 2, 3, 1])], adds]
                    .concat(),
                &[to()],
            ),
        ),
        (
            "filters that passes scale for each reader",
            network(
                &[1, 1, 1, 1],
                &scaled_filters(),
                &[ints("to", &[side * side, 1, 1, 1]), floats("v", &[1], &[2.0])],
            ),
        ),
        ("a constant for each of five outputs", file(&known_outputs(side), 18)),
        (
            "a list of sizes",
            network(
                &[1, 1, 1, 1],
                &[numbers("to"), node("Reshape", &["n", "flat"], &["f"]), node("Reshape", &["x", "f"], &["y"])],
                &[to(), ints("flat", &[-1])],
            ),
        ),
        (
            "numbers in another type",
            network(
                &[1, 1, 1, 1],
                &[
                    numbers("to"),
                    node("Cast", &["n"], &["c"]).with_int("to", 6),
                    node("Cast", &["c"], &["d"]).with_int("to", 1),
                    node("Add", &["x", "d"], &["y"]),
                ],
                &[to()],
            ),
        ),
        (
            "scales along an axis",
            network(
                &[1, side],
                &[
                    node("ConstantOfShape", &["side"], &["s"]),
                    node("QuantizeLinear", &["x", "s"], &["q"]).with_int("axis", 1),
                    node("DequantizeLinear", &["q", "s"], &["y"]).with_int("axis", 1),
                ],
                &[ints("side", &[side])],
            ),
        ),
        ("a sum in TensorFlow Lite", flatbuffer::file(&[open.clone(), open], &[add], &[0], &[1])),
    ]
}

/// The sum of convolutions with the same filters, each before a factor that passes put into them.
fn scaled_filters() -> Vec<Message> {
    let mut nodes = vec![node("ConstantOfShape", &["to"], &["w"])];
    for i in 0..4 {
        let [conv, product] = ["c", "p"].map(|name| format!("{name}{i}"));
        nodes.push(node("Conv", &["x", "w"], &[&conv]));
        nodes.push(node("Mul", &[&conv, "v"], &[&product]));
    }
    nodes.push(node("Sum", &["p0", "p1", "p2", "p3"], &["y"]));
    nodes
}

/// One filled constant, under the names of five outputs.
fn known_outputs(side: i64) -> Message {
    let names = ["1", "2", "3", "4"];
    let filled = node("ConstantOfShape", &["to"], &["y"]);
    let nodes: Vec<Message> = [filled].into_iter().chain(names.map(|name| node("Identity", &["y"], &[name]))).collect();
    let graph = graph(&[1], &nodes, &[ints("to", &[side, side])]);
    names.iter().fold(graph, |graph, name| graph.message(12, &value(name, 1, &[])))
}

/// Sides from what is small to what no address reaches: somewhere between, each network is just within its limits.
const SIDES: [i64; 14] = [16, 300, 1000, 3000, 5000, 7000, 8191, 9000, 10_001, 12_000, 14_000, 16_384, 40_000, 1 << 30];

#[test]
fn a_kilobyte_cannot_make_us_allocate_a_gigabyte() {
    let mut accepted = 0;
    for side in SIDES {
        for (name, bytes) in greedy(side) {
            assert!(bytes.len() <= KILOBYTE, "{name}: {} bytes", bytes.len());
            let (taken, result) = compile(&bytes, Limits::default());
            println!(
                "{name}, side {side}: {taken} bytes, {}",
                result.as_ref().map_or_else(Error::to_string, |()| "ok".into())
            );
            assert!(taken < GIGABYTE, "{name}, side {side}: {taken} bytes");
            accepted += usize::from(result.is_ok());
        }
    }
    assert!(accepted > SIDES.len(), "only {accepted} networks are accepted");
}

/// Whoever knows his networks may say less, and is not given more than three times that: constants as they are in the graph, as passes
/// turn them, and packed.
#[test]
fn memory_is_bounded_by_what_the_caller_allows() {
    for max_memory in [1 << 20, 16 << 20] {
        let limits = Limits { max_memory, ..Limits::default() };
        for side in SIDES {
            for (name, bytes) in greedy(side) {
                let (taken, result) = compile(&bytes, limits);
                assert!(taken < 3 * max_memory as u64 + (1 << 20), "{name}, side {side}: {taken} bytes");
                let kind = result.err().map(|error| error.kind());
                assert!(side < 40_000 || kind.is_some(), "{name}, side {side} is accepted");
            }
        }
    }
}

#[test]
fn arithmetic_and_nodes_are_bounded_by_what_the_caller_allows() {
    let conv = node("Conv", &["x", "w"], &["y"]);
    let bytes = network(&[1, 1, 10, 10], &[conv], &[floats("w", &[1, 1, 1, 1], &[1.0])]);
    let refused = |limits| compile(&bytes, limits).1.expect_err("a limit").to_string();
    assert_eq!(compile(&bytes, Limits::default()).1, Ok(()));
    assert!(refused(Limits { max_macs: 99, ..Limits::default() }).contains("at most 99 multiply-accumulates"));
    assert!(refused(Limits { max_nodes: 1, ..Limits::default() }).contains("at most 1"));
    let limit = compile(&bytes, Limits { max_memory: 399, ..Limits::default() }).1.expect_err("a limit");
    assert_eq!(limit.kind(), ErrorKind::Limit, "{limit}");
}

/// A picture's header says what its pixels take; a file too small to hold so many is not believed.
#[test]
fn a_small_picture_cannot_make_us_allocate_a_gigabyte() {
    for side in [100u32, 3000, 4700, 9000, 12_900, 13_300, 30_000] {
        let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bmp.extend([side.to_le_bytes(), side.to_le_bytes(), [1, 0, 24, 0]].concat());
        bmp.resize(KILOBYTE, 0);
        let taken = measure(|| _ = Image::decode(&bmp)).bytes_max;
        assert!(taken < GIGABYTE / 4, "side {side}: {taken} bytes");
    }
}
