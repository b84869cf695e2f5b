"""Spark: every row once, whatever happens to a worker, and only what is missing when a job runs again."""

import scale

scale.required("pyspark", "pandas", "pyarrow")
scale.workers_find_this()

import pytest  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

import sepconv  # noqa: E402
import sepconv.spark  # noqa: E402


@pytest.fixture(scope="module")
def spark():
    # Two workers, and four attempts at a task: plain `local` has one.
    builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "8").config("spark.log.level", "ERROR")
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def classifier():
    return sepconv.Model.default_classifier().classifier(threads=1)


def images(spark, number=scale.ROWS):
    rows = [(i, bytearray(image)) for i, image in enumerate(scale.pictures())][:number]
    return spark.createDataFrame(rows, "id long, content binary").repartition(6)


def rows(spark, folder):
    return [row.asDict() for row in spark.read.parquet(str(folder)).collect()]


def test_every_row_is_there_once_and_a_second_run_adds_what_is_missing(spark, classifier, tmp_path):
    folder = tmp_path / "answers"
    sepconv.spark.classify(images(spark, 50), classifier, output=str(folder), key="id")
    assert len(rows(spark, folder)) == 50
    first = {path.name for path in folder.glob("*.parquet")}
    sepconv.spark.classify(images(spark), classifier, output=str(folder), key="id")
    scale.check(rows(spark, folder), scale.expected(classifier))
    assert first < {path.name for path in folder.glob("*.parquet")}
    sepconv.spark.classify(images(spark), classifier, output=str(folder), key="id")
    scale.check(rows(spark, folder), scale.expected(classifier))


def test_a_worker_that_is_killed_loses_and_repeats_nothing(spark, classifier, tmp_path):
    dying = scale.Dying(classifier, scale.pictures()[60], tmp_path / "killed")
    sepconv.spark.classify(images(spark), dying, output=str(tmp_path / "answers"), key="id")
    assert (tmp_path / "killed").exists()
    scale.check(rows(spark, tmp_path / "answers"), scale.expected(classifier))


def test_a_column_of_answers(spark, classifier):
    answer = sepconv.spark.predict_batch_udf(classifier)("content").alias("answer")
    found = images(spark).select("id", answer).collect()
    scale.check([{"id": row.id} | row.answer.asDict() for row in found], scale.expected(classifier))
