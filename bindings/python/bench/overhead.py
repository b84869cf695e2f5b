"""What a call from Python costs beyond one from Rust, and whether threads run as well on one compiled model.

    cargo build --release --manifest-path bindings/python/Cargo.toml --example throughput
    python bindings/python/bench/overhead.py bindings/python/target/release/examples/throughput [MODEL [THREADS...]]

Python and Rust take turns; minima of microseconds and maxima of runs a second are compared.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

import sepconv

ROUNDS = 7
RUNS = {1: 100, 2: 60, 8: 12}


def with_rust(program, model, threads, runs):
    command = [program, model, str(threads), str(runs)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    least, per_second = re.match(r"(\S+) us min, (\S+) runs/s", output).groups()
    return float(least), float(per_second)


def with_python(compiled, threads, runs):
    inputs = {port.name: np.zeros(port.shape, port.dtype) for port in compiled.get_inputs()}
    least = [float("inf")] * threads

    def work(i):
        session = compiled.session()
        for _ in range(runs):
            start = time.perf_counter_ns()
            session.run(inputs)
            least[i] = min(least[i], (time.perf_counter_ns() - start) / 1e3)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return min(least), threads * runs / (time.perf_counter() - start)


def compare(program, model, threads, runs):
    compiled = sepconv.Model(model).compile(threads=1)
    rounds = [(with_rust(program, model, threads, runs), with_python(compiled, threads, runs)) for _ in range(ROUNDS)]
    rust, python = ([of[side] for of in rounds] for side in (0, 1))
    (rust_us, rust_rate), (us, rate) = ((min(u for u, _ in side), max(r for _, r in side)) for side in (rust, python))
    print(
        f"{os.path.basename(model)}, {threads} threads: "
        f"{rust_us:.1f} us in Rust, {us:.1f} from Python ({us - rust_us:+.1f}); "
        f"{rust_rate:.1f} and {rate:.1f} runs/s ({100 * (rate / rust_rate - 1):+.1f} %)"
    )


def main(program, model="mobilenet_v2", *threads):
    with tempfile.TemporaryDirectory() as folder:
        # A network of a few microseconds, so that the call shows.
        tiny = f"{folder}/tiny.onnx"
        sepconv.Model("mobilenet_v1@32x0.25").export(tiny)
        compare(program, tiny, 1, 5000)
    for count in [int(text) for text in threads] or [1, 2, 8]:
        compare(program, model, count, RUNS.get(count, 100))


if __name__ == "__main__":
    main(*sys.argv[1:])
