"""What a network sees, should say and says, as one picture for TensorBoard."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from flame_fit.priors.face_labels import LabelScheme, label_colours
from flame_fit.training.samples import ParsingBatch, UvBatch

MOST_ROWS = 4
MOST = 255


def uv_picture(batch: UvBatch, prediction: Float[Tensor, "b 3 H W"]) -> UInt8[np.ndarray, "h w 3"]:
    """Photo, truth and answer of up to four images; red is u, green v, blue the mask."""
    answer = torch.cat([prediction[:, :2], prediction[:, 2:].sigmoid() * 2 - 1], dim=1)
    truth = torch.cat([batch.uv * batch.mask - (1 - batch.mask), batch.mask * 2 - 1], dim=1)
    columns = (batch.images * 2 - 1, truth, answer)
    return _rows([_bytes((maps.float() + 1) / 2) for maps in columns])


def parsing_picture(
    batch: ParsingBatch, logits: Float[Tensor, "b C H W"], *, scheme: LabelScheme
) -> UInt8[np.ndarray, "h w 3"]:
    """Photo, true classes and answer of up to four images, in the colours of the classes."""
    labels = (batch.labels, logits.argmax(dim=1))
    colours = [
        label_colours(maps[:MOST_ROWS].cpu().numpy().astype(np.uint8), scheme) for maps in labels
    ]
    return _rows([_bytes(batch.images), *colours])


def _bytes(maps: Float[Tensor, "b 3 H W"]) -> UInt8[np.ndarray, "n H W 3"]:
    values = maps[:MOST_ROWS].detach().clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
    return np.rint(values * MOST).astype(np.uint8)


def _rows(columns: list[UInt8[np.ndarray, "n H W 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    return np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
