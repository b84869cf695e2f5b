"""Outputs that other runtimes found, and counts of right answers, through the wheel."""

import numpy as np
import pytest

import sepconv

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TRANSFORMS = {
    "unit": lambda px: px / 255,
    "torch": lambda px: (px / 255 - np.float32(MEAN)) / np.float32(STD),
    "tf": lambda px: (px - 127.5) / 127.5,
    "128": lambda px: (px - 128) / 128,
    "127": lambda px: (px - 128) / 127,
}
# A file, the side of its input, its pre-processing, how far outputs may be from the golden ones; of int8 networks in
# units of the output (crates/sepconv/tests/golden.rs says why).
FLOATS = [
    ("onnx/efficientnet_lite0_224_flowers_f32.onnx", 224, "unit", 1e-4),
    ("onnx/mobilenet_v1_1.0_224_f32.onnx", 224, "128", 1e-4),
    ("onnx/mobilenet_v2_1.0_224_f32.onnx", 224, "128", 1e-4),
    ("onnx/mobilenet_v3_small_1.0_224_f32.onnx", 224, "127", 1e-4),
    ("tflite/mobilenet_v1_0.25_224_f32.tflite", 224, "tf", 1e-4),
    ("onnx/mobilenet_v2_1.0_224_qdq.onnx", 224, "128", 0.040),
]
BYTES = [
    ("tflite/mcunet_320kb_1mb_176_int8.tflite", 176, 9),
    ("tflite/mobilenet_v1_0.25_128_quant.tflite", 128, 14),
    ("tflite/mobilenet_v2_1.0_224_quant.tflite", 224, 10),
]
# How many of 200 photographs are right, by docs/accuracy.md.
COUNTS = [
    ("onnx/mobilenet_v1_0.25_224_bn_f32.onnx", "torch", 111, 158),
    ("onnx/mobilenet_v3_small_1.0_224_qdq.onnx", "128/127", 155, 193),
    ("tflite/mobilenet_v1_0.25_128_quant.tflite", None, 96, 149),
]


def results(data, file, side, transform):
    """Outputs for eight images with any number of threads, and the golden ones."""
    images = np.load(data / f"golden/inputs_8x{side}x{side}x3_u8.npy")
    golden = np.load(data / f"golden/{file.split('/')[1]}.out.npy").reshape(8, -1).astype(np.float32)
    model = sepconv.Model(data / "models" / file)
    for threads in (1, 2):
        compiled = model.compile(threads=threads)
        (port,) = compiled.get_inputs()
        outputs = [next(iter(compiled.run(transform(image[None], port)).values())) for image in images]
        yield np.stack(outputs).reshape(8, -1).astype(np.float32), golden


@pytest.mark.parametrize("file, side, pixels, within", FLOATS)
def test_f32_outputs_are_the_golden_ones(data, file, side, pixels, within):
    def transform(image, port):
        image = TRANSFORMS[pixels](image.astype(np.float32)).astype(np.float32)
        return image if port.shape[3] == 3 else image.transpose(0, 3, 1, 2)

    for got, golden in results(data, file, side, transform):
        np.testing.assert_allclose(got, golden, rtol=0, atol=within)


@pytest.mark.parametrize("file, side, within", BYTES)
def test_int8_outputs_are_the_golden_ones(data, file, side, within):
    def transform(image, port):
        return image if port.dtype == np.uint8 else (image.astype(np.int16) - 128).astype(np.int8)

    for got, golden in results(data, file, side, transform):
        assert np.abs(got - golden).max() <= within
        assert (got.argmax(1) == golden.argmax(1)).sum() >= 6


@pytest.mark.parametrize("file, preprocess, top1, top5", COUNTS)
def test_right_answers_are_those_of_the_table(data, file, preprocess, top1, top5):
    images = data / "images/imagenet200"
    report = sepconv.Model(data / "models" / file).classifier(preprocess=preprocess).evaluate(
        images, labels=images / "labels.txt"
    )
    assert (report["images"], report["top1"], report["top5"]) == (200, top1, top5)


def test_weights_load_by_the_names_of_a_state_dict(data):
    weights = data / "models/torch/mobilenet_v1_0.25_224.safetensors"
    image = np.zeros((1, 3, 224, 224), np.float32)
    outputs = [
        sepconv.Model("mobilenet_v1_relux0.25", weights=given).compile(threads=1).run(image)["logits"]
        for given in (weights, weights.read_bytes())
    ]
    np.testing.assert_array_equal(*outputs)
    with pytest.raises(sepconv.Error, match="own weights"):
        sepconv.Model(data / "models/onnx/mobilenet_v2_1.0_224_f32.onnx", weights=weights)
