"""Writes an f32 network that `sepconv export` wrote as a TensorFlow Lite file: `convert(onnx_file, tflite_file)`.

It knows the operators of these networks only and makes of them what TensorFlow's converter would: batch normalization folded, ReLUs fused,
NHWC, padding that is not TensorFlow's own as an operator (which XNNPACK takes into the convolution behind it).
"""
import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl
from onnx import numpy_helper

FUSED = {"Relu": tfl.ActivationFunctionType.RELU, "Clip": tfl.ActivationFunctionType.RELU6}


class Writer:
    def __init__(self):
        self.model, self.graph, self.codes = tfl.ModelT(), tfl.SubGraphT(), {}
        self.model.version, self.model.subgraphs, self.model.buffers, self.model.operatorCodes = 3, [self.graph], [tfl.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape, data=None):
        tensor = tfl.TensorT()
        tensor.name, tensor.shape, tensor.buffer = f"t{len(self.graph.tensors)}", [int(size) for size in shape], 0
        tensor.type = tfl.TensorType.FLOAT32 if data is None or data.dtype == np.float32 else tfl.TensorType.INT32
        if data is not None:
            buffer = tfl.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, array):
        return self.tensor(array.shape, array)

    def shape(self, tensor):
        return self.graph.tensors[tensor].shape

    def node(self, name, inputs, shape, **options):
        code = getattr(tfl.BuiltinOperator, name)
        if code not in self.codes:
            entry = tfl.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            self.codes[code] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(entry)
        node = tfl.OperatorT()
        node.opcodeIndex, node.inputs, node.outputs = self.codes[code], inputs, [self.tensor(shape)]
        kind = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected", "MEAN": "Reducer", "ADD": "Add", "MUL": "Mul"}
        if name in kind:
            node.builtinOptions = getattr(tfl, kind[name] + "OptionsT")()
            node.builtinOptionsType = getattr(tfl.BuiltinOptions, kind[name] + "Options")
            for key, value in options.items():
                setattr(node.builtinOptions, key, value)
        self.graph.operators.append(node)
        return node.outputs[0]

    def write(self, path, given, result):
        self.graph.inputs, self.graph.outputs = [given], [result]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        with open(path, "wb") as file:
            file.write(builder.Output())


def convert(source, target):
    graph = onnx.load(source).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    out, values, done = Writer(), {}, set()
    n, c, h, w = (size.dim_value for size in graph.input[0].type.tensor_type.shape.dim)
    given = values[graph.input[0].name] = out.tensor([n, h, w, c])

    def only_reader(name, *kinds):
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and found[0].op_type in kinds else None

    def fused(node):
        """The activation that alone reads a node, which then need not be written, and the name of the result."""
        after = only_reader(node.output[0], *FUSED)
        if after is None or after.op_type == "Clip" and [float(constants[name]) for name in after.input[1:]] != [0, 6]:
            return tfl.ActivationFunctionType.NONE, node.output[0]
        done.add(after.output[0])
        return FUSED[after.op_type], after.output[0]

    def convolution(node, x, options):
        weights = constants[node.input[1]]
        bias = constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weights), np.float32)
        norm = only_reader(node.output[0], "BatchNormalization")
        if norm is not None:
            scale, shift, mean, variance = (constants[name].astype(np.float64) for name in norm.input[1:])
            scale = scale / np.sqrt(variance + norm.attribute[0].f)
            weights, bias = (weights * scale[:, None, None, None]).astype(np.float32), (shift + (bias - mean) * scale).astype(np.float32)
            done.add(norm.output[0])
        activation, name = fused(node if norm is None else norm)
        (sh, sw), (top, left, bottom, right), (kh, kw) = options["strides"], options["pads"], weights.shape[2:]
        n, h, w, c = out.shape(x)
        rows, columns = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
        along = [max((rows - 1) * sh + kh - h, 0), max((columns - 1) * sw + kw - w, 0)]
        same = [along[0] // 2, along[1] // 2, along[0] - along[0] // 2, along[1] - along[1] // 2]
        padding = tfl.Padding.SAME
        if (rows, columns) != (-(-h // sh), -(-w // sw)) or [top, left, bottom, right] != same:
            padding = tfl.Padding.VALID
            pads = out.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
            x = out.node("PAD", [x, pads], [n, h + top + bottom, w + left + right, c])
        shared = dict(padding=padding, strideH=sh, strideW=sw, dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=activation)
        shape = [n, rows, columns, len(weights)]
        if options["group"] == 1:
            kernel = out.constant(weights.transpose(0, 2, 3, 1))
            values[name] = out.node("CONV_2D", [x, kernel, out.constant(bias)], shape, **shared)
        else:
            kernel = out.constant(weights.transpose(1, 2, 3, 0))
            values[name] = out.node("DEPTHWISE_CONV_2D", [x, kernel, out.constant(bias)], shape, depthMultiplier=1, **shared)

    def scalar(value):
        return out.constant(np.array(value, np.float32))

    for node in graph.node:
        if node.output[0] in done:
            continue
        x, options = values[node.input[0]], {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        shape = list(out.shape(x))
        if node.op_type == "Conv":
            convolution(node, x, options)
        elif node.op_type in ("ReduceMean", "GlobalAveragePool"):
            keep = bool(options.get("keepdims", 1))
            axes = out.constant(np.array([1, 2], np.int32))
            values[node.output[0]] = out.node("MEAN", [x, axes], [shape[0], 1, 1, shape[3]] if keep else [shape[0], shape[3]], keepDims=keep)
        elif node.op_type == "Gemm":
            activation, name = fused(node)
            weights, bias = out.constant(constants[node.input[1]]), out.constant(constants[node.input[2]])
            size = [shape[0], len(constants[node.input[2]])]
            values[name] = out.node("FULLY_CONNECTED", [x, weights, bias], size, fusedActivationFunction=activation)
        elif node.op_type in ("Add", "Mul"):
            activation, name = fused(node)
            values[name] = out.node(node.op_type.upper(), [x, values[node.input[1]]], shape, fusedActivationFunction=activation)
        elif node.op_type == "HardSigmoid":
            clamped = out.node("ADD", [x, scalar(3)], shape, fusedActivationFunction=tfl.ActivationFunctionType.RELU6)
            values[node.output[0]] = out.node("MUL", [clamped, scalar(1 / 6)], shape)
        elif node.op_type in ("HardSwish", "Sigmoid", "Relu"):
            name = {"HardSwish": "HARD_SWISH", "Sigmoid": "LOGISTIC", "Relu": "RELU"}[node.op_type]
            values[node.output[0]] = out.node(name, [x], shape)
        else:
            raise NotImplementedError(f"{source}: operator {node.op_type} of node {node.name}: convert the network with another tool")
    out.write(target, given, values[graph.output[0].name])
