#!/usr/bin/env python3
"""Runs networks with two builds of sepconv and compares what they give: bytes must be the same, floats nearly.

    elsewhere.py DATA SEPCONV OTHER...        # OTHER is a command: an emulator, say, and the program that it runs

Needs numpy. Prints a line a network: how many numbers differ, and by how much at most. Exits with 1 when bytes differ at all or floats
by more than 1e-4 of the largest.
"""
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


def run(program, model, x, folder):
    np.save(f"{folder}/x.npy", x)
    subprocess.run([*program, "run", model, "--input", f"{folder}/x.npy", "--output", f"{folder}/y.npy"], check=True)
    return np.load(f"{folder}/y.npy")


def main(data, program, other):
    failed = 0
    for name, side, prepare in NETWORKS:
        x = prepare(np.load(f"{data}/golden/inputs_8x{side}x{side}x3_u8.npy")[:1])
        with tempfile.TemporaryDirectory() as folder:
            here, there = (run(command, f"{data}/models/{name}", x, folder) for command in ([program], other))
        floats = here.dtype == np.float32
        difference = np.abs(here.astype(np.float64) - there.astype(np.float64))
        ok = here.dtype == there.dtype and difference.max() <= (1e-4 * np.abs(here).max() if floats else 0)
        failed += not ok
        print(f"{name:50} {np.count_nonzero(difference):5} of {here.size} differ, at most {difference.max():.1e}  {'' if ok else 'FAILED'}")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
