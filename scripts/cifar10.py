#!/usr/bin/env python3
"""Trains a small network for the ten classes of CIFAR-10 on a CPU: depthwise separable, or its twin of standard convolutions.

    cifar10.py train DATA OUT [--kind separable|standard] [--seed N] [--epochs N] [--stage first|mixed|gentle --start WEIGHTS]
    cifar10.py show WEIGHTS PICTURE...      # what a network sees in photographs of any size
    cifar10.py onnx WEIGHTS FILE            # exports, and compares with onnxruntime

DATA holds cifar10_train_20k_jpg.zip and cifar10_test_2k_jpg.zip, with 2,000 and 200 pictures <class>_<name>/<number>.jpg of each class.
Needs torch, safetensors, numpy, pillow; `onnx` also onnx and onnxruntime. The same seed, threads and version of PyTorch on the same
machine give the same weights. Recipes are compared with --validate, which trains without 200 pictures of each class and tests on
these; the test pictures are for the last average of the weights.
"""
import argparse
import io
import json
import math
import os
import time
import zipfile
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
STEM = 32, 3, 2  # channels, kernel, stride
STAGES = (3, 3, 1, 64), (5, 3, 2, 160), (3, 3, 2, 320)  # timm's dsa_r3_k3_s1_c64 and so on
BATCH, SMOOTHING, AVERAGING = 128, 0.1, 0.998


class Stage(NamedTuple):
    """How a part of the training goes: the later ones go on from weights."""

    epochs: int
    peak: float  # of the rate
    steady: float  # share of the steps before the rate falls
    enlarged: float  # share of pictures
    colors: tuple  # most change of saturation, contrast, brightness
    hides: bool  # a square of each picture
    mixes: bool  # every second batch


TRAINING = {
    "first": Stage(100, 1, 0.6, 0.4, (0.3, 0.2, 0.15), hides=True, mixes=False),
    "mixed": Stage(30, 0.5, 0, 0.4, (0.3, 0.2, 0.15), hides=True, mixes=True),
    # Pictures as those that are tested are.
    "gentle": Stage(8, 0.12, 0, 0.1, (0.1, 0.05, 0.05), hides=False, mixes=False),
}


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class Block(nn.Module):
    """timm's DepthwiseSeparableConv with pw_act and skip (its `dsa` has no skip), or one convolution over all channels in its place."""

    def __init__(self, kind, inputs, outputs, kernel, stride):
        super().__init__()
        self.separable, self.residual = kind == "separable", stride == 1 and inputs == outputs
        if self.separable:
            self.conv_dw, self.bn1 = conv(inputs, inputs, kernel, stride, groups=inputs), nn.BatchNorm2d(inputs)
            self.conv_pw, self.bn2 = conv(inputs, outputs, 1), nn.BatchNorm2d(outputs)
        else:
            self.conv, self.bn1 = conv(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs)

    def forward(self, x):
        if self.separable:
            if x.dtype == torch.bfloat16:  # while training; depthwise convolutions are slower in it than in f32
                with torch.autocast("cpu", enabled=False):
                    y = self.conv_dw(x.float()).bfloat16()
            else:
                y = self.conv_dw(x)
            y = F.relu6(self.bn1(y))
            y = F.relu6(self.bn2(self.conv_pw(y)))
        else:
            y = F.relu6(self.bn1(self.conv(x)))
        return x + y if self.residual else y


class Network(nn.Module):
    def __init__(self, kind):
        super().__init__()
        channels = STEM[0]
        self.conv_stem, self.bn1 = conv(3, *STEM), nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential()
        for repeats, kernel, stride, outputs in STAGES:
            first = Block(kind, channels, outputs, kernel, stride)
            self.blocks.append(nn.Sequential(first, *(Block(kind, outputs, outputs, kernel, 1) for _ in range(repeats - 1))))
            channels = outputs
        self.classifier = nn.Linear(channels, len(CLASSES))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x):
        x = self.blocks(F.relu6(self.bn1(self.conv_stem(x))))
        return self.classifier(x.mean((2, 3)))


def load(path):
    state = load_file(path)
    model = Network("standard" if "blocks.0.0.conv.weight" in state else "separable")
    model.load_state_dict(state)
    return model.eval()


