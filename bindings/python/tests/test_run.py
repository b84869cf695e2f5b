"""Tensors in, tensors out."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sepconv
from tiny_onnx import BOOL, FLOAT, FLOAT16, INT32, INT64, one_node


def test_inputs_by_name_by_position_and_alone_are_the_same(small, image):
    compiled = small.compile(threads=1)
    (expected,) = compiled.run({"input": image}).values()
    assert expected.shape == (1, 1000) and expected.dtype == np.float32
    for given in ([image], (image,), image, [image.tolist()]):
        np.testing.assert_array_equal(compiled.run(given)["logits"], expected)


def test_sessions_and_threads_compute_the_same(small, image):
    expected = small.compile(threads=1).run(image)["logits"]
    for threads in (1, 2, 3):
        session = small.compile(threads=threads).session()
        np.testing.assert_array_equal(session.run(image)["logits"], expected)
        np.testing.assert_array_equal(session.run(image)["logits"], expected)


def test_many_threads_share_one_compiled_model(small):
    compiled = small.compile(threads=1)
    images = [np.full((1, 3, 32, 32), i / 40, np.float32) for i in range(40)]
    expected = [compiled.run(image)["logits"] for image in images]
    with ThreadPoolExecutor(8) as pool:
        for got, wanted in zip(pool.map(compiled.run, images * 5), expected * 5):
            np.testing.assert_array_equal(got["logits"], wanted)


def test_results_outlive_the_network(image):
    results = sepconv.Model("mobilenet_v1@32x0.25").compile(threads=1).run(image)["logits"]
    gc.collect()
    assert np.isfinite(results).all()
    results += 1


def test_any_array_is_read(small, image):
    compiled = small.compile(threads=1)
    expected = compiled.run(image)["logits"]
    misaligned = np.frombuffer(b"." + image.tobytes(), np.float32, offset=1, count=image.size).reshape(image.shape)
    views = {
        "Fortran's order": np.asfortranarray(image),
        "strides": np.repeat(image, 2, axis=3)[..., ::2],
        "backwards": image[..., ::-1].copy()[..., ::-1],
        "big-endian": image.astype(">f4"),
        "misaligned": misaligned,
        "buffer": memoryview(image),
        "read-only": np.frombuffer(image.tobytes(), np.float32).reshape(image.shape),
    }
    for name, view in views.items():
        np.testing.assert_array_equal(compiled.run({"input": view})["logits"], expected, err_msg=name)


def test_the_file_s_own_types_go_in_and_come_out():
    for element, dtype, op in [(INT32, np.int32, "Add"), (FLOAT16, np.float16, "Add"), (INT64, np.int64, "Mul")]:
        model = sepconv.Model(one_node(op, [("a", element, [3]), ("b", element, [3])], ("c", element, [3])))
        compiled = model.compile(threads=1)
        assert [port.dtype for port in compiled.get_inputs()] == [dtype, dtype]
        a = np.array([1, 2, 3], dtype)
        result = compiled.run({"a": a, "b": a})["c"]
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, a + a if op == "Add" else a * a)


def test_outputs_are_as_long_as_the_data_says():
    model = sepconv.Model(one_node("NonZero", [("x", FLOAT, [2, 3])], ("where", INT64, [2, None])))
    x = np.array([[0, 1, 0], [2, 0, 3]], np.float32)
    compiled = model.compile(threads=1)
    np.testing.assert_array_equal(compiled.run({"x": x})["where"], np.stack(np.nonzero(x)))
    assert compiled.run({"x": np.zeros((2, 3), np.float32)})["where"].shape == (2, 0)


def test_booleans_are_booleans():
    compiled = sepconv.Model(one_node("Not", [("x", BOOL, [2])], ("y", BOOL, [2]))).compile(threads=1)
    result = compiled.run({"x": np.array([True, False])})["y"]
    assert result.dtype == np.bool_ and result.tolist() == [False, True]


def test_metadata_has_onnxruntime_s_names(small):
    (port,) = small.get_inputs()
    assert (port.name, port.type, port.shape, port.dtype) == ("input", "tensor(float)", (1, 3, 32, 32), np.float32)
    (port,) = small.compile(batch=4).get_outputs()
    assert (port.name, port.type, port.shape) == ("logits", "tensor(float)", (4, 1000))


def test_open_sizes_are_none_until_they_are_given():
    model = sepconv.Model(one_node("Relu", [("x", FLOAT, [2, None])], ("y", FLOAT, [2, None])))
    assert model.get_inputs()[0].shape == (2, None)
    with pytest.raises(sepconv.Error, match="leaves sizes open"):
        model.compile()
    compiled = model.compile(shapes={"x": [2, 5]}, threads=1)
    assert compiled.run(-np.ones((2, 5), np.float32))["y"].tolist() == [[0.0] * 5] * 2


def test_batches_are_computed_together(small, image):
    one, four = small.compile(threads=1), small.compile(threads=1, batch=4)
    results = four.run(np.concatenate([image, 2 * image, image, 3 * image]))["logits"]
    for row, factor in zip(results, (1, 2, 1, 3)):
        np.testing.assert_allclose(row, one.run(factor * image)["logits"][0], rtol=1e-5, atol=1e-5)
