//! Writes ONNX files, sound or not, field by field. Numbers of fields are those of `onnx.proto`.

/// A message as it is encoded.
#[derive(Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn int(mut self, field: u64, value: i64) -> Self {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value.cast_unsigned());
        self
    }

    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        varint(&mut self.0, field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A string, bytes, packed numbers.
    pub(crate) fn bytes(self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let length = value.as_ref().len() as u64;
        self.claiming(field, length, value)
    }

    /// The same with a length of one's own.
    pub(crate) fn claiming(mut self, field: u64, length: u64, value: impl AsRef<[u8]>) -> Self {
        varint(&mut self.0, field << 3 | 2);
        varint(&mut self.0, length);
        self.0.extend(value.as_ref());
        self
    }

    pub(crate) fn message(self, field: u64, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    /// One field for each message.
    pub(crate) fn messages(self, field: u64, values: &[Message]) -> Self {
        values.iter().fold(self, |message, value| message.message(field, value))
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A node without attributes, named as its first output.
pub(crate) fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, name| node.bytes(1, name));
    outputs.iter().fold(node, |node, name| node.bytes(2, name)).bytes(4, operator)
}

/// Attributes of nodes.
impl Message {
    fn attribute(self, name: &str, kind: i64, value: impl FnOnce(Message) -> Message) -> Self {
        self.message(5, &value(Message::default().bytes(1, name)).int(20, kind))
    }

    pub(crate) fn with_int(self, name: &str, value: i64) -> Self {
        self.attribute(name, 2, |attribute| attribute.int(3, value))
    }

    pub(crate) fn with_ints(self, name: &str, values: &[i64]) -> Self {
        self.attribute(name, 7, |attribute| values.iter().fold(attribute, |attribute, &value| attribute.int(8, value)))
    }

    pub(crate) fn with_float(self, name: &str, value: f32) -> Self {
        self.attribute(name, 1, |attribute| attribute.float(2, value))
    }

    pub(crate) fn with_text(self, name: &str, value: &str) -> Self {
        self.attribute(name, 3, |attribute| attribute.bytes(4, value))
    }

    pub(crate) fn with_tensor(self, name: &str, value: &Message) -> Self {
        self.attribute(name, 4, |attribute| attribute.message(5, value))
    }
}

/// A tensor without data, of an element type by its number: 1 is f32, 2 u8, 3 i8, 7 i64.
pub(crate) fn tensor(name: &str, kind: i64, dims: &[i64]) -> Message {
    let tensor = dims.iter().fold(Message::default(), |tensor, &size| tensor.int(1, size));
    tensor.int(2, kind).bytes(8, name)
}

pub(crate) fn floats(name: &str, dims: &[i64], data: &[f32]) -> Message {
    tensor(name, 1, dims).bytes(9, data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

pub(crate) fn ints(name: &str, data: &[i64]) -> Message {
    let bytes: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, 7, &[data.len() as i64]).bytes(9, bytes)
}

/// An input or output of an element type.
pub(crate) fn value(name: &str, kind: i64, dims: &[i64]) -> Message {
    let sizes: Vec<Message> = dims.iter().map(|&size| Message::default().int(1, size)).collect();
    let shape = Message::default().messages(1, &sizes);
    let r#type = Message::default().message(1, &Message::default().int(1, kind).message(2, &shape));
    Message::default().bytes(1, name).message(2, &r#type)
}

/// A graph from `x`, of floats, to `y`.
pub(crate) fn graph(dims: &[i64], nodes: &[Message], weights: &[Message]) -> Message {
    Message::default()
        .messages(1, nodes)
        .messages(5, weights)
        .message(11, &value("x", 1, dims))
        .message(12, &value("y", 1, &[]))
}

/// The bytes of a file with this graph, for an operator set.
pub(crate) fn file(graph: &Message, opset: i64) -> Vec<u8> {
    let import = Message::default().int(2, opset);
    Message::default().int(1, 8).message(8, &import).message(7, graph).0
}

/// The bytes of a network from `x`, of floats, to `y`, in operator set 18.
pub(crate) fn network(dims: &[i64], nodes: &[Message], weights: &[Message]) -> Vec<u8> {
    file(&graph(dims, nodes, weights), 18)
}
