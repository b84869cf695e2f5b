// MobileNetV1 as the bytes of an ONNX file, with random weights: its answers mean nothing, its times are those of any.

const varint = (value) => {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.from([...bytes, value]);
};

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => (bytes.set(part, offset), offset + part.length), 0);
  return bytes;
}

/** A field of a protobuf message: an integer, text, bytes, or a message of fields. */
function field(number, value) {
  if (typeof value === "number") return joined([varint(number * 8), varint(value)]);
  const bytes =
    typeof value === "string" ? new TextEncoder().encode(value) : Array.isArray(value) ? joined(value) : value;
  return joined([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

const each = (number, values) => values.map((value) => field(number, value));

const attribute = ([name, value]) =>
  Array.isArray(value)
    ? [field(1, name), ...each(8, value), field(20, 7)]
    : [field(1, name), field(3, value), field(20, 2)];

const node = (operator, name, inputs, attributes = {}) =>
  field(1, [
    ...each(1, inputs),
    field(2, name),
    field(3, name),
    field(4, operator),
    ...each(5, Object.entries(attributes).map(attribute)),
  ]);

const port = (number, name, shape) =>
  field(number, [
    field(1, name),
    field(2, [
      field(1, [
        field(1, 1),
        field(
          2,
          shape.map((size) => field(1, [field(1, size)])),
        ),
      ]),
    ]),
  ]);

/** Weights of a variance that keeps activations as they are, the same every time. */
function tensor(name, shape) {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const range = Math.sqrt(6 / shape.slice(1).reduce((a, b) => a * b, 1));
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * range;
  }
  return field(5, [...each(1, shape), field(2, 1), field(8, name), field(9, new Uint8Array(values.buffer))]);
}

/** Channels and stride of the blocks (Howard et al. 2017, table 1). */
const BLOCKS = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  ...Array(5).fill([512, 1]),
  [1024, 2],
  [1024, 1],
];

export function mobilenetV1({ size, width, classes = 1000 }) {
  const graph = [];
  let [value, channels] = ["image", 3];
  const convolution = (name, out, kernel, stride, group) => {
    graph.push(tensor(`${name}.weight`, [out, channels / group, kernel, kernel]));
    const pads = Array(4).fill(kernel >> 1);
    graph.push(
      node("Conv", name, [value, `${name}.weight`], {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads,
        group,
      }),
    );
    graph.push(node("Relu", `${name}.relu`, [name]));
    [value, channels] = [`${name}.relu`, out];
  };
  convolution("stem", 32 * width, 3, 2, 1);
  BLOCKS.forEach(([out, stride], i) => {
    convolution(`block${i + 1}.depthwise`, channels, 3, stride, channels);
    convolution(`block${i + 1}.pointwise`, out * width, 1, 1, 1);
  });
  graph.push(node("GlobalAveragePool", "pool", [value]), node("Flatten", "flat", ["pool"]));
  graph.push(
    tensor("classifier.weight", [classes, channels]),
    node("Gemm", "logits", ["flat", "classifier.weight"], { transB: 1 }),
  );
  graph.push(port(11, "image", [1, 3, size, size]), port(12, "logits", [1, classes]));
  return joined([field(1, 8), field(7, [field(2, "mobilenet_v1"), ...graph]), field(8, [field(1, ""), field(2, 17)])]);
}
