"""What goes wrong, and how it is said."""

import pickle

import numpy as np
import pytest

import sepconv
from tiny_onnx import FLOAT, one_node


def test_errors_have_a_kind_a_place_and_what_was_expected(small):
    compiled = small.compile(threads=1)
    with pytest.raises(sepconv.Error) as caught:
        compiled.run(np.zeros((1, 3, 33, 32), np.float32))
    error = caught.value
    assert error.kind == "argument" and "33" in error.got and "32" in error.expected, error
    with pytest.raises(sepconv.Error, match='got "pixels"') as caught:
        compiled.run({"pixels": 0})
    assert caught.value.kind == "argument"


def test_errors_name_the_node_and_the_file(tmp_path):
    path = tmp_path / "odd.onnx"
    path.write_bytes(one_node("Frobnicate", [("x", FLOAT, [2])], ("y", FLOAT, [2])))
    with pytest.raises(sepconv.Error) as caught:
        sepconv.Model(path).compile()
    error = caught.value
    assert (error.kind, error.node, error.file) == ("unsupported", "node", "odd.onnx")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.kind, again.node, again.help) == (str(error), error.kind, error.node, error.help)


def test_types_are_not_converted_in_silence(small):
    with pytest.raises(sepconv.Error, match="expected float32, got float64") as caught:
        small.compile(threads=1).run(np.zeros((1, 3, 32, 32)))
    assert (caught.value.kind, caught.value.help) == ("argument", "convert it: array.astype(numpy.float32)")


def test_a_missing_file_is_an_error_of_input_and_output(tmp_path):
    with pytest.raises(sepconv.Error) as caught:
        sepconv.Model(tmp_path / "none.onnx")
    assert caught.value.kind == "io" and caught.value.file.endswith("none.onnx")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x89PNG\r\n\x1a\n", b"\xff" * 1000, b"\0" * 1000])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(sepconv.Error) as caught:
        sepconv.Model(content).compile()
    assert caught.value.kind in ("malformed", "unsupported")


def test_damaged_files_never_end_the_process(small):
    """Bytes are changed and files cut: each is refused, or still runs."""
    whole, random = small.to_onnx(), np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            # The structure is in front of the weights, and between them.
            damaged[place if random.random() < 0.5 else place % 4000] = random.integers(256)
        cut = bytes(damaged[: random.integers(len(whole))]) if random.random() < 0.3 else bytes(damaged)
        try:
            compiled = sepconv.Model(cut).compile(threads=1, max_macs=10_000_000)
            compiled.run([np.zeros(port.shape, port.dtype) for port in compiled.get_inputs()])
        except sepconv.Error:
            pass


def test_limits_hold(small):
    with pytest.raises(sepconv.Error) as caught:
        small.compile(max_macs=10)
    assert caught.value.kind == "limit"
    with pytest.raises(sepconv.Error) as caught:
        small.compile(threads=100_000)
    assert caught.value.kind == "argument"


def test_arguments_of_the_wrong_type_are_type_errors(small):
    with pytest.raises(TypeError, match="threds"):
        small.compile(threds=1)
    with pytest.raises(TypeError):
        sepconv.Model(3)
    with pytest.raises(TypeError):
        small.compile(threads="two")
    two = sepconv.Model(one_node("Add", [("a", FLOAT, [3]), ("b", FLOAT, [3])], ("c", FLOAT, [3]))).compile()
    with pytest.raises(TypeError, match=r'\["a", "b"\]'):
        two.run(np.zeros(3, np.float32))
    with pytest.raises(sepconv.Error, match="input is missing"):
        two.run({"a": np.zeros(3, np.float32)})


def test_random_weights_classify_nothing(small):
    with pytest.raises(sepconv.Error, match="random weights"):
        small.classifier()
