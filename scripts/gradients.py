"""One step of training beside PyTorch's: the loss, all gradients, weights and running statistics after the step.

    cargo build --release -p sepconv-train --example gradients
    pip install torch torchvision safetensors numpy
    python scripts/gradients.py [target/release/examples/gradients]

Both start from the same weights and the same batch, in f32, without dropout. Tensors differ by their distance in norm,
relative to the larger of PyTorch's own norm and a thousandth of the norm of all. What is more than 1e-4 is an error.

Where rounding moves an activation across a bound of ReLU6 its gradient is another number, in PyTorch's f32 as well: on
small maps that alone is 1e-3. So a network has five batches to agree on one; a wrong gradient agrees on none.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

LIMIT = 1e-4
BATCHES = 5


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x):
        y = nn.functional.relu6(self.bn1(self.conv(x)))
        return x + y if self.skip else y


class Standard(nn.Module):
    """The network cifar10_standard: residual, of standard convolutions."""

    def __init__(self, classes):
        super().__init__()
        self.conv_stem, self.bn1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        stages, inputs = [], 32
        for repeats, stride, outputs in [(1, 1, 64), (4, 2, 128), (4, 2, 256)]:
            stages.append(nn.ModuleList())
            for repeat in range(repeats):
                stages[-1].append(Block(inputs, outputs, stride if repeat == 0 else 1))
                inputs = outputs
        self.blocks = nn.ModuleList(stages)
        self.conv_head, self.bn2 = nn.Conv2d(inputs, 256, 1, bias=False), nn.BatchNorm2d(256)
        self.classifier = nn.Linear(256, classes)

    def forward(self, x):
        x = nn.functional.relu6(self.bn1(self.conv_stem(x)))
        for stage in self.blocks:
            for block in stage:
                x = block(x)
        x = nn.functional.relu6(self.bn2(self.conv_head(x)))
        return self.classifier(x.mean((2, 3)))


MODELS = torchvision.models
NETWORKS = [
    ("mobilenet_v2@64x0.5", lambda: MODELS.mobilenet_v2(num_classes=10, width_mult=0.5, dropout=0), 64),
    ("mobilenet_v3_small@64", lambda: MODELS.mobilenet_v3_small(num_classes=10, dropout=0), 64),
    ("efficientnet_b0@64", lambda: MODELS.efficientnet_b0(num_classes=10, dropout=0, stochastic_depth_prob=0), 64),
    ("cifar10_standard", lambda: Standard(10), 32),
]


def named(model):
    return {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def compare(program, name, make, side, folder, seed):
    torch.manual_seed(seed)
    model = make()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    batch, labels = torch.randn(24, 3, side, side), torch.arange(24) % 10
    save_file({key: value.contiguous() for key, value in named(model).items()}, folder / "weights.safetensors")
    np.save(folder / "batch.npy", batch.numpy())
    np.save(folder / "labels.npy", labels.numpy())
    files = [folder / file for file in ("weights.safetensors", "batch.npy", "labels.npy", "out.safetensors")]
    subprocess.run([program, name, *files], check=True)
    ours = read(files[-1])

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True)
    loss = nn.functional.cross_entropy(model(batch), labels)
    loss.backward()
    gradients = {key: value.grad for key, value in model.named_parameters()}
    optimizer.step()

    # Both lists are in the order of execution; names may be another library's.
    order = list(named(model))
    worst, differing = abs(float(ours["loss"][0]) - loss.item()) / loss.item(), 0
    for kind, theirs in [("gradient", gradients), ("updated", named(model))]:
        mine = [value for key, value in ours.items() if key.startswith(kind + ".")]
        total = float(torch.sqrt(sum((value.double() ** 2).sum() for value in theirs.values())))
        for key, value in zip(order, mine, strict=True):
            if key in theirs:
                expected = theirs[key].detach().double().numpy()
                distance = np.linalg.norm((value.reshape(expected.shape) - expected).ravel())
                error = distance / max(np.linalg.norm(expected.ravel()), 1e-3 * total)
                worst, differing = max(worst, error), differing + (error > LIMIT)
    print(f"{name}, batch {seed}: loss {loss.item():.6f}, worst difference {worst:.1e}, {differing} tensors differ")
    return worst <= LIMIT


def read(path):
    """The tensors of a file in its order: the first eight bytes are the length of a header in JSON."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start:], np.float32)[entry["data_offsets"][0] // 4 : entry["data_offsets"][1] // 4]
        for name, entry in header.items()
    }


def main():
    program = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/release/examples/gradients").resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        agree = [any(compare(program, *network, folder, seed) for seed in range(BATCHES)) for network in NETWORKS]
    sys.exit(0 if all(agree) else 1)


if __name__ == "__main__":
    main()
