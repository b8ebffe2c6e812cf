"""How sure a fit is: standard deviations from the curvature of its objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.pipeline.blocks import FreeBlocks
from flame_fit.pipeline.objective import Objective

# Curvature below this share of the largest is taken for none: the block is unknown there.
LEAST_CURVATURE = 1e-12


@dataclass(frozen=True)
class Uncertainty:
    """The Gaussian about one solution (Laplace's approximation).

    It is as wide as noise and priors say, and knows nothing of what the model cannot express.

    Attributes:
        layout: Where the blocks lie.
        covariance: Of the free blocks.
    """

    layout: FreeBlocks
    covariance: Float[Tensor, "n n"]

    def deviation(self, block: str) -> Float[Tensor, " size"]:
        """Return the standard deviation of each number of a block.

        Raises:
            ValueError: If the block did not move.
        """
        span = self.layout.span(block)
        if span is None:
            raise ValueError(f"Block {block!r} did not move; choose from {self.layout.names}.")
        return torch.diagonal(self.covariance)[span].clamp_min(0.0).sqrt()


def uncertainty_of(objective: Objective, value: Float[Tensor, "b n"]) -> tuple[Uncertainty, ...]:
    """Return the uncertainty of each scene at the minimum of its objective.

    Args:
        objective: With all evidence and priors.
        value: The minimum.
    """
    matrix = objective.linearise(value).matrix.double()
    diagonal = torch.diagonal(matrix, dim1=-2, dim2=-1)
    floor = LEAST_CURVATURE * diagonal.amax(dim=-1, keepdim=True).clamp_min(1e-300)
    factor = torch.linalg.cholesky(matrix + torch.diag_embed(floor.expand_as(diagonal)))
    return tuple(Uncertainty(objective.layout, each) for each in torch.cholesky_inverse(factor))


def vertex_deviation(model: FlameModel, found: Uncertainty) -> Float[Tensor, " V"]:
    """Return the standard deviation of every vertex of the unposed head, metres.

    Identity and expression count; where the head is and how it is turned does not.

    Args:
        model: The head model.
        found: Uncertainty of its coefficients.
    """
    spans = [found.layout.span(name) for name in ("shape", "expression")]
    known = [span for span in spans if span is not None]
    index = torch.cat([torch.arange(span.start, span.stop) for span in known])
    index = index.to(found.covariance.device)
    covariance = found.covariance[index][:, index]
    used = [
        torch.arange(offset, offset + span.stop - span.start)
        for offset, span in zip((0, model.shape_count), spans, strict=True)
        if span is not None
    ]
    basis = model.basis[..., torch.cat(used).to(model.basis.device)]
    values, vectors = torch.linalg.eigh(covariance)
    root = (vectors * values.clamp_min(0.0).sqrt()).to(basis)
    return (basis.flatten(0, 1) @ root).square().sum(dim=-1).unflatten(0, (-1, 3)).sum(-1).sqrt()
