//! TensorFlow Lite files.

use crate::flatbuffer::{Field, Node, Table, Tensor, buffer, file};
use crate::{Case, networks};
use Field::{Bool, Bytes, I8, I32, Ints, Tables};

/// `t2 = t0 + t1`, of which t0 is given.
fn sum(change: impl FnOnce(&mut [Tensor; 3], &mut Node)) -> Vec<u8> {
    let mut tensors = [Tensor::open(&[2]), Tensor::floats(&[2], &[1.0, 2.0]), Tensor::open(&[2])];
    let mut node = Node { code: 0, inputs: vec![0, 1], outputs: vec![2], options: (11, vec![]) };
    change(&mut tensors, &mut node);
    file(&tensors, &[node], &[0], &[2])
}

fn with_node(change: impl FnOnce(&mut Node)) -> Vec<u8> {
    sum(|_, node| change(node))
}

/// The sum with its constant changed.
fn with_constant(change: impl FnOnce(&mut Tensor)) -> Vec<u8> {
    sum(|tensors, _| change(&mut tensors[1]))
}

#[test]
fn tensors() {
    let scales = |scales: Vec<f32>, zeros: Vec<i64>, axis: i32| {
        let fields = vec![(2, Field::Floats(scales)), (3, Field::Longs(zeros)), (6, I32(axis))];
        with_constant(|tensor| {
            (tensor.kind, tensor.data, tensor.more) = (9, Some(vec![1, 2]), vec![(4, Field::Table(fields))])
        })
    };
    let shaped = |shape: &[i32]| with_constant(|tensor| tensor.shape = shape.to_vec());
    let input = |shape: &[i32]| sum(|tensors, _| tensors[0].shape = shape.to_vec());
    let cases = [
        ("sound", with_node(|_| {})),
        ("size negative", shaped(&[-2])),
        ("size larger than the data", shaped(&[3])),
        ("sizes 2^31 - 1", shaped(&[i32::MAX; 4])),
        ("sizes 2^31 - 1 beside a zero", shaped(&[0, i32::MAX, i32::MAX, i32::MAX])),
        ("nine axes", shaped(&[1; 9])),
        ("input of a terabyte", input(&[1 << 20, 1 << 18])),
        ("input negative", input(&[-1])),
        ("input of axes by the hundred thousand", input(&[1; 100_000])),
        ("type of strings", with_constant(|tensor| tensor.kind = 5)),
        ("type that does not exist", with_constant(|tensor| tensor.kind = 99)),
        ("buffer that does not exist", with_constant(|tensor| tensor.more = vec![(2, I32(9))])),
        ("buffer -1", with_constant(|tensor| tensor.more = vec![(2, I32(-1))])),
        ("stored sparsely", with_constant(|tensor| tensor.more = vec![(6, Field::Table(vec![]))])),
        ("keeps state", with_constant(|tensor| (tensor.data, tensor.more) = (None, vec![(5, Bool(true))]))),
        ("not a number", with_constant(|tensor| tensor.data = Some([0xff; 8].to_vec()))),
        (
            "name of a megabyte",
            sum(|tensors, node| {
                tensors[2].more = vec![(3, Bytes(vec![b'n'; 1 << 20]))];
                node.code = 103;
            }),
        ),
        (
            "name for a terminal to obey",
            sum(|tensors, node| {
                tensors[2].more = vec![(3, Bytes(b"\x1b[31m\x07\xff".to_vec()))];
                node.code = 103;
            }),
        ),
        ("scales too many", scales(vec![1.0; 3], vec![], 0)),
        ("scales by the million", scales(vec![1.0; 1 << 20], vec![], 0)),
        ("zero points of another number", scales(vec![1.0; 2], vec![0; 3], 0)),
        ("zero point 2^63 - 1", scales(vec![1.0], vec![i64::MAX], 0)),
        ("zero point beyond a byte", scales(vec![1.0], vec![300], 0)),
        ("scale 0", scales(vec![0.0], vec![0], 0)),
        ("scale not a number", scales(vec![f32::NAN], vec![0], 0)),
        ("scale negative", scales(vec![-1.0], vec![0], 0)),
        ("activation with two scales", sum(|tensors, _| tensors[0] = Tensor::i8(&[2], &[1.0, 2.0], &[0, 0], 0))),
        (
            "activation of 16 bits",
            sum(|tensors, _| tensors[0] = Tensor { kind: 7, ..Tensor::i8(&[2], &[1.0], &[0], 0) }),
        ),
        ("bytes without a scale", sum(|tensors, _| tensors[0].kind = 9)),
    ];
    insta::assert_snapshot!(networks("tflite", cases));
}

