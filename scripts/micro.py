#!/usr/bin/env python3
"""Builds the examples of crates/sepconv-build for microcontrollers, runs them in the emulator, and compares what they give with what the
program gives here: the same bytes. Measures what the linked programs take, and holds it to limits.

    micro.py DATA SEPCONV [NETWORK...]       # of the networks below, those whose names contain one of these

Needs numpy, readelf, QEMU's system emulators and a Rust that has the targets: .ci/micro prepares them. Prints Markdown tables. Exits with 1
when a byte differs, a limit is passed, or a program holds a symbol of formatting or of an allocator.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
EXAMPLES = f"{ROOT}/crates/sepconv-build/examples"
QEMU = os.environ.get("SEPCONV_QEMU", "")
SEMIHOSTING = ["-nographic", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel"]

# What a program must not hold: symbols of formatting or of an allocator, and messages of panics.
FORBIDDEN = re.compile(r"4core3fmt|core::fmt|__rust_alloc|__rg_alloc|__rustc.*alloc|5alloc")
MESSAGES = [b"index out of bounds", b"attempt to", b"weights packed for", b"called `Option", b"panicked"]


def arm(machine):
    return [f"{QEMU}qemu-system-arm", "-machine", machine, *SEMIHOSTING]


RISCV = [f"{QEMU}qemu-system-riscv32", "-machine", "virt", "-bios", "none", *SEMIHOSTING]
# A target, its example, the machines that run it, and how many instructions one count of a step stands for there.
TARGETS = {
    "thumbv7em-none-eabihf": ("cortex-m", {"an386 (M4)": arm("mps2-an386"), "an500 (M7)": arm("mps2-an500")}, 40 / 256),
    "thumbv7m-none-eabi": ("cortex-m", {"an385 (M3)": arm("mps2-an385")}, 40 / 256),
    "thumbv6m-none-eabi": ("cortex-m", {"an385 (M3)": arm("mps2-an385")}, 40 / 256),
    "riscv32imac-unknown-none-elf": ("riscv32", {"virt": RISCV}, 1),
}
SMALL, ALL = list(TARGETS), ["thumbv7em-none-eabihf"]


def bitmaps(data):
    """The pixels as they are in the files."""
    for name in ["person", "no_person"]:
        file = open(f"{data}/images/person_detect_{name}.bmp", "rb").read()
        yield np.frombuffer(file, np.int8, 96 * 96, int.from_bytes(file[10:14], "little")).reshape(1, 96, 96, 1)


def sounds(data):
    return np.fromfile(f"{data}/datasets/mlperf_tiny/kws01_500_int8_49x10.bin", np.int8).reshape(-1, 1, 49, 10, 1)[:50]


def photographs(data):
    pixels = np.fromfile(f"{data}/datasets/mlperf_tiny/vww01_100_u8_96x96x3.bin", np.uint8).reshape(-1, 1, 96, 96, 3)[:20]
    return (pixels ^ 0x80).view(np.int8)


def images(side, signed=False):
    def load(data):
        pixels = np.load(f"{data}/golden/inputs_8x{side}x{side}x3_u8.npy")[:2, None]
        return (pixels ^ 0x80).view(np.int8) if signed else pixels

    return load


# A network, its inputs, its targets, and the most that it may take on the M4: kB of constants, of code with tables and of RAM, and instructions
# for each multiply-accumulate. What it does take with a little tolerance, where that is known to be good.
NETWORKS = {
    "tflite/person_detect_96_int8.tflite": (bitmaps, SMALL, (231, 25, 27, 2.1)),
    "tflite/kws_dscnn_int8.tflite": (sounds, SMALL, (28, 18, 20, 2.0)),
    "tflite/vww_96_int8.tflite": (photographs, ALL, (231, 23, 57, 2.0)),
    "tflite/mobilenet_v1_0.25_128_quant.tflite": (images(128), ALL, (490, 27, 77, 2.1)),
}

# The network that a program in C runs, too.
FROM_C = "tflite/kws_dscnn_int8.tflite"


def build(model, target, out):
    """The linked program."""
    example = TARGETS[target][0]
    command = os.environ.get("SEPCONV_MICRO_CARGO", "cargo").split()
    environment = {**os.environ, "MODEL": model}
    subprocess.run([*command, "build", "--release", "--quiet", "--target", target], cwd=f"{EXAMPLES}/{example}", env=environment, check=True)
    elf = f"{out}/{os.path.basename(model)}.{target}.elf"
    shutil.copy(f"{os.environ['CARGO_TARGET_DIR']}/{target}/release/{example}-network", elf)
    return elf


def build_with_c(program, model, target, out):
    """The same network as a library, linked to a program in C."""
    example, cargo = f"{EXAMPLES}/c", os.environ.get("SEPCONV_MICRO_CARGO", "cargo").split()
    linker = os.environ[f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"]
    compiler = ["clang", f"--target={target}", "-mcpu=cortex-m4", "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "compile", model, "--name", "network", "--c", "-o", folder], check=True, stdout=subprocess.DEVNULL)
        environment = {**os.environ, "NETWORK": folder}
        subprocess.run([*cargo, "build", "--release", "--quiet", "--target", target], cwd=example, env=environment, check=True)
        subprocess.run([*compiler, "-I", folder, "-c", f"{example}/main.c", "-o", f"{folder}/main.o"], check=True)
        objects = [f"{folder}/main.o", f"{os.environ['CARGO_TARGET_DIR']}/{target}/release/libnetwork.a"]
        elf = f"{out}/{os.path.basename(model)}.{target}.c.elf"
        subprocess.run([linker, "-flavor", "gnu", "--gc-sections", "-T", f"{example}/link.ld", *objects, "-o", elf], check=True)
    return elf


def sizes(elf):
    """Bytes of constants, of code with its tables, and of statics in RAM; and symbols that should not be there."""
    sections = subprocess.run(["readelf", "-SW", elf], check=True, capture_output=True, text=True).stdout
    flash = ram = 0
    for name, kind, size, flags in re.findall(r"\] (\S+)\s+(\w+)\s+\w+ \w+ (\w+) \w+\s+([A-Z]*) ", sections):
        if "A" in flags:
            flash += int(size, 16) if kind != "NOBITS" else 0
            ram += int(size, 16) if "W" in flags and name in (".data", ".bss") else 0
    table = subprocess.run(["readelf", "-sW", elf], check=True, capture_output=True, text=True).stdout
    symbols = [line.split() for line in table.splitlines() if re.match(r"\s+\d+:", line)]
    symbols = [(s[7], int(s[2], 0), s[3]) for s in symbols if len(s) > 7]
    constants = sum(size for name, size, kind in symbols if kind == "OBJECT" and re.search("WEIGHTS_|LUT_|CONSTANT_|PADDING_", name))
    program = open(elf, "rb").read()
    forbidden = [name for name, _, kind in symbols if kind != "FILE" and FORBIDDEN.search(name)]
    forbidden += [message.decode() for message in MESSAGES if message in program]
    return constants, flash - constants, ram, forbidden


def expected(program, model, inputs):
    """What the program gives here."""
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for x in inputs:
            np.save(f"{folder}/x.npy", x)
            subprocess.run([program, "run", model, "--input", f"{folder}/x.npy", "--output", f"{folder}/y.npy"], check=True)
            results.append(np.load(f"{folder}/y.npy").tobytes())
        return b"".join(results)


def results(machine, elf, inputs, folder):
    """What the program writes to output.bin, in a folder where it finds its inputs; nothing if it fails."""
    with open(f"{folder}/input.bin", "wb") as file:
        file.writelines(x.tobytes() for x in inputs)
    done = subprocess.run([*machine, elf], cwd=folder, stdin=subprocess.DEVNULL, timeout=600)
    return open(f"{folder}/output.bin", "rb").read() if done.returncode == 0 else b""


def run(machine, elf, inputs):
    """The results, the counts of the steps, and the stack."""
    with tempfile.TemporaryDirectory() as folder:
        got = results(machine, elf, inputs, folder)
        if not got:
            return b"", np.zeros(1), 0
        read = lambda name: open(f"{folder}/{name}", "rb").read()
        return got, np.frombuffer(read("steps.bin"), "<u4"), int.from_bytes(read("stack.bin"), "little")


def macs(program, model):
    """Multiply-accumulates of each step."""
    with tempfile.TemporaryDirectory() as folder:
        report = subprocess.run([program, "compile", model, "-o", folder], check=True, capture_output=True, text=True).stdout
    return np.array([int(macs) for macs in re.findall(r"^ *\d+  .* (\d+) +[\d.]+ k?B +[\d.]+ k?B", report, re.M)])


def main(data, program, names):
    data, program = os.path.realpath(data), os.path.realpath(program)
    failed, kb = 0, lambda size: f"{size / 1024:.1f}"
    out = f"{os.environ['CARGO_TARGET_DIR']}/elf"
    os.makedirs(out, exist_ok=True)
    print("| network | machine | equal | constants | code | .data + .bss | stack | RAM | instructions/MAC |\n|---|---|---|---|---|---|---|---|---|")
    for name, (load, targets, limits) in NETWORKS.items():
        if names and not any(part in name for part in names):
            continue
        model, inputs = f"{data}/models/{name}", list(load(data))
        want, each = expected(program, model, inputs), macs(program, model)
        for target in targets:
            elf = build(model, target, out)
            constants, code, ram, forbidden = sizes(elf)
            if forbidden:
                failed += 1
                print(f"FAILED: {target} holds {', '.join(forbidden[:5])}")
            for machine, command in TARGETS[target][1].items():
                got, counts, stack = run(command, elf, inputs)
                instructions = counts.sum() * TARGETS[target][2] / len(inputs)
                measured = [constants / 1024, code / 1024, (ram + stack) / 1024, instructions / each.sum()]
                over = target == ALL[0] and any(taken > most for taken, most in zip(measured, limits))
                failed += got != want or over
                equal = "yes" if got == want else "**NO**"
                print(f"| {os.path.basename(name)} | {target.split('-')[0]} on {machine} | {equal} | {kb(constants)} | {kb(code)} | {kb(ram)} | {kb(stack)} "
                      f"| {kb(ram + stack)} | {measured[3]:.2f} |{' TOO MUCH' if over else ''}", flush=True)
        if name == FROM_C:
            with tempfile.TemporaryDirectory() as folder:
                equal = results(arm("mps2-an386"), build_with_c(program, model, ALL[0], out), inputs, folder) == want
            failed += not equal
            print(f"{name}, called from C on an386 (M4): {'equal' if equal else 'NOT EQUAL'}")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
