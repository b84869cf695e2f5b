#!/usr/bin/env python3
"""Runs every float model of a folder with sepconv and with its format's own runtime, and compares all outputs.

    agree.py SEPCONV DATA        # needs numpy, pillow, onnxruntime and ai-edge-litert

Networks of pictures get a photograph with some text drawn on it, others noise from a seed. Prints a line a model: the largest
difference, relative to 1 or to the value where that is larger. Exits with 1 when one exceeds 1e-3.
"""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw

# How the names of the files of floats end.
FLOATS = ("_f32.onnx", "_f32.tflite", "_f16w.tflite")
# Sizes for the inputs that files leave open.
OPEN = {"ppocr_det_mobilenetv3_f32.onnx": {"image": [1, 3, 640, 640]}}


def make_input(shape, channels_first, data):
    height, width, channels = (*shape[2:], shape[1]) if channels_first and len(shape) == 4 else (*shape[1:], 0)[-3:]
    if channels != 3:
        return np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    picture = Image.open(f"{data}/images/ccby/face.jpg").convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for line in range(4):
        draw.text((width // 10, height * (2 * line + 1) // 10), "depthwise separable", fill="white" if line % 2 else "black")
    pixels = (np.asarray(picture, np.float32) - 127.5) / 64
    return (pixels.transpose(2, 0, 1) if channels_first else pixels)[np.newaxis].copy()


def with_onnxruntime(path, data):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = OPEN.get(os.path.basename(path), {})
    shapes = {i.name: given.get(i.name, i.shape) for i in session.get_inputs()}
    inputs = {name: make_input(shape, True, data) for name, shape in shapes.items()}
    return inputs, session.run(None, inputs), given


def with_litert(path, data):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    inputs = {i["name"]: make_input(tuple(i["shape"]), False, data) for i in interpreter.get_input_details()}
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


def compare(expected, got):
    """The largest value, and the largest difference relative to 1 or to the value."""
    same = len(got) == len(expected) and all(g.shape == e.shape for g, e in zip(got, expected))
    differences = [np.max(np.abs(g - e) / np.maximum(np.abs(e), 1)) for g, e in zip(got, expected)] if same else [np.inf]
    return max(float(np.max(np.abs(e))) for e in expected), float(max(differences))


def main(program, data):
    paths = sorted(path for path in glob.glob(f"{data}/models/*/*") if path.endswith(FLOATS))
    failed = 0
    for path in paths:
        reference = with_onnxruntime if path.endswith(".onnx") else with_litert
        inputs, expected, given = reference(path, data)
        with tempfile.TemporaryDirectory() as folder:
            got = with_sepconv(program, path, inputs, given, folder)
        largest, difference = compare(expected, got)
        ok = difference <= 1e-3
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {difference:8.1e} of {largest:8.2g}  {os.path.basename(path)}")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
