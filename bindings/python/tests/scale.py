"""What the tests of Ray and of Spark share. Workers import it, so it is a module of its own."""

import os
import pathlib
import signal
import struct
import sys
import zlib

import pytest

ROWS = 120
UNREADABLE = 17


def pictures():
    """An image of its own color for each row, and one that cannot be read."""
    return [b"not an image" if i == UNREADABLE else png([i, 255 - i, i * 7 % 256]) for i in range(ROWS)]


def png(color, side=8):
    """A PNG of one color."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(color) * side) * side)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Dying:
    """A classifier whose process is killed at an image, the first time."""

    def __init__(self, classifier, image, marker):
        self.classifier, self.image, self.marker = classifier, image, pathlib.Path(marker)

    @property
    def classes(self):
        return self.classifier.classes

    def classify(self, image, *, top):
        if image == self.image:
            try:
                self.marker.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.classifier.classify(image, top=top)


def required(*modules):
    """Imports what a test needs; where it is missing the tests skip, but in CI fail."""
    for module in modules:
        if "SEPCONV_REQUIRE_ENGINES" in os.environ:
            __import__(module)
        else:
            pytest.importorskip(module)


def workers_find_this():
    """Processes that are started from here can import this module, and use this interpreter."""
    here = str(pathlib.Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    os.environ["PYSPARK_PYTHON"] = sys.executable


def check(rows, expected):
    """Every row once, with what a plain loop over the images gives."""
    assert sorted(row["id"] for row in rows) == list(range(ROWS))
    for row in sorted(rows, key=lambda row: row["id"]):
        if row["id"] == UNREADABLE:
            assert row["class"] is None and row["score"] is None and row["error"], row
        else:
            best = expected[row["id"]]
            assert (row["class"], row["label"], row["score"]) == (best["class"], best["label"], best["score"]), row
            assert row["error"] is None, row


def expected(classifier):
    """What a plain loop gives."""
    readable = ((i, image) for i, image in enumerate(pictures()) if i != UNREADABLE)
    return {i: classifier.classify(image, top=1)[0] for i, image in readable}
