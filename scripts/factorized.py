#!/usr/bin/env python3
"""Factorizes networks, checks the files as the ONNX project does, and runs them here and elsewhere.

    factorized.py SEPCONV [MODEL...]      # needs numpy, pillow, onnx and onnxruntime

Without models: networks by name that have standard convolutions, with seeded weights. onnxruntime's outputs for the file must be those
of `sepconv run`. Prints a line a network: the largest difference, relative to 1 or to the value where that is larger. Exits with 1 when
one exceeds 1e-4.
"""
import sys

import exported

NAMES = ["cifar10_standard", "mobilenet_v4_conv_small"]


def main(program, *models):
    command = lambda name: ["factorize", name, "--terms", "2", "--max-macs", "1000000"]
    return exported.check(program, models or NAMES, command, lambda _, file: file)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
