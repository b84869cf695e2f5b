"""Counts parameters and multiply-accumulates of the families as torchvision and timm build them, and compares with ours.

    python scripts/counts.py target/release/sepconv

Needs torch, torchvision and timm from PyPI; downloads no weights. Parameters must be equal, and so must multiply-accumulates of convolutions
and fully connected layers for one picture. Exits with 1 if any differ.
"""

import json
import subprocess
import sys

import timm
import torch
import torchvision.models as tv

WIDTHS_V2 = {"": 1.0, "x1.4": 1.4, "x0.75": 0.75, "x0.5": 0.5, "x0.35": 0.35}


def cases():
    """Our name, and a function that makes the network elsewhere."""
    for ours, width in WIDTHS_V2.items():
        yield f"mobilenet_v2{ours}", lambda width=width: tv.mobilenet_v2(width_mult=width)
    yield "mobilenet_v3_large", tv.mobilenet_v3_large
    yield "mobilenet_v3_small", tv.mobilenet_v3_small
    for ours, make in [("x0.5", tv.mnasnet0_5), ("x0.75", tv.mnasnet0_75), ("", tv.mnasnet1_0), ("x1.3", tv.mnasnet1_3)]:
        yield f"mnasnet_b1{ours}", make
    for i in range(8):
        yield f"efficientnet_b{i}", getattr(tv, f"efficientnet_b{i}")
    yield "efficientnet_v2_s", tv.efficientnet_v2_s
    for width in ["x0_5", "x1_0", "x1_5", "x2_0"]:
        yield f"shufflenet_v2_{width}", getattr(tv, f"shufflenet_v2_{width}")
    timms = {
        "mobilenet_v1": "mobilenetv1_100",
        "mobilenet_v1x1.25": "mobilenetv1_125",
        "mobilenet_v2x1.4": "mobilenetv2_140",
        "mobilenetv3_large_100": "mobilenetv3_large_100",
        "mobilenetv3_large_100x0.75": "mobilenetv3_large_075",
        "mobilenetv3_small_100x0.5": "mobilenetv3_small_050",
        "mobilenet_v4_conv_small": "mobilenetv4_conv_small",
        "mobilenet_v4_conv_smallx0.5": "mobilenetv4_conv_small_050",
        "mobilenet_v4_conv_medium": "mobilenetv4_conv_medium",
        "efficientnet_es": "efficientnet_es",
        "tf_efficientnetv2_s": "tf_efficientnetv2_s",
        "tf_efficientnetv2_b0": "tf_efficientnetv2_b0",
        "mnasnet_b1": "mnasnet_100",
        "mnasnet_a1": "semnasnet_100",
        "mnasnet_a1x0.75": "semnasnet_075",
    }
    names = [f"tf_mobilenetv3_{size}_100" for size in ["large", "small", "large_minimal", "small_minimal"]]
    names += [f"{tf}efficientnet_lite{i}" for tf in ["", "tf_"] for i in range(5)]
    names += [f"tf_efficientnet_b{i}" for i in range(8)]
    names += [f"mobileone_s{i}" for i in range(4)]
    names += [f"repvgg_{size}" for size in ["a0", "a1", "a2", "b0"]]
    names += ["ghostnet_100", "ghostnetv2_100", "ghostnetv3_100"]
    for ours, theirs in (timms | {name: name for name in names}).items():
        yield ours, lambda theirs=theirs: timm.create_model(theirs, pretrained=False)


def ours(program, name):
    printed = subprocess.run([program, "inspect", name, "--json", "--threads", "1"], check=True, capture_output=True).stdout
    printed = json.loads(printed)
    return printed["totals"]["parameters"], printed["totals"]["macs"], printed["inputs"][0]["shape"]


def theirs(network, shape):
    macs = 0

    def count(layer, _, result):
        nonlocal macs
        macs += layer.weight[0].numel() * result.numel()

    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(count)
    # On the meta device shapes are computed, numbers are not.
    with torch.no_grad():
        network.eval().to("meta")(torch.empty(shape, device="meta"))
    return sum(p.numel() for p in network.parameters()), macs


def main(program):
    wrong = 0
    for name, make in cases():
        parameters, macs, shape = ours(program, name)
        expected = theirs(make(), shape)
        same = (parameters, macs) == expected
        wrong += not same
        print(f"{name:32} {parameters:>12,} {macs / 1e6:>10.1f} M  {'same' if same else f'DIFFERENT: {expected}'}", flush=True)
    print(f"{wrong} differ")
    return wrong > 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
