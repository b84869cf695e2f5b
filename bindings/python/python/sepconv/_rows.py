"""Rows of images, for the engines that share them among workers: what `sepconv.ray` and `sepconv.spark` have in common."""

from __future__ import annotations

import pickle
import threading
from typing import Any, NamedTuple, Optional, Sequence

from ._errors import Error
from ._native import Classifier

_lock = threading.Lock()
_of_this_process: dict[bytes, Classifier] = {}


class Row(NamedTuple):
    """What a network makes of an image: its likeliest class, or the reason why there is none."""

    class_: Optional[int]
    label: Optional[str]
    score: Optional[float]
    error: Optional[str]


def shared(pickled: bytes) -> Classifier:
    """The classifier that was pickled: one for a process, whatever the number of workers in it, so that its weights
    are there once."""
    with _lock:
        classifier = _of_this_process.get(pickled)
        if classifier is None:
            classifier = pickle.loads(pickled)
            # Read and compiled here: what is wrong with the network is no image's fault.
            classifier.classes
            _of_this_process[pickled] = classifier
    return classifier


def classify(classifier: Classifier, images: Sequence[Any]) -> list[Row]:
    """A row for each image; one with an error for an image that cannot be read."""
    return [_row(classifier, image) for image in images]


def _row(classifier: Classifier, image: Any) -> Row:
    if image is None:
        return Row(None, None, None, "image is missing")
    try:
        best = classifier.classify(bytes(image) if isinstance(image, (bytearray, memoryview)) else image, top=1)[0]
    except Error as error:
        return Row(None, None, None, str(error))
    return Row(best["class"], best["label"], best["score"], None)
