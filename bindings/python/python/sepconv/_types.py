"""Types of arguments and results."""

from __future__ import annotations

import os
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypedDict, Union

import numpy as np
import numpy.typing as npt

#: A path, or the bytes of a file.
Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview]
#: A path, the bytes of an image file, or a height x width x 3 array of uint8 (or what NumPy makes one of).
ImageSource = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, npt.NDArray[np.uint8], Any]
#: Arrays by name or by position, or the array of a single input.
Inputs = Union[Mapping[str, npt.ArrayLike], Sequence[npt.ArrayLike], npt.ArrayLike]


class Event(TypedDict):
    """How far a long call is: what a progress callback is called with."""

    stage: str
    done: int
    total: int
    accuracy: Optional[dict[str, Any]]


#: ``True`` for a bar on standard error, or a function of an `Event` that returns ``False`` to stop the call.
Progress = Union[bool, Callable[[Event], Any], None]


class Options(TypedDict, total=False):
    """How a network is compiled."""

    #: Threads that share the work of one run (default: the cores, at most 4).
    threads: int
    #: Images that are computed at a time (default: 1).
    batch: int
    #: Shapes of inputs that leave sizes open.
    shapes: Mapping[str, Sequence[int]]
    #: The instruction set, such as ``avx2`` (default: the widest of the machine).
    isa: str
    #: Kernels in place of those that the planner would choose: ``CompiledModel.kernels``.
    kernels: str
    #: Bytes that constants and activations may take (default: 700 MB).
    max_memory: int
    #: Multiply-accumulates that a run may take.
    max_macs: int


class TensorInfo(NamedTuple):
    """An input or output, with onnxruntime's names for what is known of it."""

    name: str
    #: As onnxruntime names it: ``tensor(float)``.
    type: str
    #: ``None`` where the file leaves a size open.
    shape: Tuple[Optional[int], ...]
    dtype: np.dtype[Any]
    #: How the integers of a quantized tensor stand for real numbers: ``scale * (q - zero_point)``.
    scale: Optional[float] = None
    zero_point: Optional[int] = None


_TYPES = {"float16": "float16", "float32": "float", "float64": "double"}


def tensor_info(
    name: str, shape: List[Optional[int]], dtype: str, scale: Optional[float], zero_point: Optional[int]
) -> TensorInfo:
    return TensorInfo(name, f"tensor({_TYPES.get(dtype, dtype)})", tuple(shape), np.dtype(dtype), scale, zero_point)