#[test]
fn nodes() {
    let sound = || Node { code: 0, inputs: vec![0, 1], outputs: vec![2], options: (11, vec![]) };
    let tensors = || [Tensor::open(&[2]), Tensor::floats(&[2], &[1.0, 2.0]), Tensor::open(&[2])];
    let cases = [
        ("tensor that does not exist", with_node(|node| node.inputs = vec![0, 7])),
        ("tensor -2", with_node(|node| node.inputs = vec![0, -2])),
        ("tensor left out", with_node(|node| node.inputs = vec![0, -1])),
        ("operand that is the result", with_node(|node| node.inputs = vec![0, 2])),
        ("result that is given", with_node(|node| node.outputs = vec![0])),
        ("result that is constant", with_node(|node| node.outputs = vec![1])),
        ("result that does not exist", with_node(|node| node.outputs = vec![9])),
        ("no result", with_node(|node| node.outputs = vec![])),
        ("two results", with_node(|node| node.outputs = vec![2, 1])),
        ("one operand", with_node(|node| node.inputs = vec![0])),
        ("three operands", with_node(|node| node.inputs = vec![0, 1, 1])),
        ("no operands", with_node(|node| node.inputs = vec![])),
        ("custom", with_node(|node| node.code = 32)),
        ("control flow", with_node(|node| node.code = 119)),
        ("unknown", with_node(|node| node.code = 5000)),
        ("negative", with_node(|node| node.code = -7)),
        ("activation that does not exist", with_node(|node| node.options = (11, vec![(0, I8(77))]))),
        ("shapes that do not broadcast", sum(|tensors, _| tensors[1] = Tensor::floats(&[3], &[1.0; 3]))),
        ("cycle", file(&tensors(), &[Node { inputs: vec![2, 1], ..sound() }], &[0], &[2])),
        ("nodes by the hundred thousand", file(&tensors(), &vec![sound(); 100_001], &[0], &[2])),
        (
            "one node that reads one tensor by the million",
            file(&tensors(), &[Node { code: 106, inputs: vec![0; 2_000_000], ..sound() }], &[0], &[2]),
        ),
        ("inputs by the thousand", file(&tensors(), &[sound()], &[0; 2000], &[2])),
        ("input twice", file(&tensors(), &[sound()], &[0, 0], &[2])),
        ("input that does not exist", file(&tensors(), &[sound()], &[9], &[2])),
        ("output that does not exist", file(&tensors(), &[sound()], &[0], &[9])),
        ("output -1", file(&tensors(), &[sound()], &[0], &[-1])),
        (
            "output that nothing computes",
            file(&[tensors().to_vec(), vec![Tensor::open(&[1])]].concat(), &[sound()], &[0], &[3]),
        ),
        ("no outputs", file(&tensors(), &[sound()], &[0], &[])),
        ("no nodes", file(&tensors(), &[], &[0], &[2])),
        ("nothing", file(&[], &[], &[], &[])),
    ];
    insta::assert_snapshot!(networks("tflite", cases));
}

/// A node of `code` on `t0`, of this shape, and a constant.
fn on_plane(code: i32, shape: &[i32], constant: Tensor, options: Table) -> Vec<u8> {
    let tensors = [Tensor::open(shape), constant, Tensor::open(&[])];
    file(&tensors, &[Node { code, inputs: vec![0, 1], outputs: vec![2], options: (1, options) }], &[0], &[2])
}

/// Options of a convolution: padding, strides, dilations.
fn window(padding: i8, stride: i32, dilation: i32) -> Table {
    vec![(0, I8(padding)), (1, I32(stride)), (2, I32(stride)), (4, I32(dilation)), (5, I32(dilation))]
}

