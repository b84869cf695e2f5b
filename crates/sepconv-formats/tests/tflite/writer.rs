//! Writes small TensorFlow Lite files, sound or not, so that tests can say what is in them.

/// Fields by number.
pub(crate) type Table = Vec<(usize, Field)>;

/// What a field of a FlatBuffers table holds.
#[derive(Clone)]
pub(crate) enum Field {
    I8(i8),
    I32(i32),
    F32(f32),
    Bool(bool),
    Ints(Vec<i32>),
    Longs(Vec<i64>),
    Floats(Vec<f32>),
    Bytes(Vec<u8>),
    Table(Table),
    Tables(Vec<Table>),
}
use Field::{Bool, Bytes, F32, Floats, I8, I32, Ints, Longs};

/// The bytes of a buffer with this root table: parents before their children, a vtable before each table.
pub(crate) fn buffer(identifier: &[u8; 4], root: &Table) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend(identifier);
    let start = table(&mut out, root);
    patch(&mut out, 0, start);
    out
}

fn patch(out: &mut [u8], slot: usize, target: usize) {
    out[slot..slot + 4].copy_from_slice(&((target - slot) as u32).to_le_bytes());
}

fn table(out: &mut Vec<u8>, fields: &Table) -> usize {
    let count = fields.iter().map(|(field, _)| field + 1).max().unwrap_or(0);
    out.resize(out.len().next_multiple_of(4), 0);
    let vtable = out.len();
    out.extend(((4 + 2 * count) as u16).to_le_bytes());
    out.extend(((4 + 4 * fields.len()) as u16).to_le_bytes());
    for field in 0..count {
        let slot = fields.iter().position(|(number, _)| *number == field);
        out.extend((slot.map_or(0, |slot| 4 + 4 * slot) as u16).to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(4), 0);
    let start = out.len();
    out.extend(((start - vtable) as i32).to_le_bytes());
    out.resize(start + 4 + 4 * fields.len(), 0);
    for (index, (_, field)) in fields.iter().enumerate() {
        let slot = start + 4 + 4 * index;
        let scalar = match field {
            I8(value) => i32::from(*value).to_le_bytes(),
            Bool(value) => i32::from(*value).to_le_bytes(),
            I32(value) => value.to_le_bytes(),
            F32(value) => value.to_le_bytes(),
            other => {
                let target = child(out, other);
                patch(out, slot, target);
                continue;
            }
        };
        out[slot..slot + 4].copy_from_slice(&scalar);
    }
    start
}

fn child(out: &mut Vec<u8>, field: &Field) -> usize {
    let vector = |out: &mut Vec<u8>, len: usize, bytes: Vec<u8>| {
        out.resize(out.len().next_multiple_of(4), 0);
        let start = out.len();
        out.extend((len as u32).to_le_bytes());
        out.extend(bytes);
        start
    };
    match field {
        Field::Table(fields) => table(out, fields),
        Field::Tables(tables) => {
            let start = vector(out, tables.len(), vec![0; 4 * tables.len()]);
            for (index, fields) in tables.iter().enumerate() {
                let target = table(out, fields);
                patch(out, start + 4 + 4 * index, target);
            }
            start
        }
        Ints(values) => vector(out, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Longs(values) => vector(out, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Floats(values) => vector(out, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        // A zero follows, as strings demand.
        Bytes(bytes) => vector(out, bytes.len(), [bytes, &[0][..]].concat()),
        _ => unreachable!("scalars lie within their table"),
    }
}

/// A tensor of a file.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<i32>,
    /// Its number in the schema.
    pub(crate) kind: i8,
    /// Its elements, where the file holds them.
    pub(crate) data: Option<Vec<u8>>,
    /// More fields.
    pub(crate) more: Table,
}

impl Tensor {
    /// Floats that are given or computed.
    pub(crate) fn open(shape: &[i32]) -> Self {
        Self { shape: shape.to_vec(), kind: 0, data: None, more: vec![] }
    }

    /// Constant floats.
    pub(crate) fn floats(shape: &[i32], data: &[f32]) -> Self {
        let data = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { data: Some(data), ..Self::open(shape) }
    }

    /// Bytes with a scale and zero point, given or computed: unsigned ones.
    pub(crate) fn u8(shape: &[i32], scale: f32, zero_point: i64) -> Self {
        Self { kind: 3, ..Self::i8(shape, &[scale], &[zero_point], 0) }
    }

    /// Signed bytes, with scales and zero points along an axis.
    pub(crate) fn i8(shape: &[i32], scale: &[f32], zero_point: &[i64], axis: i32) -> Self {
        let fields = vec![(2, Floats(scale.to_vec())), (3, Longs(zero_point.to_vec())), (6, I32(axis))];
        Self { kind: 9, more: vec![(4, Field::Table(fields))], ..Self::open(shape) }
    }

    /// Constant bytes instead of open ones.
    pub(crate) fn holding(self, data: &[i8]) -> Self {
        Self { data: Some(data.iter().map(|byte| byte.cast_unsigned()).collect()), ..self }
    }

    /// A list of constant integers.
    pub(crate) fn ints(data: &[i32]) -> Self {
        let bytes = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { kind: 2, data: Some(bytes), ..Self::open(&[data.len() as i32]) }
    }
}

/// A node of a file.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) code: i32,
    pub(crate) inputs: Vec<i32>,
    pub(crate) outputs: Vec<i32>,
    /// The number of the table in the schema's union, and the table. Of a [custom](CUSTOM) operator its name is field 1,
    /// and its bytes are field 5.
    pub(crate) options: (i8, Table),
}

/// The number of operators that are not built in.
pub(crate) const CUSTOM: i32 = 32;

/// A network of a file: its tensors and nodes, and which tensors are its inputs and outputs.
pub(crate) type Network<'a> = (&'a [Tensor], &'a [Node], &'a [i32], &'a [i32]);

/// The bytes of a file with these tensors and nodes.
pub(crate) fn file(tensors: &[Tensor], nodes: &[Node], inputs: &[i32], outputs: &[i32]) -> Vec<u8> {
    file_of(&[(tensors, nodes, inputs, outputs)])
}

/// The bytes of a file with several networks, the first of which is run.
pub(crate) fn file_of(networks: &[Network<'_>]) -> Vec<u8> {
    let (mut buffers, mut codes, mut graphs) = (vec![vec![]], vec![], vec![]);
    for &(tensors, nodes, inputs, outputs) in networks {
        let tables = tensors.iter().enumerate().map(|(index, tensor)| tensor_table(index, tensor, &mut buffers));
        let tables = tables.collect();
        let operators = nodes.iter().map(|node| {
            codes.push(code_table(node));
            operator_table(codes.len() - 1, node)
        });
        graphs.push(vec![
            (0, Field::Tables(tables)),
            (1, Ints(inputs.to_vec())),
            (2, Ints(outputs.to_vec())),
            (3, Field::Tables(operators.collect())),
        ]);
    }
    let model = vec![(0, I32(3)), (1, Field::Tables(codes)), (2, Field::Tables(graphs)), (4, Field::Tables(buffers))];
    buffer(b"TFL3", &model)
}

fn tensor_table(index: usize, tensor: &Tensor, buffers: &mut Vec<Table>) -> Table {
    let mut fields =
        vec![(0, Ints(tensor.shape.clone())), (1, I8(tensor.kind)), (3, Bytes(format!("t{index}").into_bytes()))];
    if let Some(data) = &tensor.data {
        fields.push((2, I32(buffers.len() as i32)));
        buffers.push(vec![(0, Bytes(data.clone()))]);
    }
    fields.retain(|(number, _)| tensor.more.iter().all(|(other, _)| other != number));
    fields.extend(tensor.more.iter().cloned());
    fields
}

fn of_custom(node: &Node, field: usize) -> Table {
    let fields = node.options.1.iter().filter(|(number, _)| node.code == CUSTOM && *number == field);
    fields.cloned().collect()
}

fn code_table(node: &Node) -> Table {
    let code = vec![(0, I8(node.code.min(127) as i8)), (2, I32(1)), (3, I32(node.code))];
    [code, of_custom(node, 1)].concat()
}

fn operator_table(code: usize, node: &Node) -> Table {
    let operator = vec![(0, I32(code as i32)), (1, Ints(node.inputs.clone())), (2, Ints(node.outputs.clone()))];
    let options = match node.code {
        CUSTOM => of_custom(node, 5),
        // The union of options was full.
        206.. => vec![(11, I8(node.options.0)), (12, Field::Table(node.options.1.clone()))],
        _ => vec![(3, I8(node.options.0)), (4, Field::Table(node.options.1.clone()))],
    };
    [operator, options].concat()
}
