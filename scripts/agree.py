#!/usr/bin/env python3
"""Runs every float model of a folder with sepconv and with its format's own runtime, and compares all outputs.

    agree.py SEPCONV MODELS_DIR        # needs numpy, onnxruntime and ai-edge-litert

Inputs are photographs' statistics drawn from a seed. Prints a line a model: the largest difference, relative to 1 or to the value
where that is larger. Exits with 1 when one exceeds 1e-3.
"""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np

# Sizes for the inputs that files leave open.
OPEN = {"ppocr_det_mobilenetv3_f32.onnx": {"image": [1, 3, 640, 640]}}


def with_onnxruntime(path, random):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = OPEN.get(os.path.basename(path), {})
    shapes = {i.name: given.get(i.name, i.shape) for i in session.get_inputs()}
    inputs = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return inputs, session.run(None, inputs), given


def with_litert(path, random):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    inputs = {i["name"]: random.standard_normal(i["shape"]).astype(np.float32) for i in interpreter.get_input_details()}
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], inputs[detail["name"]])
    interpreter.invoke()
    return inputs, [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()], {}


def with_sepconv(program, path, inputs, given, folder):
    x, y = os.path.join(folder, "x.npz"), os.path.join(folder, "y.npz")
    np.savez(x, **inputs)
    shapes = [f"--shape={name}={','.join(map(str, shape))}" for name, shape in given.items()]
    subprocess.run([program, "run", path, "--input", x, "-o", y, *shapes], check=True, stdout=subprocess.DEVNULL)
    with np.load(y) as outputs:
        return [outputs[name] for name in outputs.files]


def main(program, models):
    paths = [p for p in sorted(glob.glob(f"{models}/*/*")) if p.endswith(("_f32.onnx", "_f32.tflite", "_f16w.tflite"))]
    failed = 0
    for path in paths:
        random = np.random.default_rng(1)
        reference = with_onnxruntime if path.endswith(".onnx") else with_litert
        inputs, expected, given = reference(path, random)
        with tempfile.TemporaryDirectory() as folder:
            got = with_sepconv(program, path, inputs, given, folder)
        same = len(got) == len(expected) and all(g.shape == e.shape for g, e in zip(got, expected))
        worst = max(float(np.max(np.abs(g - e) / np.maximum(np.abs(e), 1))) for g, e in zip(got, expected)) if same else np.inf
        ok = worst <= 1e-3
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {worst:8.1e}  {os.path.basename(path)}")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
