"""Pickles, forks and signals."""

import multiprocessing
import os
import pickle
import signal
import threading

import numpy as np
import pytest

import sepconv


def test_models_are_pickled_as_their_path(small, image, tmp_path, monkeypatch):
    small.export(tmp_path / "small.onnx")
    monkeypatch.chdir(tmp_path)
    compiled = sepconv.Model("small.onnx").compile(threads=1)
    expected = compiled.run(image)["logits"]
    pickled = pickle.dumps([compiled, sepconv.Model("small.onnx")])
    assert len(pickled) < 1000
    # Another process works elsewhere.
    monkeypatch.chdir("/")
    again, model = pickle.loads(pickled)
    np.testing.assert_array_equal(again.run(image)["logits"], expected)
    assert model.name == "small.onnx" and again.threads == 1


def test_a_pickle_is_opened_when_it_is_used(small, tmp_path):
    path = tmp_path / "gone.onnx"
    small.export(path)
    pickled = pickle.dumps(sepconv.Model(path).compile(threads=1))
    path.unlink()
    again = pickle.loads(pickled)
    with pytest.raises(sepconv.Error) as caught:
        again.run({})
    assert caught.value.kind == "io"


def test_names_bytes_and_classifiers_are_pickled(small, image, cat):
    expected = small.compile(threads=1).run(image)["logits"]
    for model in (small, sepconv.Model(small.to_onnx())):
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_allclose(again.compile(threads=1).run(image)["logits"], expected, rtol=1e-5, atol=1e-5)
    classifier = sepconv.Model.default_classifier().classifier(labels=list("abcdefghij"), threads=1)
    assert pickle.loads(pickle.dumps(classifier)).classify(cat) == classifier.classify(cat)


def _run(compiled, image):
    return compiled.run(image)["logits"]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_other_processes_run_a_compiled_model(small, image, method):
    """What a fork copies lacks the threads of its sessions."""
    compiled = small.compile(threads=2)
    expected = _run(compiled, image)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for got in pool.starmap(_run, [(compiled, image)] * 4):
            np.testing.assert_array_equal(got, expected)


def test_a_fork_runs_the_sessions_that_it_copied(small, image):
    session = small.compile(threads=2).session()
    expected = session.run(image)["logits"]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(session.run(image)["logits"], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def interrupted(call, *arguments, **keywords):
    """Whether Ctrl-C ends a call that has begun."""
    begun = threading.Event()

    def interrupt():
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    # A shell's background jobs ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            call(*arguments, progress=lambda event: begun.set(), **keywords)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_profile(small):
    interrupted(small.compile(threads=1).profile, runs=10**9)


def test_ctrl_c_stops_compare(small):
    interrupted(small.compare, rounds=10**9)


def test_ctrl_c_stops_quantize(small, image):
    interrupted(small.quantize, [image] * 1000, optimize=True)


def test_ctrl_c_stops_evaluate(cat, tmp_path):
    classifier = sepconv.Model.default_classifier().classifier()
    (tmp_path / "3").mkdir()
    for i in range(5000):
        (tmp_path / "3" / f"{i}.png").symlink_to(cat)
    interrupted(classifier.evaluate, tmp_path)
    assert classifier.classify(cat)[0]["label"] == "cat"


def test_a_callback_stops_a_call(small):
    compiled = small.compile(threads=1)
    with pytest.raises(sepconv.Error) as caught:
        compiled.profile(runs=10**9, progress=lambda event: event["done"] < 3)
    assert caught.value.kind == "cancelled"
    with pytest.raises(ZeroDivisionError):
        compiled.profile(runs=10**9, progress=lambda event: 1 // 0)


def test_a_bar_is_shown(small, capfd):
    small.compile(threads=1).profile(runs=20, progress=True)
    assert "20/20" in capfd.readouterr().err
