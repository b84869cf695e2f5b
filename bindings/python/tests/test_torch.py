"""PyTorch's modules. Skipped where PyTorch is not installed: it is large."""

import numpy as np
import pytest

import sepconv

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn


class Block(nn.Module):
    """An inverted residual."""

    def __init__(self, channels, expanded):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, expanded, 1, bias=False),
            nn.BatchNorm2d(expanded),
            nn.ReLU6(),
            nn.Conv2d(expanded, expanded, 3, padding=1, groups=expanded, bias=False),
            nn.BatchNorm2d(expanded),
            nn.Hardswish(),
            nn.Conv2d(expanded, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return x + self.layers(x)


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        Block(16, 64),
        Block(16, 48),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def test_a_module_answers_as_pytorch_does(module):
    import sepconv.torch

    pytest.importorskip("onnx", reason="PyTorch exports with the package onnx, which is not installed")
    x = torch.randn(1, 3, 32, 32)
    module.train()
    compiled = sepconv.torch.model(module, x, input_names=["image"], output_names=["scores"]).compile(threads=1)
    assert module.training
    with torch.no_grad():
        expected = module.eval()(x).numpy()
    np.testing.assert_allclose(compiled.run({"image": x})["scores"], expected, rtol=1e-4, atol=1e-4)


def test_a_state_dict_is_loaded_by_its_names():
    """The names and shapes are torchvision's."""
    import sepconv.torch

    network = sepconv.Model("mobilenet_v2")
    with pytest.raises(sepconv.Error, match="mobilenet_v2"):
        sepconv.torch.load("mobilenet_v2", {"features.0.0.weight": torch.zeros(32, 3, 3, 3)})
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    torch.manual_seed(5)
    reference = torchvision.models.mobilenet_v2().eval()
    x = torch.randn(1, 3, 224, 224)
    model = sepconv.torch.load("mobilenet_v2", reference.state_dict())
    with torch.no_grad():
        expected = reference(x).numpy()
    np.testing.assert_allclose(model.compile(threads=1).run(x)["logits"], expected, rtol=1e-4, atol=1e-4)
    assert network.get_inputs() == model.get_inputs()
