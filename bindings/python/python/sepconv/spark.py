"""Images of a Spark data frame, classified by its Python workers. Needs ``pyspark``, ``pandas`` and ``pyarrow``:
``pip install sepconv[spark]``.

    import sepconv, sepconv.spark

    images = spark.read.format("binaryFile").load("photos/")
    classifier = sepconv.Model("mobilenet_v2.onnx").classifier(labels="imagenet.txt")
    sepconv.spark.classify(images, classifier, output="answers/", key="path", column="content")
"""

from __future__ import annotations

import pickle
from typing import Any, Iterator

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType
from pyspark.sql.utils import AnalysisException

from . import _rows
from ._native import Classifier

#: What the function of `predict_batch_udf` returns for an image; all but the error are null where that is not.
SCHEMA = StructType(
    [
        StructField("class", LongType()),
        StructField("label", StringType()),
        StructField("score", DoubleType()),
        StructField("error", StringType()),
    ]
)


def predict_batch_udf(classifier: Classifier) -> Any:
    """The function from a column of images (bytes of PNG, JPEG, BMP or WebP files) to a column of `SCHEMA`.

        answers = images.select("path", predict_batch_udf(classifier)("content").alias("answer"))

    An image that cannot be read has an ``error``. A worker reads the network once and shares the weights among its
    tasks. Give the classifier ``threads=1``: Spark has a worker for each core.
    """
    pickled = pickle.dumps(classifier)

    def predict(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        network = _rows.shared(pickled)
        for images in batches:
            rows = _rows.classify(network, images)
            yield pd.DataFrame(rows, columns=SCHEMA.fieldNames())

    predict.__annotations__ = {"batches": Iterator[pd.Series], "return": Iterator[pd.DataFrame]}
    return pandas_udf(predict, SCHEMA)


def classify(images: DataFrame, classifier: Classifier, *, output: str, key: str, column: str = "content") -> None:
    """Classifies the images of a data frame and writes Parquet files into the folder ``output``: ``key`` (a column
    whose values tell rows apart), ``class``, ``label``, ``score`` and ``error``, in no order.

    Rows whose key is there already are left out, so that a job which was stopped, or failed, goes on where it was.
    Spark repeats the tasks of a worker that died, if it may (``local[2,4]`` may, ``local[2]`` may not).
    """
    done = _done(images, output)
    if done is not None:
        images = images.join(done.select(key), key, "left_anti")
    answer: Column = predict_batch_udf(classifier)(column).alias("answer")
    answers = images.select(key, answer).select(key, "answer.*").write.mode("append")
    # What a task wrote is there when the task ends, not when all have: a job that fails has done something.
    answers.option("mapreduce.fileoutputcommitter.algorithm.version", "2").parquet(output)


def _done(images: DataFrame, output: str) -> DataFrame | None:
    """The rows that a folder has; none where there is no folder yet, or nothing in it."""
    try:
        return images.sparkSession.read.parquet(output)
    except AnalysisException:
        return None