def macs(model):
    """Multiplications of one picture, of convolutions and the classifier: each weight once a position."""
    count, layers = [], [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(lambda m, _, output: count.append(m.weight.numel() * output[0, 0].numel())) for m in layers]
    model.eval()(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return sum(count)


def pictures(path):
    """Bytes N x 3 x 32 x 32, and classes."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names])
    classes = torch.tensor([int(name.split("/")[-2].split("_")[0]) for name in names])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), classes


def normalize(pixels):
    return ((pixels.float() - 127.5) / 127.5).contiguous(memory_format=torch.channels_last)


def augment(pixels, side, stage):
    """Moves, enlarges, mirrors, recolors and partly hides each picture of a batch in its own way; makes it side x side."""
    n = len(pixels)

    def uniform(low, high):
        return torch.empty(n, 1, 1, 1).uniform_(low, high)

    # Most are only moved by up to four pixels. The others are enlarged crops: photographs reduced to 32 x 32 are often filled
    # by their object, or by its face, more than pictures of CIFAR-10 are.
    enlarged = uniform(0, 1) < stage.enlarged
    area, aspect = uniform(0.4, 1.1), uniform(math.log(3 / 4), math.log(4 / 3)).exp()
    width = torch.where(enlarged, (area * aspect).sqrt(), 1)
    height = torch.where(enlarged, (area / aspect).sqrt(), 1)
    x, y = (torch.where(enlarged, uniform(-1, 1) * (1 - size).abs(), uniform(-4, 4).round() / 16) for size in (width, height))
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(x)
    affine = torch.cat([width * mirror, zero, x, zero, height, y], 1).view(n, 2, 3)
    grid = F.affine_grid(affine, (n, 3, side, side), align_corners=False)
    z = F.grid_sample(normalize(pixels), grid, padding_mode="reflection", align_corners=False)

    gray = z.mean(1, keepdim=True)
    z = gray + (z - gray) * uniform(1 - stage.colors[0], 1 + stage.colors[0])  # saturation
    z = z * uniform(1 - stage.colors[1], 1 + stage.colors[1]) + uniform(-stage.colors[2], stage.colors[2])  # contrast, brightness
    z = z.clamp(-1, 1)

    # A square of a quarter of the side becomes gray; its center may lie at the border.
    across = torch.arange(side).view(1, 1, 1, side)
    away = [(across - uniform(0, side)).abs() < side / 8 for _ in "xy"]
    hidden = away[0] & away[1].transpose(2, 3)
    return (z.masked_fill(hidden, 0) if stage.hides else z).contiguous(memory_format=torch.channels_last)


def mix(pixels, classes):
    """Pastes a box of another picture into each one of a batch (CutMix, Yun and others 2019); also its class, and the share that stays."""
    order, side = torch.randperm(len(pixels)), pixels.shape[-1]
    extent = round(side * (1 - torch.rand(()).item()) ** 0.5)
    top, left = torch.randint(side - extent + 1, (2,)).tolist()
    box = ..., slice(top, top + extent), slice(left, left + extent)
    pixels[box] = pixels[order][box]
    return pixels, classes[order], 1 - (extent / side) ** 2


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are made nearly orthogonal matrices (K. Jordan, 2024, https://kellerjordan.github.io/posts/muon)."""

    def __init__(self, parameters, rate, decay):
        super().__init__(parameters, {"lr": rate, "decay": decay})

    @torch.no_grad()
    def step(self):
        alike = {}
        for p in self.param_groups[0]["params"]:
            momentum = self.state[p].setdefault("momentum", torch.zeros_like(p)).lerp_(p.grad, 0.05)
            alike.setdefault(p.shape, []).append((p, p.grad.lerp(momentum, 0.95).flatten(1)))
        for shape, pairs in alike.items():
            x = torch.stack([direction for _, direction in pairs]).bfloat16()
            x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
            high = x.shape[1] > x.shape[2]
            x = x.mT if high else x
            for _ in range(5):  # Newton and Schulz's iteration, with that article's coefficients
                square = x @ x.mT
                x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
            for (p, _), direction in zip(pairs, x.mT if high else x):
                scale = max(1, direction.shape[0] / direction.shape[1]) ** 0.5
                p.mul_(1 - self.param_groups[0]["lr"] * self.param_groups[0]["decay"])
                p.sub_(direction.reshape(shape), alpha=self.param_groups[0]["lr"] * scale)


def optimizers(model):
    """Muon for matrices between channels, AdamW without decay for the rest: stem, depthwise filters, normalization, classifier."""
    matrices = [p for p in model.blocks.parameters() if p.dim() == 4 and p.shape[1] > 1]
    others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    return Muon(matrices, 0.03, 0.05), torch.optim.AdamW(others, 0.004, betas=(0.9, 0.99), weight_decay=0, fused=True)


def predictions(model, pixels):
    with torch.inference_mode():
        return torch.cat([model.eval()(normalize(batch)).argmax(1) for batch in pixels.split(500)])


def wilson(share, n, z=1.96):
    """The 95 % interval of a share counted in n pictures (Wilson 1927)."""
    center, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (center - spread) / (1 + z * z / n), (center + spread) / (1 + z * z / n)


def train(args):
    stage = TRAINING[args.stage]
    os.makedirs(args.out, exist_ok=True)
    epochs = args.epochs or stage.epochs
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    began = time.time()
    pixels, classes = pictures(f"{args.data}/cifar10_train_20k_jpg.zip")
    if args.validate:
        held = torch.arange(len(classes)) % 2000 >= 1800  # sorted by class, 2000 each
        test_pixels, test_classes, pixels, classes = pixels[held], classes[held], pixels[~held], classes[~held]
    else:
        test_pixels, test_classes = pictures(f"{args.data}/cifar10_test_2k_jpg.zip")

    model, average = (Network(args.kind).to(memory_format=torch.channels_last) for _ in "ab")
    if args.start:
        for each in (model, average):
            each.load_state_dict(load_file(args.start), strict=False)  # but for PyTorch's counts of batches
    both = optimizers(model)
    steps = len(classes) // BATCH * epochs
    falls = int(steps * stage.steady)

    def rate(step):
        """Rises for 200 steps, stays, and falls to zero: unlike a cosine, its first part suits any number of epochs."""
        return stage.peak * min((step + 1) / 200, 1, (steps - step) / (steps - falls))

    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, rate) for optimizer in both]
    floats = [[t for t in net.state_dict().values() if t.is_floating_point()] for net in (average, model)]
    step = 0
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for chosen in torch.randperm(len(classes)).split(BATCH):
            if len(chosen) < BATCH:
                break
            # Smaller pictures take little more than half the time, and suffice until the rate falls.
            batch, right = augment(pixels[chosen], 24 if step < falls else 32, stage), classes[chosen]
            batch, other, share = mix(batch, right) if stage.mixes and step % 2 else (batch, right, 1)
            with torch.autocast("cpu", torch.bfloat16):
                answers = model(batch).float()
            loss = share * F.cross_entropy(answers, right, label_smoothing=SMOOTHING)
            loss = loss + (1 - share) * F.cross_entropy(answers, other, label_smoothing=SMOOTHING)
            model.zero_grad()
            loss.backward()
            for each in (*both, *schedules):
                each.step()
            step += 1
            # The average follows fast at first, lest it remember the random start.
            torch._foreach_lerp_(*floats, weight=1 - min(AVERAGING, step / (step + 10)))
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total * BATCH / len(classes):.4f}, {time.time() - began:.0f} s", flush=True)
        state = {name: t.contiguous() for name, t in average.state_dict().items() if not name.endswith("num_batches_tracked")}
        save_file(state, f"{args.out}/cifar10_{args.kind}_seed{args.seed}.safetensors")

    seen = predictions(average, test_pixels)
    confusion = torch.bincount(test_classes * 10 + seen, minlength=100).view(10, 10)
    accuracy = confusion.trace().item() / len(test_classes)
    result = {
        "kind": args.kind, "seed": args.seed, "epochs": epochs, "threads": args.threads,
        "stage": args.stage, "validate": args.validate, "pictures": len(classes), "tested": len(test_classes),
        "accuracy": accuracy, "interval": wilson(accuracy, len(test_classes)),
        "per_class": {name: round(v, 4) for name, v in zip(CLASSES, (confusion.diag() / confusion.sum(1)).tolist())},
        "confusion": confusion.tolist(),  # row: true class, column: answer
        "parameters": sum(p.numel() for p in model.parameters()), "macs": macs(average),
        "seconds": round(time.time() - began), "torch": torch.__version__,
    }
    with open(f"{args.out}/runs.jsonl", "a", encoding="utf-8") as lines:
        print(json.dumps(result), file=lines)
    print(json.dumps(result))


