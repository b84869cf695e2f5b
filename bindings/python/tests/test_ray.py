"""Ray: every row once, whatever happens to a worker, and only what is missing when a job runs again."""

import scale

scale.required("ray.data", "pyarrow")

import pyarrow.dataset  # noqa: E402
import pytest  # noqa: E402
import ray  # noqa: E402

import sepconv  # noqa: E402
import sepconv.ray  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def cluster():
    scale.workers_find_this()
    # Two actors and the tasks beside them: with two they would wait for each other.
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def classifier():
    return sepconv.Model.default_classifier().classifier(threads=1)


def dataset():
    return ray.data.from_items([{"id": i, "bytes": image} for i, image in enumerate(scale.pictures())]).repartition(8)


def rows(folder):
    return pyarrow.dataset.dataset(str(folder)).to_table().to_pylist()


def test_every_row_is_there_once_and_a_second_run_adds_what_is_missing(classifier, tmp_path):
    folder, images = tmp_path / "answers", dataset()
    sepconv.ray.classify(images.limit(50), classifier, output=folder, key="id", batch_size=8)
    assert len(rows(folder)) == 50
    first = {path.name for path in folder.iterdir()}
    sepconv.ray.classify(images, classifier, output=folder, key="id", batch_size=8)
    scale.check(rows(folder), scale.expected(classifier))
    assert first < {path.name for path in folder.iterdir()}
    sepconv.ray.classify(images, classifier, output=folder, key="id")
    scale.check(rows(folder), scale.expected(classifier))


def test_a_worker_that_is_killed_loses_and_repeats_nothing(classifier, tmp_path):
    dying = scale.Dying(classifier, scale.pictures()[60], tmp_path / "killed")
    sepconv.ray.classify(dataset(), dying, output=tmp_path / "answers", key="id", batch_size=8)
    assert (tmp_path / "killed").exists()
    scale.check(rows(tmp_path / "answers"), scale.expected(classifier))


def test_a_network_that_cannot_be_read_fails_the_job(tmp_path):
    classifier = sepconv.Model.default_classifier().classifier()
    recipe = scale.Dying(classifier, None, tmp_path / "never")
    recipe.classifier = None
    with pytest.raises(Exception, match="classes"):
        sepconv.ray.classify(dataset(), recipe, output=tmp_path / "answers", key="id")
