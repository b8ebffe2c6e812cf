"""Terms and priors as one least-squares problem in the free blocks of a batch of scenes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.flame import FlameModel
from flame_fit.flame.jacobian import (
    VertexJacobian,
    select_vertices,
    vertex_jacobian,
    vertex_positions,
)
from flame_fit.losses import geman_mcclure_cost, geman_mcclure_weight
from flame_fit.optim import NormalEquations
from flame_fit.pipeline.blocks import FLAME_BLOCKS, FreeBlocks
from flame_fit.pipeline.priors import Prior
from flame_fit.pipeline.terms import Term, TermRows
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class TermValue:
    """What one term contributes to the cost of one scene.

    Attributes:
        name: The term.
        unweighted: Its value with weight one: for points, the mean over the confident ones.
        weighted: Its share of the cost.
    """

    name: str
    unweighted: float
    weighted: float


class Objective:
    """The cost of a batch of scenes, half a robust sum of squares, with its exact derivatives."""

    def __init__(
        self,
        model: FlameModel,
        base: SceneParams,
        *,
        terms: Sequence[Term],
        priors: Sequence[Prior],
        free: tuple[str, ...],
    ) -> None:
        """Gather what the terms need of the model.

        Args:
            model: The head model.
            base: The scenes, which give the blocks that do not move.
            terms: Evidence of every scene; at least one.
            priors: Those of blocks that do not move are left out.
            free: The blocks that move.
        """
        self._base = base
        self._terms = tuple(terms)
        self.layout = FreeBlocks.of(base, free)
        self._priors = tuple(prior for prior in priors if prior.block in free)
        corners = [model.assets.faces[term.points.face_index] for term in self._terms]
        vertices, places = torch.unique(
            torch.cat([each.reshape(-1) for each in corners]), return_inverse=True
        )
        self._selection = select_vertices(model, vertices)
        sizes = [each.numel() for each in corners]
        self._corners = tuple(
            place.reshape(each.shape)
            for place, each in zip(places.split(sizes), corners, strict=True)
        )
        self._head_spans = _head_spans(self.layout)

    def scene(self, value: Float[Tensor, "b n"]) -> SceneParams:
        """Return the scenes of a vector."""
        return self.layout.unpack(value, self._base)

    def start(self) -> Float[Tensor, "b n"]:
        """Return the vector of the scenes that the objective was made from."""
        return self.layout.pack(self._base)

    def cost(self, value: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
        """Return the costs; differentiable, so that any optimiser can use them."""
        scene = self.scene(value)
        total = value.new_zeros(len(value))
        for term, rows in zip(self._terms, self._rows(scene, wanted=()), strict=True):
            total = total + _weighted(term, rows)
        for prior in self._priors:
            total = total + prior.weight * _half_square(prior, value, self.layout)
        return total

    def values(self, value: Float[Tensor, "b n"]) -> tuple[tuple[TermValue, ...], ...]:
        """Return what every term and prior contributes, for each scene."""
        scene = self.scene(value)
        table: list[tuple[str, list[float], list[float]]] = []
        for term, rows in zip(self._terms, self._rows(scene, wanted=()), strict=True):
            costs = 0.5 * _robust_costs(term, rows)
            total = term.weight.sum(dim=-1).clamp_min(1e-12)
            mean = (term.weight * costs).sum(dim=-1) / total
            table.append((term.name, mean.tolist(), _weighted(term, rows).tolist()))
        for prior in self._priors:
            half = _half_square(prior, value, self.layout)
            table.append((prior.name, half.tolist(), (prior.weight * half).tolist()))
        return tuple(
            tuple(TermValue(name, plain[index], shares[index]) for name, plain, shares in table)
            for index in range(len(value))
        )

    def linearise(self, value: Float[Tensor, "b n"]) -> NormalEquations:
        """Return costs and reweighted normal equations with the analytic Jacobian."""
        scene = self.scene(value)
        count = self.layout.length
        matrix = value.new_zeros(len(value), count, count)
        gradient = value.new_zeros(len(value), count)
        cost = value.new_zeros(len(value))
        by_vertex, positions = None, None
        if self._head_spans:
            moved = vertex_jacobian(self._selection, scene.flame)
            by_vertex, positions = self._vertex_rows(moved), moved.positions
        every = self._rows(scene, wanted=self.layout.names, positions=positions)
        for term, rows, corners in zip(self._terms, every, self._corners, strict=True):
            cost = cost + _weighted(term, rows)
            residual, jacobian = self._whitened(term, rows, by_vertex, corners)
            reach = slice(jacobian.shape[-1])
            matrix[:, reach, reach].baddbmm_(jacobian.mT, jacobian)
            gradient[:, reach, None].baddbmm_(jacobian.mT, residual[..., None])
        for prior in self._priors:
            cost = cost + prior.weight * _half_square(prior, value, self.layout)
            self._add_prior(prior, value, matrix, gradient)
        return NormalEquations(cost, gradient, matrix)

    def _rows(
        self,
        scene: SceneParams,
        *,
        wanted: Collection[str],
        positions: Float[Tensor, "b v 3"] | None = None,
    ) -> list[TermRows]:
        """Return the rows of every term, without the constants that nobody knows."""
        if positions is None:
            positions = vertex_positions(self._selection, scene.flame)
        every = []
        for term, corners in zip(self._terms, self._corners, strict=True):
            rows = term.rows(_gather(positions, corners), scene, wanted=wanted)
            if term.per_constant is not None:
                residual = _without_constant(rows.residual, term.per_constant, term.weight)
                rows = TermRows(residual, rows.by_corner, rows.by_block)
            every.append(rows)
        return every

    def _vertex_rows(self, moved: VertexJacobian) -> Float[Tensor, "b v 3 size"]:
        """Return the derivative of the vertices in use by the free blocks of the head."""
        return torch.cat(
            [getattr(moved, name) for name in self.layout.names if name in FLAME_BLOCKS], dim=-1
        )

    def _whitened(
        self,
        term: Term,
        rows: TermRows,
        by_vertex: Float[Tensor, "b v 3 size"] | None,
        corners: Int[Tensor, "#b n 3"] | Int[Tensor, "n 3"],
    ) -> tuple[Float[Tensor, "b rows"], Float[Tensor, "b rows columns"]]:
        """Return residuals and Jacobian times the roots of their weights.

        The Jacobian ends with the last block that moves this term: landmarks know no colours.
        """
        squared = (rows.residual**2).sum(dim=-1)
        robust = geman_mcclure_weight(squared / term.robust_scale**2, scale=1.0)
        root = (term.weight * robust).sqrt()[..., None]
        batch, count, channels = rows.residual.shape
        parts = [(self.layout.span(block.name), block.rows) for block in rows.by_block]
        if by_vertex is not None and rows.by_corner is not None:
            moved = _gather(by_vertex, corners).flatten(2, 3).flatten(0, 1)
            outer = rows.by_corner.flatten(3, 4).flatten(0, 1)
            product = torch.bmm(outer, moved).unflatten(0, (batch, count))
            parts += [(span, product[..., columns]) for span, columns in self._head_spans]
        reach = max((span.stop for span, _ in parts if span is not None), default=0)
        jacobian = rows.residual.new_zeros(batch, count, channels, reach)
        for span, part in parts:
            jacobian[..., span] = part
        if term.per_constant is not None:
            flat = _without_constant(jacobian.flatten(2), term.per_constant, term.weight)
            jacobian = flat.unflatten(-1, (channels, -1))
        jacobian.mul_(root[..., None])
        return (rows.residual * root).flatten(1), jacobian.flatten(1, 2)

    def _add_prior(
        self,
        prior: Prior,
        value: Float[Tensor, "b n"],
        matrix: Float[Tensor, "b n n"],
        gradient: Float[Tensor, "b n"],
    ) -> None:
        """Add a prior to fresh normal equations (they belong to the caller's step)."""
        span = self.layout.span(prior.block)
        part = value[:, span]
        jacobian = prior.jacobian(part)
        residual = prior.residual(part)
        matrix[:, span, span] += prior.weight * jacobian.mT @ jacobian
        gradient[:, span] += prior.weight * (jacobian.mT @ residual[..., None])[..., 0]


def _head_spans(layout: FreeBlocks) -> tuple[tuple[slice, slice], ...]:
    """Return where each run of blocks of the head lies among all free blocks and among its own."""
    spans, start, own = [], 0, 0
    blocks = zip(layout.names, layout.sizes, strict=True)
    for of_head, run in groupby(blocks, key=lambda block: block[0] in FLAME_BLOCKS):
        size = sum(size for _, size in run)
        if of_head:
            spans.append((slice(start, start + size), slice(own, own + size)))
            own += size
        start += size
    return tuple(spans)


def _gather(
    values: Float[Tensor, "b v *rest"], corners: Int[Tensor, "#b n 3"] | Int[Tensor, "n 3"]
) -> Float[Tensor, "b n 3 *rest"]:
    """Return what belongs to the corners of each scene's points."""
    if corners.ndim == 2:  # noqa: PLR2004 - (n, 3): the same points in every scene
        return values[:, corners]
    if len(values) == 1:
        return values[:, corners[0]]
    batch = torch.arange(len(values), device=values.device)[:, None, None]
    return values[batch, corners]


def _without_constant(
    values: Float[Tensor, "b n k"], per_constant: Float[Tensor, "b n"], weight: Float[Tensor, "b n"]
) -> Float[Tensor, "b n k"]:
    """Return residuals, or their derivatives, with the constant that suits them best."""
    share = weight * per_constant
    length = (share * per_constant).sum(dim=-1).clamp_min(1e-12)
    constant = (share[..., None] * values).sum(dim=1) / length[:, None]
    return values - per_constant[..., None] * constant[:, None]


def _robust_costs(term: Term, rows: TermRows) -> Float[Tensor, "b n"]:
    squared = (rows.residual**2).sum(dim=-1)
    scale = term.robust_scale**2
    return geman_mcclure_cost(squared / scale, scale=1.0) * scale


def _weighted(term: Term, rows: TermRows) -> Float[Tensor, " b"]:
    return 0.5 * (term.weight * _robust_costs(term, rows)).sum(dim=-1)


def _half_square(
    prior: Prior, value: Float[Tensor, "b n"], layout: FreeBlocks
) -> Float[Tensor, " b"]:
    residual = prior.residual(value[:, layout.span(prior.block)])
    return 0.5 * (residual**2).sum(dim=-1)