def show(args):
    model = load(args.weights)
    for path in args.pictures:
        picture = Image.open(path).convert("RGB")
        scale = 32 / min(picture.size)
        picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BILINEAR)
        left, top = (picture.width - 32) // 2, (picture.height - 32) // 2
        pixels = torch.from_numpy(np.array(picture.crop((left, top, left + 32, top + 32)))).permute(2, 0, 1)[None]
        with torch.inference_mode():
            best = model(normalize(pixels)).softmax(1)[0].topk(3)
        print(path, *(f"{CLASSES[i]} {p:.3f}" for p, i in zip(best.values.tolist(), best.indices.tolist())))


def onnx(args):
    import onnxruntime

    model, image = load(args.weights), torch.rand(1, 3, 32, 32) * 2 - 1
    torch.onnx.export(model, (image,), args.file, input_names=["image"], output_names=["logits"], opset_version=17, dynamo=False)
    session = onnxruntime.InferenceSession(args.file, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        worst = np.abs(session.run(None, {"image": image.numpy()})[0] - model(image).numpy()).max()
    print(f"{args.file}: largest difference from PyTorch {worst:.2e}")
    assert worst < 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.set_defaults(run=train)
    command.add_argument("data")
    command.add_argument("out")
    command.add_argument("--kind", choices=("separable", "standard"), default="separable")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--stage", choices=TRAINING, default="first")
    command.add_argument("--start", help="weights to go on from, for the later stages")
    command.add_argument("--epochs", type=int, help="how many, where not those of the stage")
    command.add_argument("--threads", type=int, default=1, help="more wait for one another at every layer")
    command.add_argument("--validate", action="store_true", help="hold back 2,000 training pictures and test on these")
    command = commands.add_parser("show")
    command.set_defaults(run=show)
    command.add_argument("weights")
    command.add_argument("pictures", nargs="+")
    command = commands.add_parser("onnx")
    command.set_defaults(run=onnx)
    command.add_argument("weights")
    command.add_argument("file")
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
