"""Parameters of the head model and the mesh they give."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.errors import UsageError
from flame_fit.geometry.tensors import move


@dataclass(frozen=True, eq=False)
class FlameParams:
    """Parameters of a batch of heads; a field with batch size 1 is shared by the batch.

    Rotations are axis-angle vectors in radians.
    """

    shape: Float[Tensor, "#b shape_count"]
    """Identity coefficients at unit variance; coefficients left out are zero."""
    expression: Float[Tensor, "#b expression_count"]
    """Expression coefficients at unit variance; coefficients left out are zero."""
    head_rotation: Float[Tensor, "#b 3"]
    """Rotation of the whole head about the root joint, in world axes."""
    neck: Float[Tensor, "#b 3"]
    jaw: Float[Tensor, "#b 3"]
    eyes: Float[Tensor, "#b 6"]
    """Left eye, then right eye."""
    translation: Float[Tensor, "#b 3"]
    """Metres in world axes, added after the skinning."""

    @staticmethod
    def zeros(
        batch: int = 1,
        *,
        shape: int = 300,
        expression: int = 100,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "FlameParams":
        """Return the mean head at rest at the world origin, for `batch` images."""

        def zeros(count: int) -> Float[Tensor, "b count"]:
            return torch.zeros(batch, count, dtype=dtype, device=device)

        return FlameParams(
            shape=zeros(shape),
            expression=zeros(expression),
            head_rotation=zeros(3),
            neck=zeros(3),
            jaw=zeros(3),
            eyes=zeros(6),
            translation=zeros(3),
        )

    @property
    def batch_size(self) -> int:
        """Number of heads: the largest batch size among the fields."""
        return max(
            field.shape[0]
            for field in (
                self.shape,
                self.expression,
                self.head_rotation,
                self.neck,
                self.jaw,
                self.eyes,
                self.translation,
            )
        )

    def to(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> "FlameParams":
        """Return the parameters with another dtype or on another device."""
        return move(self, dtype=dtype, device=device)


@dataclass(frozen=True, eq=False)
class FlameMesh:
    """Heads in world space (metres)."""

    vertices: Float[Tensor, "b V 3"]
    joints: Float[Tensor, "b J 3"]
    """Posed joints: root, neck, jaw, left eye, right eye."""
    faces: Int[Tensor, "F 3"]
    joint_rotations: Float[Tensor, "b J 3 3"]
    """Orientation of each joint in world axes; joint 1 (neck) carries the head."""


def joint_vectors(params: FlameParams) -> Float[Tensor, "b J 3"]:
    """Return the axis-angle vector of each joint: root, neck, jaw, left eye, right eye."""
    batch = params.batch_size
    vectors = (params.head_rotation, params.neck, params.jaw, *params.eyes.split(3, dim=-1))
    return torch.stack([vector.expand(batch, 3) for vector in vectors], dim=1)


def joint_coefficients(
    params: FlameParams, *, shape_count: int, expression_count: int
) -> Float[Tensor, "b C"]:
    """Return identity and expression coefficients side by side; left-out ones are zero.

    Args:
        params: the parameters.
        shape_count: identity components the model uses.
        expression_count: expression components the model uses.
    """
    batch = params.batch_size
    shape = _padded("shape", params.shape, shape_count)
    expression = _padded("expression", params.expression, expression_count)
    return torch.cat((shape.expand(batch, -1), expression.expand(batch, -1)), dim=-1)


def _padded(
    name: str, coefficients: Float[Tensor, "b given"], count: int
) -> Float[Tensor, "b count"]:
    given = coefficients.shape[-1]
    if given > count:
        raise UsageError(f"{given} {name} coefficients were given; the model uses {count}")
    return torch.nn.functional.pad(coefficients, (0, count - given))
