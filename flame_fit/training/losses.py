"""What the networks are trained to make small, unweighted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from flame_fit.priors.face_labels import IGNORE

# Only pixels that are certainly on the head count for UV.
CERTAIN = 0.99


@dataclass(frozen=True, eq=False)
class UvErrors:
    """Errors of a UV map.

    Attributes:
        absolute: Mean over the mask and over u and v of the absolute error.
        squared: The same of the squared error.
        mask: Mean binary cross entropy of the mask over all pixels.
    """

    absolute: Float[Tensor, ""]
    squared: Float[Tensor, ""]
    mask: Float[Tensor, ""]


def uv_errors(
    prediction: Float[Tensor, "b 3 H W"],
    uv: Float[Tensor, "b 2 H W"],
    mask: Float[Tensor, "b 1 H W"],
) -> UvErrors:
    """Errors of u, v and the mask, in float32 whatever the network computes in.

    Args:
        prediction: u and v, from -1 to 1 where they are right, and the logit of the mask.
        uv: Truth, from -1 to 1.
        mask: 1 where the truth holds.

    Returns:
        Errors, those of UV 0 if the mask is empty.
    """
    prediction = prediction.float()
    certain = (mask > CERTAIN).float()
    difference = (prediction[:, :2] - uv) * certain
    count = (2.0 * certain.sum()).clamp_min(1.0)
    return UvErrors(
        absolute=difference.abs().sum() / count,
        squared=difference.square().sum() / count,
        mask=functional.binary_cross_entropy_with_logits(prediction[:, 2:], mask),
    )


def label_error(
    logits: Float[Tensor, "b C H W"], labels: Int64[Tensor, "b H W"]
) -> Float[Tensor, ""]:
    """Mean cross entropy over all labelled pixels, in float32; 0 if no pixel is labelled."""
    total = functional.cross_entropy(logits.float(), labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp_min(1)


def mean_of(values: tuple[Float[Tensor, ""], ...]) -> Float[Tensor, ""]:
    """Mean of some losses, 0 of none."""
    return torch.stack(values).mean() if values else torch.zeros(())
