"""Small TensorFlow Lite files: the seeds of a fuzz target."""

import io
import struct
import zipfile

FLOAT, INT, BYTE = 0, 2, 9
# How bytes stand for real numbers, and integers do in a bias.
QUANTIZATION, OF_BIAS = {2: [0.5], 3: (1,)}, {2: [0.25]}


def flatbuffer(identifier, root):
    """Tables are dicts of fields by number; vectors are lists of tables or numbers, tuples of long ones, or bytes."""
    out = bytearray(4) + identifier

    def align():
        out.extend(bytes(-len(out) % 4))

    def point(slot, value):
        out[slot : slot + 4] = struct.pack("<I", (table if isinstance(value, dict) else vector)(value) - slot)

    def table(fields):
        places = [0] * (1 + max(fields, default=-1))
        for i, field in enumerate(fields):
            places[field] = 4 + 4 * i
        align()
        vtable = len(out)
        out.extend(struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), 4 + 4 * len(fields), *places))
        align()
        start = len(out)
        out.extend(struct.pack("<i", start - vtable) + bytes(4 * len(fields)))
        for slot, value in zip(range(start + 4, len(out), 4), fields.values()):
            if isinstance(value, int):
                out[slot : slot + 4] = struct.pack("<i", value)
            else:
                point(slot, value)
        return start

    def vector(values):
        align()
        start = len(out)
        out.extend(struct.pack("<I", len(values)))
        if isinstance(values, bytes):
            out.extend(values)
        elif values and isinstance(values[0], dict):
            out.extend(bytes(4 * len(values)))
            for slot, value in zip(range(start + 4, len(out), 4), values):
                point(slot, value)
        else:
            kind = "q" if isinstance(values, tuple) else "f" if values and isinstance(values[0], float) else "i"
            out.extend(struct.pack(f"<{len(values)}{kind}", *values))
        return start

    point(0, root)
    return bytes(out)


class File:
    """A file that grows. The first tensor goes in, the last comes out."""

    def __init__(self, kind):
        self.kind, self.tensors, self.buffers, self.codes, self.nodes = kind, [], [{}], [], []

    def tensor(self, shape, kind=None, data=None):
        kind = self.kind if kind is None else kind
        tensor = {0: shape, 1: kind, 3: b"t%d" % len(self.tensors)}
        if kind == BYTE:
            tensor[4] = QUANTIZATION
        if data is not None:
            tensor[2] = len(self.buffers)
            self.buffers.append({0: data})
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def weights(self, *shape):
        count = 1
        for size in shape:
            count *= size
        data = struct.pack(f"<{count}f", *([0.5] * count)) if self.kind == FLOAT else bytes(i % 251 for i in range(count))
        return self.tensor(list(shape), data=data)

    def bias(self, count):
        bias = self.tensor([count], INT if self.kind == BYTE else FLOAT, bytes(4 * count))
        self.tensors[bias][4] = OF_BIAS
        return bias

    def ints(self, *values, shape=None):
        return self.tensor(shape or [len(values)], INT, struct.pack(f"<{len(values)}i", *values))

    def node(self, code, inputs, options=None):
        output = self.tensor([])
        self.nodes.append({0: len(self.codes), 1: inputs, 2: [output], **({3: 1, 4: options} if options else {})})
        self.codes.append({0: min(code, 127), 3: code})
        return output

    def bytes(self, more={}):
        graph = {0: self.tensors, 1: [0], 2: [len(self.tensors) - 1], 3: self.nodes}
        return flatbuffer(b"TFL3", {0: 3, 1: self.codes, 2: [graph], 4: self.buffers, **more})


# What operators may take: the input and constants that follow it.
OPERANDS = (
    lambda file, x: [x],
    lambda file, x: [x, x],
    lambda file, x: [x, file.ints(1)],
    lambda file, x: [x, file.ints(2, 2)],
    lambda file, x: [x, file.ints(1, 4, 4, 2)],
    lambda file, x: [x, file.ints(0, 3, 1, 2)],
    lambda file, x: [x, file.ints(0, 0, 1, 1, 2, 0, 0, 0, shape=[4, 2])],
    lambda file, x: [x, file.ints(0, 0, 1, 1, 2, 0, 0, 0, shape=[4, 2]), file.weights(1)],
    lambda file, x: [x, file.ints(0, 1, 1, 0), file.ints(1, 2, 2, 1)],
    lambda file, x: [x, file.ints(0, 1, 1, 0), file.ints(1, 3, 3, 2), file.ints(1, 1, 2, 1)],
    lambda file, x: [x, file.ints(1, 3), file.ints(2)],
    lambda file, x: [file.ints(3), x],
    lambda file, x: [x, file.weights(1, 1, 1, 2)],
    lambda file, x: [file.ints(1, 8, 8, 1), file.weights(1, 2, 2, 2), x],
)


def operators(kind):
    """A network for each operator, with each list of operands, with options that many take and without any."""
    for code in range(151):
        for which, operands in enumerate(OPERANDS):
            for options in (None, {field: 1 for field in range(5)}):
                file = File(kind)
                file.node(code, operands(file, file.tensor([1, 4, 4, 2])), options)
                yield f"{kind}-{code}-{which}{'-options' if options else ''}", file.bytes()


def network(kind):
    """An inverted residual without the expansion, and a classifier behind it."""
    file = File(kind)
    x = file.tensor([1, 6, 6, 2])
    stem = file.node(3, [x, file.weights(4, 3, 3, 2), file.bias(4)], {1: 2, 2: 2, 3: 3})
    depthwise = file.node(4, [stem, file.weights(1, 3, 3, 4), file.bias(4)], {1: 1, 2: 1, 3: 1, 4: 1})
    pointwise = file.node(3, [depthwise, file.weights(4, 1, 1, 4), file.bias(4)], {1: 1, 2: 1})
    residual = file.node(0, [pointwise, stem], {0: 0})
    swish = file.node(117, [residual])
    mean = file.node(40, [swish, file.ints(1, 2)], {0: 1})
    pool = file.node(1, [swish], {0: 1, 1: 1, 2: 1, 3: 3, 4: 3})
    scaled = file.node(18, [swish, file.node(14, [mean])], {0: 0})
    joined = file.node(2, [scaled, scaled], {0: 3})
    pooled = file.node(40, [joined, file.ints(1, 2)], {0: 1})
    flat = file.node(22, [file.node(2, [pooled, pool], {0: 3}), file.ints(1, 12)])
    file.node(25, [file.node(9, [flat, file.weights(3, 12), file.bias(3)], {0: 0})], {0: 1065353216})
    return file


def described(file):
    """The file with what it says about its use, and its labels in an archive behind it."""
    units = [{0: 1, 1: {0: [0.5, 0.5], 1: [0.25, 0.25]}}]
    subgraph = {2: [{4: units}], 3: [{6: [{0: b"labels.txt", 2: 2}]}]}
    file.buffers.append({0: flatbuffer(b"M001", {3: [subgraph]})})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("labels.txt", "cat\ndog\nowl\n")
    entry = {0: b"TFLITE_METADATA", 1: len(file.buffers) - 1}
    return file.bytes({6: [entry]}) + archive.getvalue()


def seeds():
    for kind in (FLOAT, BYTE):
        yield from operators(kind)
        yield f"network-{kind}", network(kind).bytes()
        yield f"described-{kind}", described(network(kind))
