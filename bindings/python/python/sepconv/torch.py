"""PyTorch's modules, run by sepconv. Needs the packages ``torch`` and ``onnx``: ``pip install sepconv[torch]``.

    import sepconv.torch

    model = sepconv.torch.model(module, torch.zeros(1, 3, 224, 224))
    outputs = model.compile(threads=1).run(x)
"""

from __future__ import annotations

import io
import json
from typing import Any, Mapping, Optional, Sequence, Tuple, Union

import torch

from ._native import Model

_TYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
}


def model(
    module: torch.nn.Module,
    example: Union[torch.Tensor, Tuple[torch.Tensor, ...]],
    *,
    input_names: Optional[Sequence[str]] = None,
    output_names: Optional[Sequence[str]] = None,
) -> Model:
    """The network of a module, exported in memory for inputs of the shapes of ``example``, in evaluation mode."""
    file, was_training = io.BytesIO(), module.training
    module.eval()
    try:
        with torch.no_grad():
            torch.onnx.export(
                module,
                example if isinstance(example, tuple) else (example,),
                file,  # type: ignore[arg-type, unused-ignore]
                input_names=input_names,
                output_names=output_names,
                opset_version=17,
                dynamo=False,
            )
    finally:
        module.train(was_training)
    return Model(file.getvalue())


def load(name: str, state_dict: Mapping[str, torch.Tensor]) -> Model:
    """The network called ``name`` (see `sepconv.networks`) with the parameters of a state dict, such as torchvision's
    or timm's."""
    return Model(name, weights=_safetensors(state_dict))


def _safetensors(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """The bytes of a .safetensors file."""
    header: dict[str, Any] = {}
    parts, end = [], 0
    for name, tensor in tensors.items():
        kept = tensor.detach().cpu().contiguous()
        part = kept.reshape(-1).view(torch.uint8).numpy().tobytes() if kept.numel() else b""
        start, end = end, end + len(part)
        header[name] = {"dtype": _TYPES[kept.dtype], "shape": list(kept.shape), "data_offsets": [start, end]}
        parts.append(part)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)
