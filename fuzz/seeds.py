"""Seeds for the fuzz targets: small files that are made here, and small real ones where the shared data is.

    python fuzz/seeds.py FOLDER DATA
"""

import io
import json
import pathlib
import random
import shutil
import struct
import sys
import zipfile

import tflite
from PIL import Image


def pictures(folder):
    random.seed(1)
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        size = (9, 7)
        picture = Image.effect_noise(size, 60).convert("RGB").convert(mode)
        picture.save(folder / f"{mode}.png")
        if mode in ("RGB", "L"):
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.save(folder / f"{mode}.jpg", exif=exif)
            picture.save(folder / f"{mode}-progressive.jpg", progressive=True, subsampling=2)
        if mode in ("RGB", "L", "P", "1"):
            picture.save(folder / f"{mode}.bmp")
        if mode in ("RGB", "RGBA"):
            picture.save(folder / f"{mode}.webp", lossless=True)
            picture.save(folder / f"{mode}-lossy.webp")


def tensors(folder):
    widths = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "U8": 1, "BOOL": 1}
    for count in (0, 1, 3):
        header, data = {"__metadata__": {"format": "pt"}}, b""
        for name, width in list(widths.items())[: 2 * count]:
            begin = len(data)
            data += bytes(range(6 * width))
            header[f"layer.{name}"] = {"dtype": name, "shape": [2, 3], "data_offsets": [begin, len(data)]}
        text = json.dumps(header).encode()
        (folder / str(count)).write_bytes(struct.pack("<Q", len(text)) + text + data)


def arrays(folder):
    files = {}
    for kind in ("<f4", "<f2", ">f8", "|b1", "|u1", "|i1", "<i2", ">u4", "<i8"):
        for order in ("False", "True"):
            header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': (2, 3), }}\n".encode()
            data = bytes(range(6 * int(kind[2])))
            files[f"{len(files)}.npy"] = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(folder / f"{method}.npz", "w", method) as archive:
            for name in list(files)[:3]:
                archive.writestr(name, files[name])


def choices(folder):
    random.seed(1)
    for i in range(200):
        (folder / str(i)).write_bytes(random.randbytes(20 + 2 * i))


def copies(folder, files, most):
    for path in files:
        if path.stat().st_size <= most:
            shutil.copy(path, folder / "-".join(path.parts[-2:]))


def main():
    seeds, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for target in ("onnx", "tflite", "plan", "safetensors", "numpy", "table", "picture"):
        (seeds / target).mkdir(parents=True, exist_ok=True)
    pictures(seeds / "picture")
    tensors(seeds / "safetensors")
    arrays(seeds / "numpy")
    choices(seeds / "plan")
    for name, file in tflite.seeds():
        (seeds / "tflite" / name).write_bytes(file)
    copies(seeds / "table", pathlib.Path("crates/sepconv/src/models/tables").glob("*.toml"), 65536)
    copies(seeds / "onnx", pathlib.Path("examples").glob("*.onnx"), 65536)
    # The node vectors, where `.ci/onnx-vectors` has been: a network of one operator each.
    copies(seeds / "onnx", sorted(pathlib.Path("target/onnx-vectors").glob("node/*/model.onnx")), 4096)
    copies(seeds / "tflite", sorted((data / "models/tflite").glob("*.tflite")), 65536)


if __name__ == "__main__":
    main()
