"""From images to answers."""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sepconv


@pytest.fixture(scope="module")
def classifier():
    return sepconv.Model.default_classifier().classifier(threads=1)


def test_paths_bytes_and_pixels_are_the_same_image(classifier, cat):
    expected = classifier.classify(cat)
    assert expected[0]["label"] == "cat" and len(expected) == 5
    assert sorted(expected[0]) == ["class", "label", "output", "score"]
    content = cat.read_bytes()
    pixels = sepconv.decode_image(cat)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    for image in (str(cat), content, bytearray(content), memoryview(content), pixels, np.asfortranarray(pixels)):
        assert classifier.classify(image) == expected


def test_gray_pixels_become_rgb(classifier, cat):
    gray = sepconv.decode_image(cat)[..., 1]
    assert classifier.classify(gray) == classifier.classify(np.stack([gray] * 3, axis=2))


def test_threads_share_a_classifier(classifier, cat):
    expected = classifier.classify(cat)
    with ThreadPoolExecutor(8) as pool:
        assert all(got == expected for got in pool.map(classifier.classify, [cat.read_bytes()] * 40))


def test_labels_are_a_list_or_a_file(cat, tmp_path):
    names = [f"class {i}" for i in range(10)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    model = sepconv.Model.default_classifier()
    for labels in (names, tmp_path / "names.txt", str(tmp_path / "names.txt")):
        assert model.classifier(labels=labels).classify(cat, top=1)[0]["label"] == "class 3"
    with pytest.raises(sepconv.Error, match="expected 10 labels"):
        model.classifier(labels=names[:3])


@pytest.mark.parametrize("image", [b"", b"no image", np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2, 3), np.uint8)])
def test_what_is_no_image_is_an_error(classifier, image):
    with pytest.raises(sepconv.Error):
        classifier.classify(image)


def test_pixels_of_other_types_are_refused(classifier):
    with pytest.raises(TypeError, match="float64"):
        classifier.classify(np.zeros((2, 2, 3)))


def test_an_assumed_pre_processing_is_logged(small, tmp_path, caplog):
    trained = sepconv.Model(small.to_onnx())
    with caplog.at_level(logging.WARNING, "sepconv"):
        assert trained.classifier().preprocess == small.preprocess
        assert not caplog.records
        path = tmp_path / "plain.onnx"
        path.write_bytes(small.to_onnx().replace(b"sepconv.preprocess", b"another.thing.that"))
        sepconv.Model(path).classifier()
    assert 'assuming preprocess="torch"' in caplog.text


def test_evaluate_counts_and_logs_what_cannot_be_read(classifier, cat, tmp_path, caplog):
    for name in ("3_cat", "5_dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(cat.read_bytes())
    (tmp_path / "3_cat" / "broken.png").write_bytes(b"no image")
    events = []
    report = classifier.evaluate(tmp_path, progress=events.append)
    assert (report["images"], report["top1"], report["failed"]) == (2, 1, 1)
    assert report["preprocess"]["source"] == "file" and report["top1_percent"] == 50.0
    assert [event["done"] for event in events] == [1, 2, 3] and events[0]["stage"] == "evaluate"
    assert "broken.png" in caplog.text


def test_image_tensors_are_what_the_network_takes(small, cat):
    tensor = small.image_tensor(cat)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 32, 32), np.float32)
    raw = small.image_tensor(sepconv.decode_image(cat), preprocess="raw:no-crop")
    assert raw.min() >= 0 and raw.max() > 2 and not np.array_equal(raw, tensor)