#[test]
fn windows() {
    let conv = |options, weights: &[i32]| {
        let count = weights.iter().product::<i32>() as usize;
        on_plane(3, &[1, 4, 4, 1], Tensor::floats(weights, &vec![1.0; count]), options)
    };
    let depthwise = |multiplier: i32, weights: &[i32]| {
        let count = weights.iter().product::<i32>() as usize;
        let options = vec![(0, I8(0)), (1, I32(1)), (2, I32(1)), (3, I32(multiplier))];
        on_plane(4, &[1, 4, 4, 2], Tensor::floats(weights, &vec![1.0; count]), options)
    };
    let pool = |stride: i32, kernel: i32| {
        let options = vec![(0, I8(1)), (1, I32(stride)), (2, I32(stride)), (3, I32(kernel)), (4, I32(kernel))];
        let tensors = [Tensor::open(&[1, 4, 4, 1]), Tensor::open(&[])];
        file(&tensors, &[Node { code: 17, inputs: vec![0], outputs: vec![1], options: (5, options) }], &[0], &[1])
    };
    let cases = [
        ("sound", conv(window(0, 1, 1), &[1, 3, 3, 1])),
        ("stride 0", conv(window(0, 0, 1), &[1, 3, 3, 1])),
        ("stride negative", conv(window(0, -1, 1), &[1, 3, 3, 1])),
        ("stride 2^31 - 1", conv(window(0, i32::MAX, 1), &[1, 3, 3, 1])),
        ("dilation 0", conv(window(0, 1, 0), &[1, 3, 3, 1])),
        ("dilation 2^31 - 1", conv(window(0, 1, i32::MAX), &[1, 3, 3, 1])),
        ("padding unknown", conv(window(7, 1, 1), &[1, 3, 3, 1])),
        ("kernel larger than the plane", conv(window(1, 1, 1), &[1, 5, 5, 1])),
        ("filters for other channels", conv(window(1, 1, 1), &[1, 3, 3, 2])),
        ("filters of three axes", conv(window(1, 1, 1), &[3, 3, 1])),
        ("no filters", conv(window(1, 1, 1), &[0, 3, 3, 1])),
        ("filters without rows", conv(window(1, 1, 1), &[1, 0, 3, 1])),
        ("filters without channels", conv(window(1, 1, 1), &[1, 3, 3, 0])),
        ("depth multiplier that does not fit", depthwise(3, &[1, 3, 3, 2])),
        ("depth multiplier negative", depthwise(-1, &[1, 3, 3, 2])),
        ("depth multiplier 2^31 - 1", depthwise(i32::MAX, &[1, 3, 3, 2])),
        ("depthwise filters by groups", depthwise(1, &[2, 3, 3, 1])),
        ("pool of stride 0", pool(0, 2)),
        ("pool of kernel 0", pool(1, 0)),
        ("pool of kernel 2^31 - 1", pool(1, i32::MAX)),
        ("pool larger than the plane", pool(1, 5)),
    ];
    insta::assert_snapshot!(networks("tflite", cases));
}

#[test]
fn operands() {
    let ints = |code: i32, list: &[i32]| on_plane(code, &[1, 2, 4, 4], Tensor::ints(list), vec![]);
    let options = |code: i32, list: &[i32], options: Table| on_plane(code, &[1, 2, 4, 4], Tensor::ints(list), options);
    let sizes =
        |dims: &[i32]| on_plane(22, &[1, 2, 4, 4], Tensor::floats(&[4], &[1.0; 4]), vec![(0, Ints(dims.to_vec()))]);
    let cases = [
        ("reshape to what wraps", ints(22, &[i32::MAX, i32::MAX, i32::MAX])),
        ("reshape with two open sizes", ints(22, &[-1, -1])),
        ("reshape to a negative size", ints(22, &[-2, 16])),
        ("reshape to floats", sizes(&[4])),
        ("pad by too few", ints(34, &[0, 0])),
        ("pad by a negative number", ints(34, &[0, 0, -1, 0, 0, 0, 0, 0])),
        ("pad without end", ints(34, &[0, 0, i32::MAX, i32::MAX, i32::MAX, i32::MAX, 0, 0])),
        ("mirror more than there is", ints(100, &[0, 0, 9, 9, 0, 0, 0, 0])),
        ("mean along axis 9", ints(40, &[9])),
        ("mean along axis -2^31", ints(40, &[i32::MIN])),
        ("transpose by axes twice", ints(39, &[0, 1, 1, 3])),
        ("transpose by too few", ints(39, &[1, 0])),
        ("resize to nothing", ints(23, &[0, 0])),
        ("resize to gigabytes", ints(23, &[1 << 16, 1 << 16])),
        ("resize to three sizes", ints(23, &[1, 1, 1])),
        ("resize aligned and half", options(23, &[2, 2], vec![(2, Bool(true)), (3, Bool(true))])),
        ("gather beyond the end", options(36, &[7], vec![(0, I32(1))])),
        ("gather along axis 9", options(36, &[0], vec![(0, I32(9))])),
        ("broadcast to gigabytes", ints(130, &[1 << 14, 2, 1 << 12, 4])),
        ("expand an axis far away", ints(70, &[i32::MAX])),
        ("softmax with an operand too many", ints(25, &[1])),
        ("squeeze an axis of size 2", {
            let tensors = [Tensor::open(&[1, 2, 4, 4]), Tensor::open(&[])];
            let node = Node { code: 43, inputs: vec![0], outputs: vec![1], options: (30, vec![(0, Ints(vec![1]))]) };
            file(&tensors, &[node], &[0], &[1])
        }),
        ("unpack 2^31 - 1", {
            let empty = Tensor { data: Some(vec![]), ..Tensor::open(&[i32::MAX, 0]) };
            let node = Node { code: 88, inputs: vec![0], outputs: vec![1], options: (64, vec![(0, I32(i32::MAX))]) };
            file(&[empty, Tensor::open(&[])], &[node], &[], &[1])
        }),
    ];
    insta::assert_snapshot!(networks("tflite", cases));
}

