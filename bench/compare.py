#!/usr/bin/env python3
"""Compares sepconv with onnxruntime, OpenVINO, LiteRT and ncnn on networks that `sepconv export` and `sepconv quantize` write.

    bench/compare.py [--quick] [--json FILE] ...

The first call builds sepconv and installs the peers from PyPI, in target/bench. Every engine runs the same file (LiteRT and ncnn: f32 only, a file
converted from it) in a process of its own. Rounds are interleaved: in each one all engines of a network follow each other. Prints a
table in Markdown: minimum / median milliseconds over all rounds, and sepconv's time over the best peer's, losses in bold. Exits
with 1 where an engine fails or its outputs differ.
"""
import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
NETWORKS = ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mnasnet_b1", "efficientnet_b0"]
# Peers and the format that each reads, for f32 and for int8.
PEERS = {"f32": {"onnxruntime": "onnx", "openvino": "onnx", "litert": "tflite", "ncnn": "param"}, "int8": {"onnxruntime": "onnx", "openvino": "onnx"}}
SHAPE = (1, 3, 224, 224)
SECONDS = 300


def say(text):
    print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names that `sepconv models` lists, of 224x224 images (default: %(default)s)")
    parser.add_argument("--threads", default="1,2", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=20, help="timed runs in each round, after 5 others (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one network, one thread, two rounds")
    parser.add_argument("--json", metavar="FILE", help="write every time there, too")
    parser.add_argument("--sepconv", metavar="PROGRAM", help="time this program instead of building one")
    parser.add_argument("--work", default=os.path.join(ROOT, "target", "bench"), metavar="FOLDER", help="default: %(default)s")
    args = parser.parse_args()
    if args.quick:
        parser.set_defaults(networks="mobilenet_v2", threads="1", rounds=2)
        args = parser.parse_args()
    if args.rounds < 1 or args.runs < 1:
        parser.error("--rounds and --runs must be at least 1")
    args.networks = args.networks.split(",")
    args.threads = [int(count) for count in args.threads.split(",")]
    return args


def reenter_with_peers(work):
    """Restarts this script in an environment that has the peers, which is made first where it is missing or another."""
    folder, wanted = os.path.join(work, "venv"), os.path.join(HERE, "requirements.txt")
    python, installed = os.path.join(folder, "bin", "python"), os.path.join(folder, "requirements.txt")
    if os.path.realpath(sys.prefix) == os.path.realpath(folder):
        return
    with open(wanted) as file:
        text = file.read()
    if not os.path.exists(installed) or open(installed).read() != text:
        say("installing onnxruntime, OpenVINO, LiteRT and ncnn ...")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", wanted], check=True)
        with open(installed, "w") as file:
            file.write(text)
    os.execv(python, [python, *sys.argv])


def build():
    say("building sepconv ...")
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "sepconv-cli"], cwd=ROOT, check=True)
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "sepconv")


# ---- files


