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

/// A file of a kilobyte at most: what is large about it, and its bytes.
type Small = (&'static str, Vec<u8>);

const ONE: [i64; 4] = [1; 4];

/// Networks whose activations are as large as `side` says.
fn activations(side: i64) -> Vec<Small> {
    let image = [1, 1, side, side];
    let to = [ints("to", &image)];
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let branches = names.map(|name| node("Tanh", &["x"], &[name]));
    let join = node("Concat", &names, &["y"]).with_int("axis", 1);
    let transpose = node("Transpose", &["x"], &["y"]).with_ints("perm", &[0, 1, 3, 2]);
    let product = [node("Transpose", &["x"], &["t"]), node("MatMul", &["x", "t"], &["y"])];
    let open = flatbuffer::Tensor::open(&[1, side as i32, side as i32, 1]);
    let add = flatbuffer::Node { code: 0, inputs: vec![0, 0], outputs: vec![1], options: (11, vec![]) };
    vec![
        ("an activation", network(&image, &[node("Tanh", &["x"], &["y"])], &[])),
        ("a transpose", network(&image, &[transpose], &[])),
        ("eight results, joined", network(&image, &[&branches[..], &[join]].concat(), &[])),
        ("a broadcast", network(&ONE, &[node("Expand", &["x", "to"], &["y"])], &to)),
        ("repetition", network(&ONE, &[node("Tile", &["x", "to"], &["y"])], &to)),
        ("a product of matrices", network(&[side * side, 1], &product, &[])),
        ("a resize", network(&ONE, &[node("Resize", &["x", "", "", "to"], &["y"])], &to)),
        ("a sum in TensorFlow Lite", flatbuffer::file(&[open.clone(), open], &[add], &[0], &[1])),
    ]
}

/// Networks whose windows are.
fn windows(side: i64) -> Vec<Small> {
    let weights = [floats("one", &ONE, &[1.0]), floats("two", &[1, 1, 2, 2], &[1.0; 4])];
    let pool = node("MaxPool", &["x"], &["y"]).with_ints("kernel_shape", &[side, side]);
    let dilated = node("Conv", &["x", "two"], &["y"]).with_ints("dilations", &[side - 1, side - 1]);
    let transposed = node("ConvTranspose", &["x", "one"], &["y"]).with_ints("strides", &[side - 1, side - 1]);
    vec![
        ("padding", network(&ONE, &[pool.with_ints("pads", &[side - 1; 4])], &[])),
        ("dilation", network(&[1, 1, side, side], &[dilated], &weights)),
        ("a transposed convolution", network(&[1, 1, 2, 2], &[transposed], &weights)),
    ]
}

/// Networks whose constants are: `c` is filled with zeros, `n` with an integer.
fn constants(side: i64) -> Vec<Small> {
    let image = [1, 1, side, side];
    let weights = [ints("to", &image), ints("flat", &[-1]), ints("side", &[side])];
    let filled = node("ConstantOfShape", &["to"], &["c"]);
    let numbers = node("ConstantOfShape", &["to"], &["n"]).with_tensor("value", &ints("", &[7]));
    let made = |dims: &[i64], nodes: &[Message]| {
        network(dims, &[&[filled.clone(), numbers.clone()], nodes].concat(), &weights)
    };
    let add = |a: &str, b: &str, y: &str| node("Add", &[a, b], &[y]);
    let turn = |x: &str, perm: &[i64]| node("Transpose", &[x], &["t"]).with_ints("perm", perm);
    let cast = |x: &str, y: &str, to: i64| node("Cast", &[x], &[y]).with_int("to", to);
    let sums = [add("t", "c", "1"), add("1", "c", "2"), add("2", "c", "3"), add("3", "c", "y")];
    let along = |operator: &str, x: &str, y: &str| node(operator, &[x, "s"], &[y]).with_int("axis", 1);
    let scales = node("ConstantOfShape", &["side"], &["s"]);
    let reshapes = [node("Reshape", &["n", "flat"], &["f"]), node("Reshape", &["x", "f"], &["y"])];
    vec![
        ("one", made(&ONE, &[add("x", "c", "y")])),
        ("one of integers", made(&ONE, &[cast("n", "f", 1), add("x", "f", "y")])),
        ("one in two types", made(&ONE, &[cast("n", "m", 6), cast("m", "f", 1), add("x", "f", "y")])),
        ("one, turned", made(&ONE, &[turn("c", &[0, 1, 3, 2]), add("x", "t", "y")])),
        ("one that passes turn for each reader", made(&image, &[&[turn("x", &[0, 2, 3, 1])][..], &sums].concat())),
        ("a filter", made(&image, &[node("Conv", &["x", "c"], &["y"])])),
        ("a list of sizes", made(&ONE, &reshapes)),
        (
            "scales along an axis",
            made(&[1, side], &[scales, along("QuantizeLinear", "x", "q"), along("DequantizeLinear", "q", "y")]),
        ),
        ("filters that passes scale for each reader", scaled_filters(side)),
        ("the results", known_outputs(side)),
    ]
}

/// The sum of convolutions with the same filters, each before a factor that passes put into them.
fn scaled_filters(side: i64) -> Vec<u8> {
    let mut nodes = vec![node("ConstantOfShape", &["to"], &["w"])];
    for i in 0..4 {
        let [conv, product] = ["c", "p"].map(|name| format!("{name}{i}"));
        nodes.push(node("Conv", &["x", "w"], &[&conv]));
        nodes.push(node("Mul", &[&conv, "v"], &[&product]));
    }
    nodes.push(node("Sum", &["p0", "p1", "p2", "p3"], &["y"]));
    network(&ONE, &nodes, &[ints("to", &[side * side, 1, 1, 1]), floats("v", &[1], &[2.0])])
}

/// One filled constant, under the names of five outputs.
fn known_outputs(side: i64) -> Vec<u8> {
    let names = ["1", "2", "3", "4"];
    let mut nodes = vec![node("ConstantOfShape", &["to"], &["y"])];
    nodes.extend(names.map(|name| node("Identity", &["y"], &[name])));
    let graph = graph(&[1], &nodes, &[ints("to", &[side, side])]);
    file(&names.iter().fold(graph, |graph, name| graph.message(12, &value(name, 1, &[]))), 18)
}

/// All of them.
fn greedy(side: i64) -> impl Iterator<Item = Small> {
    [activations(side), windows(side), constants(side)].into_iter().flatten()
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

/// Whoever knows his networks may say less, and is not given more than three times that: constants as they are in the
/// graph, as passes turn them, and packed.
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

/// An image's header says what its pixels take; a file too small to hold so many is not believed.
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
