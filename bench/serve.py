#!/usr/bin/env python3
"""Measures `sepconv serve` on this machine: CPU time of the server for each request beside that of the engine for each run, latency, and
what it does when it is asked for too much.

    bench/serve.py [--quick] [--network mobilenet_v2] [--model FILE] [--batch 4] ...

Builds the program with the server unless --sepconv names one. Everything runs on the loopback interface: one worker of one thread in the
server, binary tensors, clients in this process. Rounds of `sepconv bench` and of the server follow each other. Exits with 1 where an answer
is wrong, or where overload is not answered with 503 and got over. Needs Linux and Python alone.
"""
import argparse
import collections
import http.client
import json
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LENGTH = "Inference-Header-Content-Length"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="mobilenet_v2", help="a name that `sepconv models` lists (default: %(default)s)")
    parser.add_argument("--model", metavar="FILE", help="a model file in its place")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=400, help="of each round (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=2, help="connections that send one request after the other (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="requests that may be computed together (default: %(default)s)")
    parser.add_argument("--batch-delay", type=float, default=2, metavar="MS", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="two rounds of 100 requests")
    parser.add_argument("--sepconv", metavar="PROGRAM", help="a program with the server, in place of one that is built")
    parser.add_argument("--work", default=os.path.join(ROOT, "target", "bench"), metavar="FOLDER", help="default: %(default)s")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.requests = 2, 100
    return args


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def process_seconds(pid):
    """CPU time of all threads of a process, which must not end meanwhile."""
    tasks = f"/proc/{pid}/task"
    return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0]) for task in os.listdir(tasks)) / 1e9


def engine_ms(program, model, runs):
    """CPU time of a run, without what loading takes: the difference of many runs and of one."""
    seconds = []
    for count in (runs, 1):
        before = children_seconds()
        command = [program, "bench", model, "--threads", "1", "--runs", str(count), "--warmup", "5", "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(children_seconds() - before)
    return (seconds[0] - seconds[1]) / (runs - 1) * 1e3


class Server:
    """`sepconv serve`, until the end of a `with`."""

    def __init__(self, program, model, *options):
        command = [program, "serve", f"m={model}", "--address", "127.0.0.1:0", "--workers", "1", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        host, port = json.loads(self.process.stdout.readline())["address"].rsplit(":", 1)
        self.address = (host, int(port))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        _, told = self.process.communicate()
        if self.process.returncode != 0:
            sys.exit(f"error: the server ended with {self.process.returncode}: {told}")

    def connect(self):
        connection = http.client.HTTPConnection(*self.address)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def metadata(self):
        connection = self.connect()
        connection.request("GET", "/v2/models/m")
        return json.loads(connection.getresponse().read())


def request(metadata):
    """The body of an inference request of one image, and its headers."""
    inputs, tensors = [], b""
    for port in metadata["inputs"]:
        shape = [abs(size) for size in port["shape"]]
        if port["datatype"] != "FP32":
            sys.exit(f"error: input {port['name']} is {port['datatype']}; the load test sends FP32")
        count = 1
        for size in shape:
            count *= size
        tensor = struct.pack(f"<{count}f", *(((i * 7919) % 251) / 125 - 1 for i in range(count)))
        inputs.append({"name": port["name"], "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": len(tensor)}})
        tensors += tensor
    header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return header + tensors, {LENGTH: str(len(header)), "Content-Type": "application/octet-stream"}


def infer(connection, body, headers):
    """The status and the tensors of an answer."""
    connection.request("POST", "/v2/models/m/infer", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, content[int(answer.getheader(LENGTH, 0)):]


def load(server, body, headers, clients, requests, expected=None):
    """Milliseconds of each request that was answered with 200, and how many there were of each status."""
    times, statuses, lock = [], collections.Counter(), threading.Lock()

    def client(count):
        connection = server.connect()
        for _ in range(count):
            start = time.perf_counter()
            status, tensors = infer(connection, body, headers)
            took = (time.perf_counter() - start) * 1e3
            with lock:
                statuses[status] += 1
                if status == 200:
                    times.append(took)
                if status == 200 and expected is not None and tensors != expected:
                    statuses["wrong"] += 1

    threads = [threading.Thread(target=client, args=(requests // clients,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(times), statuses


def quantile(times, share):
    return times[min(len(times) - 1, int(share * len(times)))]


def main():
    args = arguments()
    os.makedirs(args.work, exist_ok=True)
    program = args.sepconv
    if program is None:
        subprocess.run(["cargo", "build", "--release", "--locked", "--features", "serve"], cwd=ROOT, check=True)
        program = os.path.join(ROOT, "target", "release", "sepconv")
    model = args.model
    if model is None:
        model = os.path.join(args.work, f"{args.network}.onnx")
        subprocess.run([program, "export", args.network, "-o", model], check=True)
    failed = False

    batching = ["--batch", str(args.batch), "--batch-delay", str(args.batch_delay)]
    engine, served, ratios, times = [], [], [], []
    with Server(program, model, *batching) as server:
        body, headers = request(server.metadata())
        _, expected = infer(server.connect(), body, headers)
        # A batch computes the same numbers in another order.
        expected = expected if args.batch == 1 else None
        for _ in range(args.rounds):
            engine.append(engine_ms(program, model, args.requests))
            load(server, body, headers, args.clients, 20)
            before = process_seconds(server.process.pid)
            found, statuses = load(server, body, headers, args.clients, args.requests, expected)
            served.append((process_seconds(server.process.pid) - before) / max(1, len(found)) * 1e3)
            ratios.append(served[-1] / engine[-1])
            times += found
            failed |= set(statuses) != {200}
        times.sort()
    print(f"{os.path.basename(model)}, {args.clients} clients, batch {args.batch}, {len(times)} requests of {len(body)} bytes")
    print(f"CPU time of the engine for a run       {min(engine):.3f} ms (median {statistics.median(engine):.3f})")
    print(f"CPU time of the server for a request   {min(served):.3f} ms (median {statistics.median(served):.3f})")
    print(f"ratio of each round                    {', '.join(f'{ratio:.3f}' for ratio in ratios)}; of the least {min(served) / min(engine):.3f}")
    print(f"latency                                p50 {quantile(times, 0.5):.2f} ms, p99 {quantile(times, 0.99):.2f} ms, most {times[-1]:.2f} ms")

    with Server(program, model, "--queue", "4") as server:
        _, statuses = load(server, body, headers, 16, args.requests)
        after, recovered = load(server, body, headers, 1, 20)
    print(f"16 clients, a queue of 4               {statuses[200]} answered, {statuses[503]} told to come again (503)")
    print(f"after that, 1 client                   {recovered[200]} of 20 answered, p50 {quantile(after, 0.5):.2f} ms")
    failed |= not (set(statuses) == {200, 503} and recovered == {200: 20})
    if failed:
        sys.exit("error: answers are wrong, or overload is not answered with 503 and got over")


if __name__ == "__main__":
    main()