def noise(shape, seed):
    """Noise like a photograph's: smooth at several scales, standard deviation 1."""
    import numpy as np

    random, out = np.random.default_rng(seed), np.zeros(shape, np.float32)
    for size in (1, 4, 16, 32):
        cells = random.standard_normal((*shape[:2], shape[2] // size, shape[3] // size)).astype(np.float32)
        out += np.kron(cells, np.ones((1, 1, size, size), np.float32))
    return np.ascontiguousarray(out / out.std())


def write_images(folder):
    """Eight images as BMP files, to calibrate with."""
    import numpy as np

    os.makedirs(folder, exist_ok=True)
    for seed in range(8):
        pixels = np.clip(128 + 60 * noise(SHAPE, 100 + seed)[0], 0, 255).astype(np.uint8).transpose(1, 2, 0)
        header = b"BM" + b"".join(n.to_bytes(4, "little") for n in (54 + pixels.size, 0, 54, 40, SHAPE[3], SHAPE[2], 1 | 24 << 16, 0, 0, 0, 0, 0, 0))
        with open(os.path.join(folder, f"{seed}.bmp"), "wb") as file:
            file.write(header + pixels.tobytes())


def prepare(sepconv, network, folder):
    """Writes the files of a network: f32 and int8 as ONNX, f32 for LiteRT and ncnn, and the input."""
    import to_tflite

    def quietly(*command):
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{network}: {' '.join(command)} failed:\n{done.stdout[-2000:]}")

    os.makedirs(folder, exist_ok=True)
    write_images(os.path.join(folder, "images"))
    noise(SHAPE, 1).astype("<f4").tofile(os.path.join(folder, "input.f32"))
    quietly(sepconv, "export", network, "-o", "f32.onnx")
    quietly(sepconv, "quantize", "f32.onnx", "-o", "int8.onnx", "--calibration", "images", "--threads", "1", "--runs", "1")
    to_tflite.convert(os.path.join(folder, "f32.onnx"), os.path.join(folder, "f32.tflite"))
    # Importing it would ask for torch.
    pnnx = os.path.dirname(importlib.util.find_spec("pnnx").origin)
    shutil.copy(os.path.join(folder, "f32.onnx"), os.path.join(folder, "net.onnx"))
    quietly(os.path.join(pnnx, "pnnx"), "net.onnx", f"inputshape=[{','.join(map(str, SHAPE))}]", "fp16=0")
    for suffix in ("param", "bin"):
        os.replace(os.path.join(folder, f"net.ncnn.{suffix}"), os.path.join(folder, f"f32.{suffix}"))


# ---- timing


def measure(sepconv, engine, dtype, file, folder, threads, runs):
    given, file = os.path.join(folder, "input.f32"), os.path.join(folder, file)
    if engine == "sepconv":
        command = [sepconv, "bench", file, "--input", given, "--threads", str(threads), "--runs", str(runs), "--warmup", "5", "--json"]
    else:
        command = [sys.executable, os.path.join(HERE, "engines.py"), engine, dtype, file, given]
        command += [",".join(map(str, SHAPE)), str(threads), str(runs), "5"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    except subprocess.TimeoutExpired:
        return None, f"no answer after {SECONDS} s"
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return None, f"exit code {done.returncode}: {done.stderr.strip()[-300:]}"
    return json.loads(lines[-1]), None


def agreement(output, expected):
    """Largest difference relative to the largest expected value, and the cosine between both."""
    import numpy as np

    a, b = np.array(output, np.float64), np.array(expected, np.float64)
    if a.shape != b.shape or not np.isfinite(a).all():
        return float("inf"), 0.0
    return float(np.abs(a - b).max() / np.abs(b).max()), float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def rounds(args, sepconv):
    """Times by (dtype, threads, engine, network), and what failed."""
    cells = [(dtype, threads, network) for network in args.networks for dtype in PEERS for threads in args.threads]
    total, done, start = args.rounds * sum(len(PEERS[dtype]) + 1 for dtype, _, _ in cells), 0, time.monotonic()
    times, expected, failures = {}, {}, []
    for turn in range(args.rounds):
        for dtype, threads, network in cells:
            folder = os.path.join(args.work, network)
            for engine, suffix in {**PEERS[dtype], "sepconv": "onnx"}.items():
                result, error = measure(sepconv, engine, dtype, f"{dtype}.{suffix}", folder, threads, args.runs)
                done += 1
                left = (time.monotonic() - start) / done * (total - done)
                what = f"[{done}/{total}, {left / 60:.0f} min left] round {turn + 1}: {network} {dtype}, threads: {threads}, {engine}"
                if error:
                    say(f"{what}: FAILED: {error}")
                    failures.append(f"{network} {dtype}, threads: {threads}, {engine}: {error}")
                    continue
                worst, cosine = agreement(result["output"], expected.setdefault((network, dtype), result["output"]))
                # Rounding of int8 may fall otherwise in each engine.
                if worst > 1e-3 if dtype == "f32" else cosine < 0.9:
                    failures.append(f"{network} {dtype}, {engine}: output differs from onnxruntime's by {worst:.1e} of the largest, cosine {cosine:.4f}")
                say(f"{what}: {min(result['ms']):.2f} ms, differs by {worst:.0e}")
                times.setdefault((dtype, threads, engine, network), []).extend(result["ms"])
    return times, failures


def table(args, times):
    """The table's lines, and sepconv's losses."""
    lines, losses = ["| min / median ms | " + " | ".join(args.networks) + " |", "|---" * (1 + len(args.networks)) + "|"], []
    for dtype in PEERS:
        for threads in args.threads:
            kind = f"{dtype}, {threads} thread{'s' * (threads > 1)}"
            shown = {}
            for engine in [*PEERS["f32"], "sepconv"]:
                row = [times.get((dtype, threads, engine, network)) for network in args.networks]
                if any(row):
                    shown[engine] = row
                    lines.append(f"| {kind}: {engine} | " + " | ".join(f"{min(ms):.2f} / {statistics.median(ms):.2f}" if ms else "–" for ms in row) + " |")
            ratios = []
            for i, network in enumerate(args.networks):
                ours, peers = shown.get("sepconv", {i: None})[i], [min(row[i]) for engine, row in shown.items() if engine != "sepconv" and row[i]]
                if not ours or not peers:
                    ratios.append("–")
                    continue
                ratio = min(ours) / min(peers)
                ratios.append(f"**{ratio:.2f}**" if ratio > 1 else f"{ratio:.2f}")
                if ratio > 1:
                    losses.append(f"{network} {kind}: {ratio:.2f} times the best peer's minimum")
            lines.append(f"| {kind}: *sepconv / best peer (min)* | " + " | ".join(ratios) + " |")
    return lines, losses


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":")[2].strip() for line in file if line.startswith(("model name", "flags"))]
        flags = lines[1].split()
        return f"{lines[0]} ({', '.join(flag for flag in ('avx2', 'avx512f', 'avx_vnni', 'avx512_vnni') if flag in flags)})"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def main():
    args = arguments()
    args.work = os.path.abspath(args.work)
    reenter_with_peers(args.work)
    sepconv = os.path.abspath(args.sepconv or build())
    for network in args.networks:
        say(f"writing {network} ...")
        prepare(sepconv, network, os.path.join(args.work, network))
    times, failures = rounds(args, sepconv)
    lines, losses = table(args, times)
    print(f"{processor()}, {os.cpu_count()} cores; batch 1, 224x224; {args.rounds} interleaved rounds of {args.runs} runs\n")
    print("\n".join(lines))
    print("\nLosses: " + ("; ".join(losses) if losses else "none") + ".")
    for failure in sorted(set(failures)):
        print(f"FAILED: {failure}")
    if args.json:
        rows = [dict(zip(("dtype", "threads", "engine", "network"), key), ms=ms) for key, ms in times.items()]
        with open(args.json, "w") as file:
            json.dump({"processor": processor(), "rows": rows, "losses": losses, "failures": failures}, file)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
