"""What NumPy does for the native half: arrays that it cannot read as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._errors import Error


def converted(value: Any, dtype: str, element: str, name: str) -> npt.NDArray[Any]:
    """An aligned array of ``dtype`` in C's order of ``value``, which has this type or ``element``, that of the file.

    Lists and numbers, which have no type, take it."""
    given = np.asarray(value, dtype=dtype if isinstance(value, (list, tuple, int, float)) else None)
    if given.dtype.newbyteorder("=") not in (np.dtype(dtype), np.dtype(element)):
        place, help = f'input "{name}"', f"convert it: array.astype(numpy.{element})"
        text = f"input has the wrong type\n  --> {place}\n   = expected {element}, got {given.dtype}\n   = help: {help}"
        fields = ("argument", "input has the wrong type", None, place, None, element, str(given.dtype))
        raise Error(text, fields, help)
    return np.require(given, dtype, ["C", "A"])


def pixels(image: Any) -> npt.NDArray[np.uint8]:
    """The pixels of an image in C's order; gray ones become RGB."""
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise TypeError(
            "expected an image: a path, the bytes of an image file, or a height x width x 3 array of uint8; "
            f"got {type(image).__name__} ({array.dtype})"
        )
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    return np.require(array, np.uint8, ["C", "A"])
