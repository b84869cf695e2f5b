#!/usr/bin/env python3
"""Exports networks of every family, with seeded weights, checks the files as the ONNX project does, and runs them.

    exported.py SEPCONV [DATA]      # needs numpy, pillow, onnx and onnxruntime; with DATA its tables of networks, too

onnxruntime's outputs for the file must be those of `sepconv run NAME`. Prints a line a network: the largest difference, relative to 1
or to the value where that is larger. Exits with 1 when one exceeds 1e-4.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import agree
import written

NAMES = [
    "mobilenet_v1@128x0.25",
    "tf_mobilenet_v1@128x0.5",
    "mobilenet_v2",
    "mobilenet_v2@97x1.4",
    "mobilenet_v3_large",
    "tf_mobilenetv3_large_100",
    "mobilenet_v3_small",
    "mobilenet_v3_large_minimalistic",
    "tf_mobilenetv3_small_minimal_100",
    "mnasnet_a1",
    "mnasnet_b1x0.5",
    "efficientnet_b0",
    "tf_efficientnet_b1@160",
    "efficientnet_lite0",
    "efficientnet_es",
    "tf_efficientnetv2_b0",
    "mobilenet_v4_conv_small",
    "mobilenet_v4_conv_medium",
    "shufflenet_v2_x1_0",
    "mobileone_s0",
    "repvgg_a0@128",
    "ghostnetv2_100",
    "ghostnetv3_100",
    "ds_cnn",
]
# Of DATA.
TABLES = ["models/torch/mcunet_320kb_1mb_176.json"]


def check(program, names, command, reference):
    """Writes each network with `command(name)`, and compares the file in onnxruntime with `sepconv run reference(name, file)`."""
    failed = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            path, given, made = (os.path.join(folder, file) for file in ("net.onnx", "x.npy", "y.npy"))
            subprocess.run([program, *command(name), "-o", path], check=True, stdout=subprocess.DEVNULL)
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
            x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
            np.save(given, x)
            subprocess.run([program, "run", reference(name, path), "--input", given, "--output", made], check=True)
            largest, difference = agree.compare(written.run(path, [x]), [np.load(made)])
        ok = difference <= 1e-4
        failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {difference:8.1e} of {largest:8.2g}  {os.path.basename(name)}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main(program, data=None):
    names = NAMES + [os.path.join(data, table) for table in TABLES if data]
    return check(program, names, lambda name: ["export", name], lambda name, _: name)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