/// Positions in a file, as its readers find them.
struct FlatFile(Vec<u8>);

impl FlatFile {
    fn u32(&self, at: usize) -> usize {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes")) as usize
    }

    fn follow(&self, at: usize) -> usize {
        at + self.u32(at)
    }

    /// Where the vtable of a table is.
    fn vtable(&self, table: usize) -> usize {
        (table as i64 - i64::from(self.u32(table) as i32)) as usize
    }

    /// Where a field of a table is.
    fn field(&self, table: usize, field: usize) -> usize {
        let slot = self.vtable(table) + 4 + 2 * field;
        table + usize::from(u16::from_le_bytes([self.0[slot], self.0[slot + 1]]))
    }

    /// The first table of a vector of tables.
    fn first(&self, table: usize, field: usize) -> usize {
        self.follow(self.follow(self.field(table, field)) + 4)
    }

    fn with(mut self, at: usize, value: u32) -> Vec<u8> {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self.0
    }
}

/// The sound file with the number at a place forged, which `find` finds: where it is, and what it becomes.
fn forged(find: impl Fn(&FlatFile) -> (usize, u32)) -> Vec<u8> {
    let walk = FlatFile(with_node(|_| {}));
    let (at, value) = find(&walk);
    walk.with(at, value)
}

const OUT: u32 = 1 << 20;

