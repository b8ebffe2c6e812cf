"""State dicts of ArcFace's backbone, VGG16 and LPIPS, written down name by name."""

from __future__ import annotations

import torch

VGG_CONVOLUTIONS = ((0, 0), (2, 0), (5, 1), (7, 1), (10, 2), (12, 2), (14, 2), (17, 3), (19, 3),
                    (21, 3), (24, 4), (26, 4), (28, 4))  # fmt: skip
"""Number of each convolution in torchvision's list and the block it is in."""


def backbone_shapes(
    depths: tuple[int, ...] = (3, 4, 14, 3),
    channels: tuple[int, ...] = (64, 128, 256, 512),
    embedding: int = 512,
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of `ms1mv3_arcface_r50`, independent of the library's own classes."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, count: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (count,)
        shapes[f"{name}.num_batches_tracked"] = ()

    inputs = channels[0]
    shapes["conv1.weight"] = (inputs, 3, 3, 3)
    norm("bn1", inputs)
    shapes["prelu.weight"] = (inputs,)
    for stage, (depth, outputs) in enumerate(zip(depths, channels, strict=True), start=1):
        for number in range(depth):
            unit = f"layer{stage}.{number}"
            norm(f"{unit}.bn1", inputs)
            shapes[f"{unit}.conv1.weight"] = (outputs, inputs, 3, 3)
            norm(f"{unit}.bn2", outputs)
            shapes[f"{unit}.prelu.weight"] = (outputs,)
            shapes[f"{unit}.conv2.weight"] = (outputs, outputs, 3, 3)
            norm(f"{unit}.bn3", outputs)
            if number == 0:
                shapes[f"{unit}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                norm(f"{unit}.downsample.1", outputs)
            inputs = outputs
    norm("bn2", inputs)
    shapes["fc.weight"] = (embedding, inputs * 7 * 7)
    shapes["fc.bias"] = (embedding,)
    norm("features", embedding)
    return shapes


def small_backbone(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of a small backbone."""
    shapes = backbone_shapes((1, 2, 1, 1), (4, 4, 6, 8), 10)
    return _drawn(shapes, seed)


def vgg16_shapes(
    channels: tuple[int, ...] = (64, 128, 256, 512, 512), classifier: int = 4096
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's VGG16."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 3
    for number, block in VGG_CONVOLUTIONS:
        shapes[f"features.{number}.weight"] = (channels[block], inputs, 3, 3)
        shapes[f"features.{number}.bias"] = (channels[block],)
        inputs = channels[block]
    rows = (inputs * 49, classifier, classifier, 1000)
    for number, (before, after) in zip((0, 3, 6), zip(rows, rows[1:], strict=False), strict=True):
        shapes[f"classifier.{number}.weight"] = (after, before)
        shapes[f"classifier.{number}.bias"] = (after,)
    return shapes


SMALL_CHANNELS = (4, 6, 8, 8, 6)


def small_vgg16(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of a small VGG16."""
    return _drawn(vgg16_shapes(SMALL_CHANNELS, classifier=2), seed)


def small_lpips(seed: int = 1) -> dict[str, torch.Tensor]:
    """Random weights of its channels, none below 0."""
    shapes = {f"lin{k}.model.1.weight": (1, size, 1, 1) for k, size in enumerate(SMALL_CHANNELS)}
    return {name: value.abs() for name, value in _drawn(shapes, seed).items()}


def _drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        fan = max(1, torch.Size(shape[1:]).numel())
        state[name] = torch.randn(shape, generator=generator) / fan**0.5
        if name.endswith("running_var"):
            state[name] = 1.0 + 0.1 * state[name].abs()
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
    return state
