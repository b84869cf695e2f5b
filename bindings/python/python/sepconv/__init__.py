"""Vision networks built of depthwise separable convolutions (MobileNet and the like), on a CPU.

    import sepconv

    compiled = sepconv.Model("mobilenet_v2.onnx").compile(threads=1)
    outputs = compiled.run({"input": x})            # a dict of NumPy arrays

    classifier = sepconv.Model("mobilenet_v2.onnx").classifier(labels="imagenet.txt")
    classifier.classify("photo.jpg")
"""

from ._errors import Error
from ._native import (
    Classifier,
    CompiledModel,
    Model,
    Session,
    __version__,
    decode_image,
    machine,
    networks,
)
from ._types import Event, ImageSource, Inputs, Options, Progress, Source, TensorInfo

__all__ = [
    "Classifier",
    "CompiledModel",
    "Error",
    "Event",
    "ImageSource",
    "Inputs",
    "Model",
    "Options",
    "Progress",
    "Session",
    "Source",
    "TensorInfo",
    "__version__",
    "decode_image",
    "machine",
    "networks",
]
