"""Where the points of a head lie if the face mesh is right: a first guess for the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flame_fit.priors.face_mesh_topology import MESH_COUNT

NEIGHBOURS = 8
REACH = 0.02
"""Metres over which a deviation of the face mesh from the mean head is taken over."""
_AXES = 3


@dataclass(frozen=True, eq=False)
class Guess:
    """First guesses, zero where there is no face mesh.

    Attributes:
        places: Shares of the square's side, x to the right and y down.
        depth: Metres from the neck joint.
        known: One where there is a face mesh, zero where not.
    """

    places: Float[Tensor, "b N 2"]
    depth: Float[Tensor, "b N"]
    known: Float[Tensor, "b 1"]


class MeshGuess(nn.Module):
    """The mean head, moved affinely onto the face mesh and bent to it nearby."""

    mean_mesh: Tensor
    mean_points: Tensor
    mean_neck: Tensor
    solve: Tensor
    near: Tensor
    near_weight: Tensor

    def __init__(self, point_count: int) -> None:
        super().__init__()
        self.register_buffer("mean_mesh", torch.zeros(MESH_COUNT, _AXES + 1))
        self.register_buffer("mean_points", torch.zeros(point_count, _AXES + 1))
        self.register_buffer("mean_neck", torch.zeros(1, _AXES + 1))
        self.register_buffer("solve", torch.zeros(_AXES + 1, MESH_COUNT))
        self.register_buffer("near", torch.zeros(point_count, NEIGHBOURS, dtype=torch.int32))
        self.register_buffer("near_weight", torch.zeros(point_count, NEIGHBOURS))

    def prepare(
        self,
        mesh: Float[Tensor, "468 3"],
        points: Float[Tensor, "N 3"],
        neck: Float[Tensor, "3"],
    ) -> None:
        """Take over the mean head.

        Args:
            mesh: The face mesh on it, metres, head axes.
            points: The points of the network.
            neck: The neck joint.
        """
        self.mean_mesh.copy_(_homogeneous(mesh))
        self.mean_points.copy_(_homogeneous(points))
        self.mean_neck.copy_(_homogeneous(neck[None]))
        self.solve.copy_(torch.linalg.pinv(self.mean_mesh.double()).to(self.solve))
        found = torch.cdist(points, mesh).topk(NEIGHBOURS, largest=False)
        self.near.copy_(found.indices)
        weight = 1.0 / (found.values / REACH * NEIGHBOURS).square().clamp_min(1e-3)
        faded = torch.exp(-(found.values[:, :1] / REACH).square())
        self.near_weight.copy_(faded * weight / weight.sum(-1, keepdim=True))

    def forward(self, mesh: Float[Tensor, "b 468 3"]) -> Guess:
        """Return the guess.

        Args:
            mesh: Places and depth in shares of the square's side, depth larger farther away; all
                zero where there is none.
        """
        known = (mesh.abs().amax((1, 2)) > 0.0).to(mesh)[:, None]
        affine = self.solve @ mesh
        bent = mesh - self.mean_mesh @ affine
        guess = self.mean_points @ affine
        guess = guess + (bent[:, self.near.long()] * self.near_weight[..., None]).sum(2)
        neck = self.mean_neck @ affine
        # Shares of the side per metre.
        scale = affine[:, :_AXES].square().sum((1, 2)).div(_AXES).sqrt().clamp_min(1e-3)
        depth = (guess[..., 2] - neck[..., 2]) / scale[:, None]
        return Guess(guess[..., :2], depth * known, known)


def _homogeneous(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    return torch.cat((points, torch.ones_like(points[:, :1])), dim=-1)
