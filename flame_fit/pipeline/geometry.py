"""Shape, expression, pose and focal length from points seen in the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.flame.jacobian import (
    VertexJacobian,
    point_jacobian,
    point_positions,
    select_surface_points,
)
from flame_fit.geometry import SurfacePoints, project, projection_jacobian
from flame_fit.losses import (
    GaussianPrior,
    geman_mcclure_cost,
    geman_mcclure_weight,
    prior_residual,
    reprojection_residual,
)
from flame_fit.optim import NormalEquations
from flame_fit.pipeline.head_state import FOCAL_BLOCK, FreeBlocks, HeadState


@dataclass(frozen=True)
class PointTerm:
    """Points of the head surface that were seen at pixels.

    Landmarks, contour points and dense correspondences are all of this form.

    Attributes:
        name: What the report calls it.
        points: Where on the head.
        pixels: Where in the photo.
        sigma: Standard deviation of one coordinate, in pixels.
        confidence: 0 (ignored) to 1.
        weight: Weight of the whole term; residuals are in noise units already, so that one is
            the value that a calibrated noise asks for.
        effective_count: How many independent points the term is worth; the errors of
            neighbouring points go together.
        robust_scale: Residual in standard deviations at which a point counts half.
    """

    name: str
    points: SurfacePoints
    pixels: Float[Tensor, "n 2"]
    sigma: Float[Tensor, " n"]
    confidence: Float[Tensor, " n"]
    weight: float = 1.0
    effective_count: float = 100.0
    robust_scale: float = 4.0


@dataclass(frozen=True)
class BlockPrior:
    """A Gaussian prior of one block of parameters.

    Attributes:
        name: The block.
        prior: Its Gaussian.
        weight: One is what the Gaussian says.
    """

    name: str
    prior: GaussianPrior
    weight: float = 1.0


@dataclass(frozen=True)
class DistancePrior:
    """A log-normal prior of how far the head is from the camera.

    Attributes:
        metres: Median distance.
        sigma: Standard deviation of its logarithm.
    """

    metres: float = 0.9
    sigma: float = 0.4


@dataclass(frozen=True)
class TermValue:
    """What one term contributes to the cost.

    Attributes:
        name: The term.
        unweighted: Its value with weight one.
        weighted: Its share of the cost.
    """

    name: str
    unweighted: float
    weighted: float


@dataclass(frozen=True)
class _Residuals:
    """Residuals of all point terms at one state, a row per point."""

    whitened: Float[Tensor, "n 2"]
    squared: Float[Tensor, " n"]


class GeometryProblem:
    """The geometry of one photo as a least-squares problem in the free blocks."""

    def __init__(
        self,
        model: FlameModel,
        base: HeadState,
        *,
        terms: tuple[PointTerm, ...],
        priors: tuple[BlockPrior, ...],
        distance: DistancePrior,
        free: tuple[str, ...],
    ) -> None:
        self._base = base
        self._terms = terms
        self._distance = distance
        self.layout = FreeBlocks.of(base, free)
        self._priors = tuple(prior for prior in priors if self.layout.span(prior.name) is not None)
        points = SurfacePoints(
            torch.cat([term.points.face_index for term in terms]),
            torch.cat([term.points.barycentrics for term in terms]),
        )
        self._selection = select_surface_points(model, points)
        self._pixels = torch.cat([term.pixels for term in terms])
        self._sigma = torch.cat([term.sigma for term in terms])
        self._robust = torch.cat([torch.full_like(term.sigma, term.robust_scale) for term in terms])
        self._weight = torch.cat([_point_weights(term) for term in terms])

    def state(self, value: Float[Tensor, " n"]) -> HeadState:
        """Return the head of a vector."""
        return self.layout.unpack(value, self._base)

    def start(self) -> Float[Tensor, " n"]:
        """Return the vector of the state that the problem was made from."""
        return self.layout.pack(self._base)

    def _residuals(self, state: HeadState, points: Float[Tensor, "n 3"]) -> _Residuals:
        pixels = project(state.camera, points[None]).pixels[0]
        whitened = reprojection_residual(pixels, self._pixels, self._sigma)
        return _Residuals(whitened, (whitened**2).sum(dim=-1))

    def _robust_costs(self, residuals: _Residuals) -> Float[Tensor, " n"]:
        ratio = residuals.squared / self._robust**2
        return geman_mcclure_cost(ratio, scale=1.0) * self._robust**2

    def _distance_residual(self, state: HeadState) -> Float[Tensor, ""]:
        depth = (-state.flame.translation[0, 2]).clamp_min(1e-3)
        return (torch.log(depth) - torch.log(depth.new_tensor(self._distance.metres))) / (
            self._distance.sigma
        )

    def cost(self, value: Float[Tensor, " n"]) -> float:
        """Return half the weighted sum of squares, robust in the points."""
        return sum(term.weighted for term in self.values(value))

    def values(self, value: Float[Tensor, " n"]) -> tuple[TermValue, ...]:
        """Return what every term and prior contributes at a vector."""
        state = self.state(value)
        points = point_positions(self._selection, state.flame)[0]
        costs = 0.5 * self._robust_costs(self._residuals(state, points))
        values = []
        start = 0
        for term in self._terms:
            span = slice(start, start + len(term.sigma))
            start = span.stop
            confident = term.confidence.sum().clamp_min(1e-9)
            unweighted = float((term.confidence * costs[span]).sum() / confident)
            weighted = float((self._weight[span] * costs[span]).sum())
            values.append(TermValue(term.name, unweighted, weighted))
        for prior in self._priors:
            residual = prior_residual(value[self.layout.span(prior.name)], prior.prior)
            half = 0.5 * float((residual**2).sum())
            values.append(TermValue(f"prior_{prior.name}", half, prior.weight * half))
        half = 0.5 * float(self._distance_residual(state) ** 2)
        values.append(TermValue("prior_distance", half, half))
        return tuple(values)

    def linearise(self, value: Float[Tensor, " n"]) -> NormalEquations:
        """Return cost and reweighted normal equations with the analytic Jacobian."""
        state = self.state(value)
        points = point_positions(self._selection, state.flame)
        residuals = self._residuals(state, points[0])
        robust = geman_mcclure_weight(residuals.squared / self._robust**2, scale=1.0)
        root = (self._weight * robust).sqrt()
        outer = projection_jacobian(state.camera, points) * (root / self._sigma)[:, None, None]
        surface = point_jacobian(self._selection, state.flame, outer=outer)
        offset = project(state.camera, points).pixels[0] - state.camera.principal_point[0]
        by_focal = offset * (root / self._sigma)[:, None]
        columns = [_column(name, surface, by_focal) for name in self.layout.names]
        jacobian = torch.cat(columns, dim=-1).reshape(-1, self.layout.length)
        whitened = (residuals.whitened * root[:, None]).reshape(-1)
        matrix = jacobian.T @ jacobian
        gradient = jacobian.T @ whitened
        self._add_priors(value, state, matrix, gradient)
        return NormalEquations(self.cost(value), gradient, matrix)

    def _add_priors(
        self,
        value: Float[Tensor, " n"],
        state: HeadState,
        matrix: Float[Tensor, "n n"],
        gradient: Float[Tensor, " n"],
    ) -> None:
        """Add the priors to fresh normal equations (they belong to the caller's step)."""
        for prior in self._priors:
            span = self.layout.span(prior.name)
            whitening = prior.prior.whitening
            matrix[span, span] += prior.weight * whitening.T @ whitening
            residual = prior_residual(value[span], prior.prior)
            gradient[span] += prior.weight * whitening.T @ residual
        span = self.layout.span("translation")
        if span is not None:
            depth = state.flame.translation[0, 2]
            slope = 1.0 / (depth.clamp_max(-1e-3) * self._distance.sigma)
            index = span.start + 2
            matrix[index, index] += slope**2
            gradient[index] += slope * self._distance_residual(state)


def _column(
    name: str, surface: VertexJacobian, by_focal: Float[Tensor, "n 2"]
) -> Float[Tensor, "n 2 size"]:
    """Return the derivative of the weighted residuals by one block."""
    return by_focal[..., None] if name == FOCAL_BLOCK else getattr(surface, name)[0]


def _point_weights(term: PointTerm) -> Float[Tensor, " n"]:
    """Return the weight of each point: the confident ones share the effective count."""
    share = min(1.0, term.effective_count / max(float(term.confidence.sum()), 1e-6))
    return term.weight * share * term.confidence
