#!/usr/bin/env python3
"""Compares int8 answers with what quantized ONNX files (QDQ) mean: the cosine of the outputs of onnxruntime, optimized, and of sepconv with
those of onnxruntime without any optimization, which computes every operator in f32 between its quantizations.

    saturation.py SEPCONV FILE_qdq.onnx ...    # needs onnxruntime and numpy

On x86 processors without VNNI the optimized int8 kernels of onnxruntime add pairs of products up in 16 bits, with saturation. Inputs are
random, from a seed, five for each file; the least and the greatest cosine are printed. Nothing is downloaded.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

INPUTS = 5


def outputs(file, level, inputs):
    """What onnxruntime answers at a level of optimization."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: x})[0] for x in inputs]


def ours(sepconv, file, inputs):
    """What sepconv answers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("x.npy", "y.npy")]
        answers = []
        for x in inputs:
            np.save(paths[0], x)
            subprocess.run([sepconv, "run", file, "--input", paths[0], "--output", paths[1]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            answers.append(np.load(paths[1]))
        return answers


def cosines(answers, meant):
    def cosine(a, b):
        a, b = (x.astype(np.float64).ravel() for x in (a, b))
        return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))

    all = [cosine(a, b) for a, b in zip(answers, meant)]
    return f"{min(all):.4f} to {max(all):.4f}"


def main():
    sepconv, files = sys.argv[1], sys.argv[2:]
    level = onnxruntime.GraphOptimizationLevel
    for file in files:
        shape = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).get_inputs()[0].shape
        shape = [size if isinstance(size, int) else 1 for size in shape]
        random = np.random.default_rng(1)
        inputs = [random.normal(size=shape).astype(np.float32) for _ in range(INPUTS)]
        meant = outputs(file, level.ORT_DISABLE_ALL, inputs)
        theirs = cosines(outputs(file, level.ORT_ENABLE_ALL, inputs), meant)
        print(f"{os.path.basename(file)}: onnxruntime {theirs}, sepconv {cosines(ours(sepconv, file, inputs), meant)}", flush=True)


if __name__ == "__main__":
    main()
