#!/usr/bin/env python3
"""Runs networks of torchvision and timm with PyTorch and with sepconv from the same weights, and compares all outputs.

    families.py SEPCONV [NAME ...]    # needs torch, torchvision, timm, safetensors and numpy
    families.py --exports SEPCONV [NAME ...]  # the same of files that torch.onnx.export(dynamo=True) makes; also needs onnxscript
    families.py --write-names FOLDER  # writes the names and shapes of the parameters, which tests of naming schemes read

Weights are random, from a seed; the statistics of batch normalization are those of noise, its scales and shifts random, so that wrong
paddings, epsilons and names show. Prints a line a network: the largest difference of outputs, relative
to 1 or to the value where that is larger. Exits with 1 when one exceeds 1e-4. Nothing is downloaded.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

# sepconv's name, the library, the library's name.
NETWORKS = [
    ("mobilenet_v2", "torchvision", "mobilenet_v2"),
    ("mobilenet_v3_large", "torchvision", "mobilenet_v3_large"),
    ("mobilenet_v3_small", "torchvision", "mobilenet_v3_small"),
    ("mnasnet_b1", "torchvision", "mnasnet1_0"),
    ("efficientnet_b0", "torchvision", "efficientnet_b0"),
    ("mobilenet_v1", "timm", "mobilenetv1_100"),
    ("mobilenet_v2", "timm", "mobilenetv2_100"),
    ("mobilenet_v3_large", "timm", "mobilenetv3_large_100"),
    ("mobilenet_v3_small", "timm", "mobilenetv3_small_100"),
    ("tf_mobilenetv3_large_minimal_100", "timm", "tf_mobilenetv3_large_minimal_100"),
    ("mnasnet_a1", "timm", "semnasnet_100"),
    ("mnasnet_b1", "timm", "mnasnet_100"),
    ("tf_efficientnet_b0", "timm", "tf_efficientnet_b0"),
    ("efficientnet_lite0", "timm", "efficientnet_lite0"),
    ("tf_efficientnet_lite0", "timm", "tf_efficientnet_lite0"),
    ("efficientnet_v2_s", "torchvision", "efficientnet_v2_s"),
    ("tf_efficientnetv2_s", "timm", "tf_efficientnetv2_s"),
    ("tf_efficientnetv2_b0", "timm", "tf_efficientnetv2_b0"),
    ("efficientnet_es", "timm", "efficientnet_es"),
    ("mobilenet_v4_conv_small", "timm", "mobilenetv4_conv_small"),
    ("mobilenet_v4_conv_medium", "timm", "mobilenetv4_conv_medium"),
    ("shufflenet_v2_x0_5", "torchvision", "shufflenet_v2_x0_5"),
    ("shufflenet_v2_x1_0", "torchvision", "shufflenet_v2_x1_0"),
    ("mobileone_s0", "timm", "mobileone_s0"),
    ("repvgg_a0", "timm", "repvgg_a0"),
    ("ghostnet_100", "timm", "ghostnet_100"),
    ("ghostnetv2_100", "timm", "ghostnetv2_100"),
    ("ghostnetv3_100", "timm", "ghostnetv3_100"),
]

# What is exported with its input size: newer families, of which most have no name here. `+` is the form for inference.
EXPORTS = [
    *(("torchvision", name, 224) for name in ["shufflenet_v2_x1_0", "efficientnet_v2_s", "mobilenet_v3_large", "squeezenet1_1"]),
    *(("timm", name, 224) for name in [
        "ghostnet_100", "ghostnetv2_100", "ghostnetv3_100", "mobileone_s0", "mobileone_s0+", "repvgg_a0", "repghostnet_100",
        "tf_efficientnetv2_b0", "efficientnet_es", "mobilenetv4_conv_small", "mobilenetv4_conv_medium", "mobilenetv4_hybrid_medium",
        "convnext_atto", "efficientformerv2_s0", "lcnet_100", "tinynet_a", "hardcorenas_a", "mixnet_s", "rexnet_100", "efficientvit_b0",
        "efficientvit_m0", "starnet_s1", "shvit_s1", "repvit_m0_9", "tiny_vit_5m_224", "levit_128s", "poolformer_s12",
    ]),
    *(("timm", name, 256) for name in ["fastvit_t8", "fastvit_t8+", "edgenext_xx_small", "mobilevit_xxs", "mobilevitv2_050"]),
]


def network(library, name):
    if library == "timm":
        import timm

        return timm.create_model(name.removesuffix("+"))
    import torchvision

    return torchvision.models.get_model(name)


def pictures(count, side):
    coarse = torch.nn.functional.interpolate(torch.randn(count, 3, 4, 4), (side, side), mode="bilinear")
    return coarse + 0.3 * torch.randn(count, 3, side, side)


def randomise(net, side):
    """Scales, shifts and biases at random, statistics as a batch has them, and outputs of about 1. Statistics that are not the data's
    would let activations grow from layer to layer, and rounding errors with them."""
    norms = [module for module in net.eval().modules() if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d))]
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.2)
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.momentum = 1.0
            norm.train()
        net(pictures(8, side))
        layers = [module for module in net.eval().modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))]
        layers[-1].weight /= net(pictures(1, side)).std()
    return net


def compare(sepconv, ours, library, name, folder):
    from safetensors.torch import save_file

    description = subprocess.run([sepconv, "inspect", ours, "--json"], check=True, capture_output=True).stdout
    side = json.loads(description)["inputs"][0]["shape"][-1]
    torch.manual_seed(1)
    net = randomise(network(library, name), side)
    weights, given, got = (os.path.join(folder, file) for file in ("w.safetensors", "x.npy", "y.npy"))
    save_file(net.state_dict(), weights)
    picture = pictures(1, side)
    np.save(given, picture.numpy())
    with torch.no_grad():
        expected = net(picture).numpy()
    command = [sepconv, "run", ours, "--weights", weights, "--input", given, "--output", got]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return report(ours, library, name, np.load(got), expected)


def report(ours, library, name, got, expected):
    worst = float((np.abs(got - expected) / np.maximum(1, np.abs(expected))).max())
    print(f"{ours:34}{library + ' ' + name:44}{worst:8.1e} of ±{np.abs(expected).max():.1f}{'' if worst <= 1e-4 else '  DIFFERS'}", flush=True)
    return worst <= 1e-4


def compare_export(sepconv, library, name, side, folder):
    torch.manual_seed(1)
    net = randomise(network(library, name), side)
    if name.endswith("+"):
        from timm.utils.model import reparameterize_model

        net = reparameterize_model(net).eval()
    file, given, got = (os.path.join(folder, file) for file in ("net.onnx", "x.npy", "y.npy"))
    picture = pictures(1, side)
    np.save(given, picture.numpy())
    with torch.no_grad():
        expected = net(picture).numpy()
        torch.onnx.export(net, (picture,), file, dynamo=True, external_data=False, verbose=False)
    subprocess.run([sepconv, "run", file, "--input", given, "--output", got], check=True, stdout=subprocess.DEVNULL)
    return report("exported", library, name, np.load(got), expected)


def write_names(folder):
    os.makedirs(folder, exist_ok=True)
    for _, library, name in NETWORKS:
        state = {key: value for key, value in network(library, name).state_dict().items() if not key.endswith("num_batches_tracked")}
        with open(os.path.join(folder, f"{library}.{name}.txt"), "w") as file:
            file.writelines(" ".join([key, *map(str, value.shape)]) + "\n" for key, value in state.items())


def main():
    if sys.argv[1] == "--write-names":
        return write_names(sys.argv[2])
    exports = sys.argv[1] == "--exports"
    sepconv, *wanted = sys.argv[2 if exports else 1 :]
    if exports:
        with tempfile.TemporaryDirectory() as folder:
            chosen = [export for export in EXPORTS if not wanted or export[1] in wanted]
            results = [compare_export(sepconv, *export, folder) for export in chosen]
        sys.exit(0 if all(results) else 1)
    chosen = [network for network in NETWORKS if not wanted or network[0] in wanted or network[2] in wanted]
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(sepconv, *network, folder) for network in chosen]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
