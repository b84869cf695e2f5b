import os
from typing import Any, Optional, Sequence, Union, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Unpack

from ._reports import Comparison, Evaluation, Inspection, Networks, Predictions, Profile, Quantization
from ._types import ImageSource, Inputs, Options, Progress, Source, TensorInfo

__all__ = [
    "Classifier",
    "CompiledModel",
    "Model",
    "Session",
    "__version__",
    "decode_image",
    "machine",
    "networks",
]

__version__: str

def networks() -> Networks:
    """The networks that have names, and what they cost. The keys are those of ``sepconv models --json``."""

def machine(**options: Unpack[Options]) -> dict[str, Any]:
    """The peak rates of this machine, measured in about a second."""

def decode_image(image: ImageSource) -> npt.NDArray[np.uint8]:
    """Decodes a PNG, JPEG, BMP or WebP file to a height x width x 3 array."""

@final
class Model:
    """A network: a model file (.onnx, .tflite), its bytes, or the name of a network."""

    def __new__(
        cls,
        source: Source,
        *,
        weights: Optional[Source] = None,
        external_data: Union[str, os.PathLike[str], None] = None,
        max_bytes: Optional[int] = None,
    ) -> Model: ...
    @staticmethod
    def default_classifier() -> Model:
        """The network that comes with sepconv, for the ten classes of CIFAR-10."""
    @staticmethod
    def _lazy(recipe: tuple[Any, ...]) -> Model: ...
    @property
    def name(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def description(self) -> Optional[str]: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def preprocess(self) -> str: ...
    def get_inputs(self) -> list[TensorInfo]:
        """The inputs as the file declares them; sizes that it leaves open are None."""
    def get_outputs(self) -> list[TensorInfo]:
        """The outputs as the file declares them; sizes that it leaves open are None."""
    def compile(self, **options: Unpack[Options]) -> CompiledModel:
        """Makes the network ready to run on this machine."""
    def classifier(
        self,
        *,
        preprocess: Optional[str] = None,
        labels: Union[str, os.PathLike[str], Sequence[str], None] = None,
        **options: Unpack[Options],
    ) -> Classifier:
        """A classifier of images: pre-processing, the network, labels."""
    def image_tensor(
        self, image: ImageSource, *, preprocess: Optional[str] = None, **options: Unpack[Options]
    ) -> npt.NDArray[np.float32]:
        """The network's input for an image: resized, cropped and normalized."""
    def inspect(self, *, plan: bool = False, **options: Unpack[Options]) -> Inspection:
        """What the network is; with ``plan`` also the kernel of each layer and the reason for it."""
    def compare(self, *, rounds: int = 20, progress: Progress = None, **options: Unpack[Options]) -> Comparison:
        """Times each depthwise separable convolution beside the standard one that it replaces."""
    def quantize(
        self,
        calibration: Union[str, os.PathLike[str], Sequence[Inputs]],
        *,
        images: int = 64,
        preprocess: Optional[str] = None,
        range: str = "mse",
        per_tensor: bool = False,
        equalize: bool = False,
        bias_correction: bool = True,
        optimize: bool = False,
        keep_float: Sequence[str] = ...,
        min_sqnr: Optional[float] = None,
        progress: Progress = None,
        **options: Unpack[Options],
    ) -> tuple[Model, Quantization]:
        """Quantizes an f32 network to int8 and returns the new model and a report."""
    def to_onnx(
        self, *, preprocess: Optional[str] = None, labels: Optional[Sequence[str]] = None, **options: Unpack[Options]
    ) -> bytes:
        """The network as the bytes of an ONNX file."""
    def export(
        self,
        path: Union[str, os.PathLike[str]],
        *,
        preprocess: Optional[str] = None,
        labels: Optional[Sequence[str]] = None,
        **options: Unpack[Options],
    ) -> None:
        """Writes the network as an ONNX file, whole or not at all."""

@final
class CompiledModel:
    """A network made ready for this machine; any number of threads may call ``run`` at once."""

    @staticmethod
    def _lazy(recipe: tuple[Any, ...], keywords: dict[str, Any]) -> CompiledModel: ...
    @property
    def isa(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def kernels(self) -> str: ...
    def get_inputs(self) -> list[TensorInfo]: ...
    def get_outputs(self) -> list[TensorInfo]: ...
    def session(self) -> Session:
        """Memory and threads for one thread of the caller, and the state of networks that keep one."""
    def run(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Runs the network and returns a dict of new arrays."""
    def profile(
        self, inputs: Optional[Inputs] = None, *, runs: int = 100, warmup: int = 10, progress: Progress = None
    ) -> Profile:
        """The time and the bottleneck of each step."""

@final
class Session:
    """What one thread runs a network with."""

    def get_inputs(self) -> list[TensorInfo]: ...
    def get_outputs(self) -> list[TensorInfo]: ...
    def run(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """As ``CompiledModel.run``; a network that keeps state goes on from the call before."""
    def reset(self) -> None:
        """Forgets what runs have left in a network that keeps state."""

@final
class Classifier:
    """A network that names what images show; any number of threads may use it at once."""

    @staticmethod
    def _lazy(
        recipe: tuple[Any, ...], preprocess: Optional[str], labels: Optional[list[str]], keywords: dict[str, Any]
    ) -> Classifier: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def preprocess(self) -> str: ...
    @property
    def classes(self) -> int: ...
    def classify(self, image: ImageSource, *, top: int = 5) -> Predictions:
        """The likeliest classes, likeliest first: ``class``, ``output``, ``label``, ``score``."""
    def evaluate(
        self,
        images: Union[str, os.PathLike[str]],
        *,
        labels: Union[str, os.PathLike[str], None] = None,
        progress: Progress = None,
    ) -> Evaluation:
        """Top-1 and top-5 accuracy on the images of a folder."""
