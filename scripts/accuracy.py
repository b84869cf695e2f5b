#!/usr/bin/env python3
"""Counts what networks of a folder recognise in its 200 photographs, beside the counts that were found with their formats' own runtimes.

    accuracy.py SEPCONV DATA        # needs pillow

Each photograph is decoded and fitted to a network by Pillow, as for those counts, and handed to sepconv without loss: decoders and
resizers differ by a few steps in some pixels, which is enough to change some answers of a quantised network. Prints a line a network
and exits with 1 where top-1 is further from the listed count than allowed.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile

from PIL import Image

# How networks that take floats see pixels; the others take these as they are.
PREPROCESS = {
    "mobilenet_v1_0.25_224_bn_f32.onnx": "torch",
    "mobilenet_v1_0.25_224_f32.tflite": "tf",
    "mcunet_320kb_1mb_176_bn_f32.onnx": "tf",
    "mobilenet_v1_1.0_224_f32.onnx": "128/128",
    "mobilenet_v1_1.0_224_qdq.onnx": "128/128",
    "mobilenet_v2_1.0_224_f32.onnx": "128/128",
    "mobilenet_v2_1.0_224_qdq.onnx": "128/128",
    "mobilenet_v3_small_1.0_224_f32.onnx": "128/127",
    "mobilenet_v3_small_1.0_224_qdq.onnx": "128/127",
}
# How far from the listed count of optimised kernels a network may be. The sums of both exceptions are rounded in fixed point
# there, layer for layer otherwise than real numbers are; reference kernels count 143 and 171 where optimised ones count 142 and 172.
ALLOWED = 1
EXCEPTIONS = {"mcunet_320kb_1mb_176_int8.tflite": 2, "mobilenet_v2_1.0_224_ptq_int8.tflite": 3}

# What the card of the network that comes with the program says (crates/sepconv/models/cifar10.md).
CARD = 1737

# State dicts of PyTorch: the network that they are loaded into, and the ONNX file whose count is theirs.
STATE_DICTS = {
    "torch/mobilenet_v1_0.25_224.safetensors": ("mobilenet_v1_relux0.25", "onnx/mobilenet_v1_0.25_224_bn_f32.onnx"),
    "torch/mcunet_320kb_1mb_176.safetensors": ("{data}/models/torch/mcunet_320kb_1mb_176.json", "onnx/mcunet_320kb_1mb_176_bn_f32.onnx"),
}


def listed(data):
    """File, path and listed top-1 of each network that has one."""
    name = None
    for line in open(f"{data}/README.md", encoding="utf-8"):
        if heading := re.match(r"### models/(\S+)", line):
            name = heading[1]
        count = re.match(r"- measured: top-1 (\d+)/200", line)
        if name and count and os.path.exists(f"{data}/models/{name}") and name.endswith((".onnx", ".tflite")):
            yield name, int(count[1])


def fitted(data, side, folder):
    """Photographs whose centre is the crop that networks of this side were measured with."""
    margin = round(side * 8 / 7)
    for path in sorted(glob.glob(f"{data}/images/imagenet200/*.jpg")):
        photograph = Image.open(path).convert("RGB")
        left, top = (photograph.width - 224) // 2, (photograph.height - 224) // 2
        crop = photograph.crop((left, top, left + 224, top + 224)).resize((side, side), Image.Resampling.BILINEAR)
        framed = Image.new("RGB", (margin, margin))
        framed.paste(crop, ((margin - side) // 2, (margin - side) // 2))
        framed.save(f"{folder}/{os.path.basename(path)[:-4]}.png", compress_level=1)


def network(name, data):
    """The arguments that say which network, and how it sees pixels. State dicts are seen as their families say."""
    path = f"{data}/models/{name}"
    if name in STATE_DICTS:
        return ["--model", STATE_DICTS[name][0].format(data=data), "--weights", path]
    how = PREPROCESS.get(os.path.basename(path))
    return ["--model", path] + (["--preprocess", how] if how else [])


def evaluate(program, arguments, photographs, labels):
    command = [program, "evaluate", "--json", *arguments, "--images", photographs, "--labels", labels]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def without_a_model(program, data, folder):
    """Right answers of the network that comes with the program, on the test pictures of CIFAR-10."""
    with zipfile.ZipFile(f"{data}/datasets/cifar10/cifar10_test_2k_jpg.zip") as pictures:
        pictures.extractall(folder)
    command = [program, "evaluate", "--json", "--images", folder]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["top1"]


def main(program, data):
    failed = counted = 0
    with tempfile.TemporaryDirectory() as folder:
        labels = f"{folder}/labels.txt"
        with open(f"{data}/images/imagenet200/labels.txt", encoding="utf-8") as lines, open(labels, "w", encoding="utf-8") as out:
            out.writelines(line.replace(".jpg", ".png") for line in lines)
        counts = dict(listed(data))
        counts |= {name: counts[twin] for name, (_, twin) in STATE_DICTS.items()}
        for name, expected in counts.items():
            if name.endswith(("_features.tflite", "_head.tflite")):
                continue  # halves of one network
            side = int(re.search(r"_(128|160|176|192|224)", name)[1])
            photographs = f"{folder}/{side}"
            if not os.path.isdir(photographs):
                os.mkdir(photographs)
                fitted(data, side, photographs)
            found = evaluate(program, network(name, data), photographs, labels)
            counted += 1
            ok = abs(found["top1"] - expected) <= EXCEPTIONS.get(os.path.basename(name), ALLOWED)
            failed += not ok
            print(f"{'ok  ' if ok else 'FAIL'} top-1 {found['top1']:3}, listed {expected:3}, top-5 {found['top5']:3}  {name}", flush=True)
        found = without_a_model(program, data, f"{folder}/cifar10")
        counted += 1
        failed += found != CARD
        print(f"{'ok  ' if found == CARD else 'FAIL'} top-1 {found} of 2000, listed {CARD}, without a model")
    print(f"{counted - failed} passed, {failed} failed")
    return 1 if failed or not counted else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
