#!/usr/bin/env python3
"""Writes every network of a folder as an ONNX file, checks the file as the ONNX project does, and runs it.

    written.py SEPCONV DATA        # needs numpy, pillow, onnx, onnxruntime and ai-edge-litert

onnxruntime's outputs for the file must be those of the original in its own format's
runtime. Prints a line a model: the largest difference, relative to 1 or to the value where that is larger. Exits with 1 when one
exceeds 1e-4 (1e-3 where LiteRT quantizes activations because weights are).
"""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

import agree

HYBRID = ("kws_dscnn_f32.tflite",)


def run(path, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs, strict=True)})


def main(program, data):
    paths = sorted(path for path in glob.glob(f"{data}/models/*/*") if path.endswith(agree.FLOATS))
    failed = 0
    for path in paths:
        reference = agree.with_onnxruntime if path.endswith(".onnx") else agree.with_litert
        inputs, expected, given = reference(path, data)
        with tempfile.TemporaryDirectory() as folder:
            written = os.path.join(folder, "written.onnx")
            shapes = [f"--shape={name}={','.join(map(str, shape))}" for name, shape in given.items()]
            subprocess.run([program, "export", path, "-o", written, *shapes], check=True, stdout=subprocess.DEVNULL)
            model = onnx.load(written)
            onnx.checker.check_model(model, full_check=True)
            got = run(written, inputs.values())
        largest, difference = agree.compare(expected, got)
        ok = difference <= (1e-3 if path.endswith(HYBRID) else 1e-4)
        failed += not ok
        operators = [node.op_type for node in model.graph.node]
        count = f"{len(operators)} nodes, {operators.count('Transpose')} transposes"
        print(f"{'ok  ' if ok else 'FAIL'} {difference:8.1e} of {largest:8.2g}  {os.path.basename(path)}: {count}")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
