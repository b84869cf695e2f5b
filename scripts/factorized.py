#!/usr/bin/env python3
"""Factorizes networks, checks the files as the ONNX project does, and runs them here and elsewhere.

    factorized.py SEPCONV [MODEL...]      # needs numpy, pillow, onnx and onnxruntime

Without models: networks by name that have standard convolutions, with seeded weights. onnxruntime's outputs for the file must be those
of `sepconv run`. Prints a line a network: the largest difference, relative to 1 or to the value where that is larger. Exits with 1 when
one exceeds 1e-4.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import agree
import written

NAMES = ["cifar10_standard", "mobilenet_v4_conv_small"]


def main(program, *models):
    failed, names = 0, models or NAMES
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            path, given, made = (os.path.join(folder, file) for file in ("net.onnx", "x.npy", "y.npy"))
            command = [program, "factorize", name, "-o", path, "--terms", "2", "--max-macs", "1000000"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
            x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
            np.save(given, x)
            subprocess.run([program, "run", path, "--input", given, "--output", made], check=True)
            largest, difference = agree.compare(written.run(path, [x]), [np.load(made)])
        ok = difference <= 1e-4
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {difference:8.1e} of {largest:8.2g}  {os.path.basename(name)}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
