#!/usr/bin/env python3
"""Asks `sepconv serve` by Triton's own client library.

    triton.py PROGRAM

PROGRAM is sepconv with the server. Needs `tritonclient[http]`. Every call of the client that the Open Inference Protocol knows is made, on
the network of examples/colors.onnx and on the one that comes with sepconv; outputs are compared with those of `sepconv run`."""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
PICTURE = (EXAMPLES / "chelsea.png").read_bytes()
CIFAR = EXAMPLES.parent / "crates/sepconv/models/cifar10.onnx"


def refused(call, status, told):
    """Checks that a call fails with this status and a message that has these words."""
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == str(status) and told in error.message(), error
    else:
        raise AssertionError(f"expected {status}: {told}")


def tensor(name, array, binary=True):
    given = triton.InferInput(name, list(array.shape), triton_name(array.dtype))
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def triton_name(dtype):
    return {"float32": "FP32", "object": "BYTES"}[dtype.name]


def of_program(program, image):
    """What `sepconv run` computes of an input."""
    with tempfile.TemporaryDirectory() as folder:
        x, y = f"{folder}/x.npy", f"{folder}/y.npy"
        numpy.save(x, image)
        subprocess.run([program, "run", EXAMPLES / "colors.onnx", "--input", x, "-o", y], check=True)
        return numpy.load(y)


def main():
    program = sys.argv[1]
    command = [program, "serve", EXAMPLES / "colors.onnx", f"cifar={CIFAR}", f"batched={EXAMPLES / 'colors.onnx'}"]
    command += ["--address", "127.0.0.1:0", "--token", "secret", "--batch", "4", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        started = json.loads(server.stdout.readline())
        client = triton.InferenceServerClient(started["address"], concurrency=4)
        # A dict for each call, for the client adds to it.
        with_token = lambda: {"Authorization": "Bearer secret"}

        assert client.is_server_live() and client.is_server_ready()
        refused(client.get_server_metadata, 401, "token")
        assert client.get_server_metadata(headers=with_token())["name"] == "sepconv"
        assert client.is_model_ready("colors", headers=with_token()) and client.is_model_ready("colors", "1", headers=with_token())
        assert not client.is_model_ready("other", headers=with_token())
        names = [model["name"] for model in client.get_model_repository_index(headers=with_token())]
        assert names == ["colors", "cifar", "batched"], names
        metadata = client.get_model_metadata("colors", "1", headers=with_token())
        assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 33, 33]}], metadata

        image = numpy.random.default_rng(1).standard_normal((1, 3, 33, 33), dtype=numpy.float32)
        expected = of_program(program, image)
        wanted = lambda binary: [triton.InferRequestedOutput("scores", binary_data=binary)]
        for binary in (True, False):
            answer = client.infer("colors", [tensor("image", image, binary)], outputs=wanted(binary), request_id="7", headers=with_token())
            assert numpy.allclose(answer.as_numpy("scores"), expected, atol=1e-6), answer.get_response()
            assert answer.get_response()["id"] == "7"
        assert client.infer("colors", [tensor("image", image)], model_version="1", headers=with_token()).as_numpy("scores").shape == (1, 6)

        waiting = [client.async_infer("batched", [tensor("image", image)], headers=with_token()) for _ in range(16)]
        assert all(numpy.allclose(one.get_result().as_numpy("scores"), expected, atol=1e-5) for one in waiting)
        answer = client.infer("batched", [tensor("image", numpy.repeat(image, 3, axis=0))], headers=with_token())
        assert numpy.allclose(answer.as_numpy("scores"), numpy.repeat(expected, 3, axis=0), atol=1e-5)

        inputs = [port["name"] for port in client.get_model_metadata("cifar", headers=with_token())["inputs"]]
        output = client.get_model_metadata("cifar", headers=with_token())["outputs"][0]["name"]
        files = tensor(inputs[0], numpy.array([PICTURE], dtype=numpy.object_))
        best = triton.InferRequestedOutput(output, class_count=2)
        answer = client.infer("cifar", [files], outputs=[best], headers=with_token()).as_numpy(output)
        assert answer.shape == (1, 2) and answer[0, 0].decode().split(":")[1:2] == ["3"], answer

        call = lambda *given, **more: lambda: client.infer(*given, headers=with_token(), **more)
        refused(call("other", [tensor("image", image)]), 404, "no network")
        refused(call("colors", [tensor("picture", image)]), 400, "no input")
        refused(call("colors", [tensor("image", image[:, :, 1:])]), 400, "shape must be")
        refused(call("colors", [tensor("image", numpy.array([b"no image"], dtype=numpy.object_))]), 400, "not an image")
        refused(call("colors", [tensor("image", image)], request_compression_algorithm="gzip"), 415, "compressed")
        client.close()

        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0, server.returncode
    finally:
        server.kill()
    print("Triton's client library gets what it asks for")


if __name__ == "__main__":
    main()
