"""Evidence as residuals of surface points: where they are seen, and how deep."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from flame_fit.geometry import SurfacePoints, project, projection_jacobian
from flame_fit.geometry.cameras import CAMERA_FROM_WORLD
from flame_fit.losses import reprojection_residual
from flame_fit.pipeline.blocks import FOCAL_BLOCK
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class BlockRows:
    """Derivatives of residuals by a block that does not act by way of the vertices.

    Attributes:
        name: The block.
        rows: Derivative of each residual.
    """

    name: str
    rows: Float[Tensor, "b n k size"]


@dataclass(frozen=True)
class TermRows:
    """The residuals of a term at one state.

    Attributes:
        residual: In standard deviations of the noise, k numbers a point.
        by_corner: Derivative by the three corners of the point's triangle, world axes; None if it
            was not asked for.
        by_block: Derivatives by other blocks.
    """

    residual: Float[Tensor, "b n k"]
    by_corner: Float[Tensor, "b n k 3 3"] | None = None
    by_block: tuple[BlockRows, ...] = ()


@runtime_checkable
class Term(Protocol):
    """Residuals of points on the head's surface.

    Whatever was seen takes this form, so that a solver knows one kind of evidence: landmarks,
    dense correspondences, depth, colours and outlines.

    Attributes:
        name: What the report calls it.
        points: Where on the head.
        weight: Weight of each point: its confidence times its share in the term's worth.
        robust_scale: Residual of a point, in standard deviations, at which it counts half.
        per_constant: By how much a constant of each scene that nobody knows moves each residual;
            the constant is then chosen best. None where there is none.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def points(self) -> SurfacePoints: ...  # noqa: D102
    @property
    def weight(self) -> Float[Tensor, "b n"]: ...  # noqa: D102
    @property
    def robust_scale(self) -> float: ...  # noqa: D102
    @property
    def per_constant(self) -> Float[Tensor, "b n"] | None: ...  # noqa: D102

    def rows(
        self,
        corners: Float[Tensor, "b n 3 3"],
        scene: SceneParams,
        *,
        wanted: Collection[str],
    ) -> TermRows:
        """Return residuals, and their derivatives by the blocks in `wanted`.

        Args:
            corners: Corners of the points' triangles, world axes.
            scene: The scene they belong to.
            wanted: Blocks whose derivatives are needed.
        """
        ...


def shared_weight(
    confidence: Float[Tensor, "b n"], *, worth: float, weight: float
) -> Float[Tensor, "b n"]:
    """Return the weight of each point when the confident ones share what the term is worth.

    Args:
        confidence: 0 (ignored) to 1.
        worth: How many independent points the term is worth; the errors of neighbours go
            together, so that counting each one would drown every prior.
        weight: Of the whole term; one is what a calibrated noise asks for.
    """
    share = (worth / confidence.sum(dim=-1, keepdim=True).clamp_min(1e-6)).clamp_max(1.0)
    return weight * share * confidence


def points_of(corners: Float[Tensor, "b n 3 3"], points: SurfacePoints) -> Float[Tensor, "b n 3"]:
    """Return surface points from the corners of their triangles."""
    return (points.barycentrics.to(corners.dtype)[..., None] * corners).sum(dim=-2)


def spread_to_corners(
    by_point: Float[Tensor, "b n k 3"], points: SurfacePoints
) -> Float[Tensor, "b n k 3 3"]:
    """Return the derivative by the corners from the derivative by the point."""
    barycentrics = points.barycentrics.to(by_point.dtype)
    return by_point[..., None, :] * barycentrics[..., None, :, None]


def by_log_focal(
    pixels: Float[Tensor, "b n 2"], principal_point: Float[Tensor, "b 2"]
) -> Float[Tensor, "b n 2"]:
    """Return the derivative of projected pixels by the logarithm of the focal length."""
    return pixels - principal_point[:, None]


@dataclass(frozen=True)
class PointTerm:
    """Points of the head that were seen at pixels of the photo; see `Term`.

    Landmarks, contour points and dense correspondences are all of this form.

    Attributes:
        pixels: Where in the photo.
        sigma: Standard deviation of one coordinate, in pixels.
    """

    name: str
    points: SurfacePoints
    pixels: Float[Tensor, "b n 2"]
    sigma: Float[Tensor, "b n"]
    weight: Float[Tensor, "b n"]
    robust_scale: float = 4.0

    @property
    def per_constant(self) -> None:
        """Pixels are known as they are."""

    def rows(
        self,
        corners: Float[Tensor, "b n 3 3"],
        scene: SceneParams,
        *,
        wanted: Collection[str],
    ) -> TermRows:
        """Return the whitened distances from where the points were seen."""
        world = points_of(corners, self.points)
        seen = project(scene.camera, world).pixels
        residual = reprojection_residual(seen, self.pixels, self.sigma)
        if not wanted:
            return TermRows(residual)
        outer = projection_jacobian(scene.camera, world) / self.sigma[..., None, None]
        blocks: tuple[BlockRows, ...] = ()
        if FOCAL_BLOCK in wanted:
            by_focal = by_log_focal(seen, scene.camera.principal_point) / self.sigma[..., None]
            blocks = (BlockRows(FOCAL_BLOCK, by_focal[..., None]),)
        return TermRows(residual, spread_to_corners(outer, self.points), blocks)


@dataclass(frozen=True)
class DepthTerm:
    """Points of the head whose depth was seen, up to a constant of each photo; see `Term`.

    Attributes:
        depth: Metres along the camera's axis, larger is farther.
        sigma: Standard deviation, metres.
    """

    name: str
    points: SurfacePoints
    depth: Float[Tensor, "b n"]
    sigma: Float[Tensor, "b n"]
    weight: Float[Tensor, "b n"]
    robust_scale: float = 4.0

    @property
    def per_constant(self) -> Float[Tensor, "b n"]:
        """A metre farther away, in standard deviations."""
        return 1.0 / self.sigma

    def rows(
        self,
        corners: Float[Tensor, "b n 3 3"],
        scene: SceneParams,
        *,
        wanted: Collection[str],
    ) -> TermRows:
        """Return the whitened differences of depth, before the best constant is taken off."""
        world = points_of(corners, self.points)
        towards = CAMERA_FROM_WORLD[2]
        residual = ((towards * world[..., 2] - self.depth) / self.sigma)[..., None]
        if not wanted:
            return TermRows(residual)
        axis = world.new_tensor([0.0, 0.0, towards])
        outer = (axis / self.sigma[..., None])[..., None, :]
        return TermRows(residual, spread_to_corners(outer, self.points))
