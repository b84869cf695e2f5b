"""ONNX files of one node, written without other packages."""

FLOAT, INT32, INT64, BOOL, FLOAT16 = 1, 6, 7, 9, 10


def _varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _port(name, element, shape):
    sizes = b"".join(_bytes(1, _bytes(2, "n") if size is None else _number(1, size)) for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, element) + _bytes(2, sizes)))


def one_node(op, inputs, output):
    """``inputs`` and ``output`` are (name, element, shape), a size of ``None`` being open."""
    node = b"".join(_bytes(1, name) for name, _, _ in inputs) + _bytes(2, output[0]) + _bytes(3, "node") + _bytes(4, op)
    graph = _bytes(1, node) + _bytes(2, "tiny")
    graph += b"".join(_bytes(11, _port(*port)) for port in inputs) + _bytes(12, _port(*output))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 17))