#[test]
fn offsets() {
    let root = |walk: &FlatFile| walk.follow(0);
    let graph = move |walk: &FlatFile| walk.first(root(walk), 2);
    let tensor = move |walk: &FlatFile| walk.first(graph(walk), 0);
    let cut = |bytes: usize| with_node(|_| {})[..bytes].to_vec();
    let version = |version: i32| buffer(b"TFL3", &vec![(0, I32(version))]);
    let cases: Vec<Case> = vec![
        ("empty", vec![]),
        ("another format", b"\x08\x00\x00\x00ONNXnonsense".to_vec()),
        ("identifier and nothing", b"\x08\x00\x00\x00TFL3".to_vec()),
        ("version 2", version(2)),
        ("version -1", version(-1)),
        ("no networks", version(3)),
        ("no tensors", buffer(b"TFL3", &vec![(0, I32(3)), (2, Tables(vec![vec![(1, Ints(vec![0]))]]))])),
        ("cut in the middle", cut(with_node(|_| {}).len() / 2)),
        ("root outside", forged(|_| (0, OUT))),
        ("root at itself", forged(|_| (0, 0))),
        ("root in the identifier", forged(|_| (0, 4))),
        ("vtable before the file", forged(|walk| (root(walk), OUT))),
        ("vtable behind the file", forged(|walk| (root(walk), OUT.wrapping_neg()))),
        ("vtable at its table", forged(|walk| (root(walk), 0))),
        ("vtable of 65535 bytes", forged(|walk| (walk.vtable(root(walk)), 0x0014_ffff))),
        ("vtable of 0 bytes", forged(|walk| (walk.vtable(root(walk)), 0x0014_0000))),
        ("vtable of odd length", forged(|walk| (walk.vtable(root(walk)), 0x0014_000d))),
        ("table of 65535 bytes", forged(|walk| (walk.vtable(root(walk)), 0xffff_000e))),
        ("field outside its table", forged(|walk| (walk.vtable(root(walk)) + 4, 0x7000_7000))),
        ("networks outside", forged(|walk| (walk.field(root(walk), 2), OUT))),
        ("networks at themselves", forged(|walk| (walk.field(root(walk), 2), 0))),
        ("networks by the thousand million", forged(|walk| (walk.follow(walk.field(root(walk), 2)), u32::MAX))),
        ("network at itself", forged(|walk| (walk.follow(walk.field(root(walk), 2)) + 4, 0))),
        ("tensors outside", forged(|walk| (walk.field(graph(walk), 0), OUT))),
        ("tensors by the thousand million", forged(|walk| (walk.follow(walk.field(graph(walk), 0)), u32::MAX))),
        ("tensors at the network", forged(|walk| (walk.field(graph(walk), 0), 0))),
        ("inputs by the thousand million", forged(|walk| (walk.follow(walk.field(graph(walk), 1)), 1 << 30))),
        ("shape outside", forged(|walk| (walk.field(tensor(walk), 0), OUT))),
        ("shape longer than the file", forged(|walk| (walk.follow(walk.field(tensor(walk), 0)), u32::MAX))),
        ("name outside", forged(|walk| (walk.field(tensor(walk), 3), OUT))),
        ("name longer than the file", forged(|walk| (walk.follow(walk.field(tensor(walk), 3)), u32::MAX))),
        ("operators outside", forged(|walk| (walk.field(graph(walk), 3), OUT))),
        ("operator codes outside", forged(|walk| (walk.field(root(walk), 1), OUT))),
        ("buffers outside", forged(|walk| (walk.field(root(walk), 4), OUT))),
        (
            "data longer than the file",
            forged(|walk| {
                let buffers = walk.follow(walk.field(root(walk), 4));
                (walk.follow(walk.field(walk.follow(buffers + 8), 0)), u32::MAX)
            }),
        ),
        (
            "data in itself",
            forged(|walk| {
                let buffers = walk.follow(walk.field(root(walk), 4));
                (walk.field(walk.follow(buffers + 8), 0), 0)
            }),
        ),
    ];
    insta::assert_snapshot!(networks("tflite", cases));
}

/// Buffers behind the tables, as files above 2 GiB have them.
#[test]
fn buffers_behind_the_tables() {
    let model = |offset: i32, size: i32| {
        let tensor = vec![(0, Ints(vec![2])), (1, I8(0)), (2, I32(1)), (3, Bytes(b"t".to_vec()))];
        let graph = vec![(0, Tables(vec![tensor])), (2, Ints(vec![0]))];
        // The fields are 64 bits wide; the writer's are 32, so each is followed by one that is zero.
        let outside = vec![(1, I32(offset)), (9, I32(0)), (2, I32(size)), (10, I32(0))];
        let mut bytes =
            buffer(b"TFL3", &vec![(0, I32(3)), (2, Tables(vec![graph])), (4, Tables(vec![vec![], outside]))]);
        bytes.resize(1024, 0);
        bytes
    };
    let cases = [
        ("at the end", model(1016, 8)),
        ("over the end", model(1017, 8)),
        ("behind the end", model(1 << 30, 0)),
        ("larger than the file", model(8, 1 << 30)),
        ("negative", model(8, -1)),
    ];
    insta::assert_snapshot!(networks("tflite", cases));
}

/// Every number of a sound file, and every byte of it, forged: an error or an answer.
#[test]
fn every_place_forged() {
    let sound = with_node(|_| {});
    let numbers = [0, 1, 2, 4, 0x7fff_ffff, 0x8000_0000, u32::MAX, sound.len() as u32];
    let places = (0..sound.len() - 3).flat_map(|at| numbers.map(|number| FlatFile(sound.clone()).with(at, number)));
    let cut = (0..sound.len()).map(|length| sound[..length].to_vec());
    let said = networks("tflite", places.chain(cut).map(|bytes| ("forged", bytes)));
    let answers = said.matches("answer: ").count();
    assert!(answers > 100 && said.matches("## ").count() > 2 * answers, "{answers} answers");
}
