#!/usr/bin/env python3
"""Runs networks here and elsewhere and compares what they give: quantized ones must be the same, floats nearly.

    elsewhere.py DATA SEPCONV OTHER...        # OTHER is a command: an emulator, say, and the example `array` that it runs

Needs numpy. Prints a line a network: how many numbers differ, and by how much at most. Exits with 1 when those of quantized networks
differ at all or floats by more than 1e-4 of the largest.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np

# A file, the side of its input, and what its input is of pixels.
NETWORKS = [
    ("onnx/mobilenet_v3_small_1.0_224_f32.onnx", 224, lambda px: ((px - np.float32(128)) / np.float32(127)).transpose(0, 3, 1, 2).copy()),
    ("tflite/mobilenet_v1_0.25_224_f32.tflite", 224, lambda px: (px - np.float32(127.5)) / np.float32(127.5)),
    ("onnx/mobilenet_v3_small_1.0_224_qdq.onnx", 224, lambda px: ((px - np.float32(128)) / np.float32(127)).transpose(0, 3, 1, 2).copy()),
    ("tflite/mobilenet_v3_small_1.0_224_uint8.tflite", 224, lambda px: px),
    ("tflite/mcunet_320kb_1mb_176_int8.tflite", 176, lambda px: (px ^ 0x80).view(np.int8)),
]


def compare(model, x, program, other):
    """The results here and there."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = f"{folder}/x.npy", f"{folder}/y.npy"
        np.save(given, x)
        subprocess.run([program, "run", model, "--input", given, "--output", made], check=True)
        here = np.load(made)
        there = subprocess.run([*other, model, given], check=True, stdout=subprocess.PIPE, text=True).stdout
        return here.ravel(), np.array(there.split(), here.dtype)


def main(data, program, other):
    # WebAssembly has no current folder.
    data, failed = os.path.realpath(data), 0
    for name, side, prepare in NETWORKS:
        x = prepare(np.load(f"{data}/golden/inputs_8x{side}x{side}x3_u8.npy")[:1])
        here, there = compare(f"{data}/models/{name}", x, program, other)
        floats = "_f32." in name
        difference = np.abs(here.astype(np.float64) - there.astype(np.float64))
        ok = here.shape == there.shape and difference.max() <= (1e-4 * np.abs(here).max() if floats else 0)
        failed += not ok
        print(f"{name:50} {np.count_nonzero(difference):5} of {here.size} differ, at most {difference.max():.1e}  {'' if ok else 'FAILED'}")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
