"""Times one engine on one file in a process of its own and prints one line of JSON.

    engines.py ENGINE DTYPE FILE INPUT SHAPE THREADS RUNS WARMUP

DTYPE is f32 or int8. INPUT holds raw little-endian f32 in NCHW order. The line has the keys `ms`, one number a run, and `output`, the first output.
"""
import json
import os
import sys
import time

import numpy as np


# An engine takes a file, its dtype, the input and a number of threads, and returns two functions: the one that is timed, and one that
# makes the output of its result an array.


def onnxruntime(file, dtype, x, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, inputs), lambda outputs: outputs[0]


def openvino(file, dtype, x, threads):
    import openvino

    config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
    if dtype == "f32":
        # Else it may run in bf16.
        config["INFERENCE_PRECISION_HINT"] = "f32"
    request = openvino.Core().compile_model(file, "CPU", config).create_infer_request()
    tensor = openvino.Tensor(x, shared_memory=True)
    request.set_input_tensor(0, tensor)
    return request.infer, lambda _, keep=tensor: request.get_output_tensor(0).data


def litert(file, dtype, x, threads):
    from ai_edge_litert.interpreter import Interpreter

    # XNNPACK is its default delegate.
    interpreter = Interpreter(model_path=file, num_threads=threads)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    output = interpreter.get_output_details()[0]["index"]
    return interpreter.invoke, lambda _: interpreter.get_tensor(output)


def ncnn(file, dtype, x, threads):
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    # Its defaults store bf16 where the processor has it: an f32 network must run in f32.
    for name in dir(net.opt):
        if name.startswith(("use_fp16", "use_bf16")):
            setattr(net.opt, name, False)
    if net.load_param(file) or net.load_model(file.removesuffix("param") + "bin"):
        sys.exit(f"ncnn cannot load {file}")

    def run():
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(x[0]))
            return extractor.extract("out0")[1]

    return run, lambda output, keep=net: np.array(output)


def main():
    engine, dtype, file, given, shape, threads, runs, warmup = sys.argv[1:]
    x = np.fromfile(given, "<f4").reshape([int(size) for size in shape.split(",")])
    load = {"onnxruntime": onnxruntime, "openvino": openvino, "litert": litert, "ncnn": ncnn}[engine]
    run, read = load(file, dtype, x, int(threads))
    output = np.asarray(read(run()), np.float32).ravel().tolist()
    for _ in range(int(warmup)):
        run()
    ms = []
    for _ in range(int(runs)):
        start = time.perf_counter()
        run()
        ms.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"ms": ms, "output": output}), flush=True)
    # Some engines take long, or crash, while their threads end.
    os._exit(0)


if __name__ == "__main__":
    main()
