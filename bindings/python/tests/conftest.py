"""Data that is not part of the project: looked for in SEPCONV_DATA or ../shared/data. Without it tests skip, unless
SEPCONV_REQUIRE_DATA is set."""

import os
import pathlib

import numpy as np
import pytest

import sepconv

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SMALL = "mobilenet_v1@32x0.25"


@pytest.fixture(scope="session")
def data():
    folder = pathlib.Path(os.environ.get("SEPCONV_DATA") or REPOSITORY.parent / "shared" / "data")
    if folder.is_dir():
        return folder
    message = f"no data in {folder} (SEPCONV_DATA names another place)"
    if "SEPCONV_REQUIRE_DATA" in os.environ:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def cat():
    return REPOSITORY / "examples" / "chelsea.png"


@pytest.fixture(scope="session")
def small():
    """A network of 32x32 pixels with random weights."""
    return sepconv.Model(SMALL)


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(7).standard_normal((1, 3, 32, 32)).astype(np.float32)
