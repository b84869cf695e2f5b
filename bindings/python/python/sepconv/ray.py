"""Images of a Ray dataset, classified by a pool of actors. Needs ``ray[data]``: ``pip install sepconv[ray]``.

    import ray, sepconv, sepconv.ray

    images = ray.data.read_binary_files("photos/", include_paths=True)
    classifier = sepconv.Model("mobilenet_v2.onnx").classifier(labels="imagenet.txt")
    sepconv.ray.classify(images, classifier, output="answers/", key="path", workers=2)
"""

from __future__ import annotations

import pathlib
import pickle
from typing import Any, Union

import numpy as np
import pyarrow as pa
import pyarrow.dataset as files
import ray.data

from . import _rows
from ._native import Classifier


class Predictor:
    """What ``Dataset.map_batches`` calls with batches (dicts of NumPy arrays): the column of images is replaced by
    ``class``, ``label``, ``score`` and ``error``; all others stay.

        dataset.map_batches(Predictor, fn_constructor_args=[classifier], batch_size=32,
                            compute=ray.data.ActorPoolStrategy(size=2))

    Images are bytes of PNG, JPEG, BMP or WebP files, or height x width x 3 arrays of uint8. One that cannot be read is
    a row with an ``error``. A class, label or score that is not there is null. All predictors of a process share the
    weights. Give the classifier ``threads=1``: workers share the cores.
    """

    def __init__(self, classifier: Classifier, *, column: str = "bytes") -> None:
        self._classifier, self._column = _rows.shared(pickle.dumps(classifier)), column

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        rows = _rows.classify(self._classifier, batch[self._column])
        others = {name: pa.array(_plain(values)) for name, values in batch.items() if name != self._column}
        return pa.table(others | _columns(rows))


def classify(
    dataset: ray.data.Dataset,
    classifier: Classifier,
    *,
    output: Union[str, pathlib.Path],
    key: str,
    column: str = "bytes",
    workers: int = 2,
    batch_size: int = 32,
) -> None:
    """Classifies the images of a dataset and writes Parquet files into the folder ``output``: ``key`` (a column whose
    values tell rows apart), ``class``, ``label``, ``score`` and ``error``, in no order.

    Rows whose key is there already are left out, so that a job which was stopped, or failed, goes on where it was. Ray
    repeats the batches of a worker that died.
    """
    done = _keys(output, key)
    if done:
        dataset = dataset.filter(lambda row: row[key] not in done)
    answers = dataset.select_columns([key, column]).map_batches(
        Predictor,
        fn_constructor_args=[classifier],
        fn_constructor_kwargs={"column": column},
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    answers.write_parquet(str(output), mode=ray.data.SaveMode.APPEND)


def _keys(output: Union[str, pathlib.Path], key: str) -> set[Any]:
    """The keys of the rows that a folder has."""
    paths = sorted(str(path) for path in pathlib.Path(output).glob("*.parquet"))
    return set(files.dataset(paths).to_table(columns=[key])[key].to_pylist()) if paths else set()


def _plain(values: Any) -> Any:
    """Ray's arrays of objects as Arrow takes them."""
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values


def _columns(rows: list[_rows.Row]) -> dict[str, pa.Array]:
    return {
        "class": pa.array([row.class_ for row in rows], pa.int64()),
        "label": pa.array([row.label for row in rows], pa.string()),
        "score": pa.array([row.score for row in rows], pa.float64()),
        "error": pa.array([row.error for row in rows], pa.string()),
    }
