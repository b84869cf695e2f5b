"""What networks are, cost and become."""

import json

import numpy as np
import pytest

import sepconv


def shown(report):
    """JSON can hold it, and a notebook shows it as a table."""
    json.dumps(report)
    html = report._repr_html_()
    assert html.startswith("<table>") and html.endswith("</table>")
    return html


def test_networks_have_names_and_costs():
    networks = {network["name"]: network for network in sepconv.networks()}
    assert networks["mobilenet_v2"]["parameters"] == 3_504_872
    assert "mobilenet_v2" in shown(sepconv.networks())


def test_inspect_has_layers_and_totals(small):
    # Of 32x32 pixels one is left at the end, where most of a window sees padding only: layers do less than the network.
    smaller, report = small.inspect(threads=1), sepconv.Model("mobilenet_v1@64x0.25").inspect(threads=1)
    for network, equal in [(smaller, False), (report, True)]:
        totals, macs = network["totals"], sum(layer["macs"] for layer in network["layers"])
        assert totals["parameters"] == 470_072
        assert totals["macs"] == macs if equal else totals["macs"] > macs > 0.99 * totals["macs"]
    assert report["layers"][0]["output"] == [1, 32, 32, 8] and "kernel" not in report["layers"][0]
    planned = small.inspect(plan=True)
    assert planned["layers"][0]["kernel"] in shown(planned)
    assert type(report).__mro__[1] is dict


def test_names_from_files_are_escaped(small):
    report = small.inspect()
    report["layers"][0]["name"] = "<script>"
    assert "<script>" not in shown(report)


def test_profile_has_the_time_of_each_step(small, image):
    report = small.compile(threads=1).profile({"input": image}, runs=5)
    assert report["runs"] == 5 and sum(step["share"] for step in report["steps"]) == pytest.approx(1)
    assert report["machine"]["single_thread"]["floats"] > 0
    shown(report)


def test_compare_has_both_speedups(small):
    report = small.compare(rounds=2, threads=1)
    assert len(report["pairs"]) == 13 and report["network"]["theoretical_speedup"] > 1
    assert len(report["network"]["separable"]["ms"]) == 2
    shown(report)


def test_a_quantized_network_answers_alike(small, image, tmp_path):
    samples = [image, {"input": 0.5 * image}, [2 * image]]
    stages = set()
    quantized, report = small.quantize(samples, threads=1, progress=lambda event: stages.add(event["stage"]))
    assert report["samples"] == 3 and report["sqnr_db"] > 10 and "calibrate" in stages
    assert report["quantized_weight_bytes"] < report["float_weight_bytes"]
    expected, got = (model.compile(threads=1).run(image)["logits"] for model in (small, quantized))
    assert np.corrcoef(expected[0], got[0])[0, 1] > 0.9
    shown(report)
    quantized.export(tmp_path / "int8.onnx")
    again = sepconv.Model(tmp_path / "int8.onnx")
    np.testing.assert_array_equal(again.compile(threads=1).run(image)["logits"], got)
    assert again.inspect()["totals"]["int8_macs"] > 0


def test_calibration_is_a_folder_of_images(small, cat, tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(cat.read_bytes())
    _, report = small.quantize(tmp_path, images=2, range="minmax", keep_float=["stem.conv"] * 0)
    assert report["samples"] == 2
    with pytest.raises(sepconv.Error, match="percentile:99.99"):
        small.quantize(tmp_path, range="most")


def test_an_output_never_replaces_an_input(small, tmp_path):
    path = tmp_path / "model.onnx"
    small.export(path, labels=[f"class {i}" for i in range(1000)], preprocess="tf")
    model = sepconv.Model(path)
    assert model.labels[999] == "class 999" and model.preprocess == "tf"
    before = path.read_bytes()
    (tmp_path / "link.onnx").symlink_to(path)
    for output in (path, tmp_path / "link.onnx"):
        with pytest.raises(sepconv.Error, match="would replace") as caught:
            model.export(output)
        assert caught.value.kind == "argument"
    with pytest.raises(sepconv.Error, match="must end in .onnx"):
        model.export(tmp_path / "model.tflite")
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
