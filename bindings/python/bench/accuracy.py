"""The table of docs/accuracy.md through the Python package: ``python bindings/python/bench/accuracy.py DATA``.

Prints the right answers of each network on the 200 photographs, and fails where they are not those of the table.
"""

import pathlib
import re
import sys

import sepconv

PREPROCESS = {
    "mobilenet_v1_1.0_224": "128/128",
    "mobilenet_v2_1.0_224": "128/128",
    "mobilenet_v3_small_1.0_224": "128/127",
    "mobilenet_v1_0.25_224_bn_f32": "torch",
    "mobilenet_v1_0.25_224_f32": "tf",
    "mcunet_320kb_1mb_176": "tf",
}
ROW = re.compile(r"\| (\S+\.(?:onnx|tflite)) \| \**(\d+)\** \| \d+ \| \**(\d+)\** \| \d+ \|")


def main(data):
    table = (pathlib.Path(__file__).resolve().parents[3] / "docs/accuracy.md").read_text()
    images, differ = data / "images/imagenet200", 0
    for file, top1, top5 in ROW.findall(table):
        stem, _, kind = file.rpartition(".")
        # int8 networks of TensorFlow Lite take pixels as they are.
        is_float = kind == "onnx" or "_f32" in stem
        known = [how for name, how in PREPROCESS.items() if is_float and stem.startswith(name)]
        classifier = sepconv.Model(data / "models" / kind / file).classifier(preprocess=known[0] if known else None)
        report = classifier.evaluate(images, labels=images / "labels.txt")
        same = (report["top1"], report["top5"]) == (int(top1), int(top5))
        differ += not same
        verdict = "as in the table" if same else f"the table has {top1} {top5}"
        print(f"{file:45} {report['top1']} {report['top5']}  {verdict}")
    return differ


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
