"""Textures carried from one UV layout to another, through where the surfaces correspond.

Where each texel of the target lies in the source's chart is found once for a pair of heads; from
it comes, once for a size of source maps, a sparse mixture of source texels for every target texel,
and any number of maps is carried by that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, embedding_bag, interpolate

from flame_fit.errors import InputError
from flame_fit.flame import UvChart
from flame_fit.geometry import SurfacePoints
from flame_fit.geometry.tensors import move
from flame_fit.render import rasterize_chart
from flame_fit.texture.nearest_texel import nearest_covered
from flame_fit.texture.pull_push import pull_push

SEAM_JUMP = 8.0
"""Neighbouring texels whose places lie this many times the usual step apart straddle a seam."""
SPECK_SHARE = 1e-4
"""Groups of texels with a place that are smaller than this share of the map are left out."""
MOST_SAMPLES = 16
"""Samples across a texel in each direction; a source that is finer still is averaged before."""
ROUNDING = 1e-3
"""By how much measured steps may miss whole numbers of texels."""
CHUNK_SAMPLES = 4_000_000
"""Samples prepared at a time; each is four entries of a mixture."""


@dataclass(frozen=True, eq=False)
class CarriedPoints:
    """Points of one surface found on another.

    Attributes:
        surface: The places.
        valid: Whether a point has a counterpart; its place means nothing otherwise.
    """

    surface: SurfacePoints
    valid: Bool[Tensor, " n"]


SurfaceCarry = Callable[[SurfacePoints], CarriedPoints]
"""Finds points of the target's surface on the source's."""


@dataclass(frozen=True, eq=False)
class LayoutTransfer:
    """Where the texels of one layout lie in another one, a row for each texel with surface.

    Attributes:
        size: Texels along each side of the target.
        texel: Position in the flattened target, `row * size + column`, ascending.
        face_index: Triangle of the target that the texel shows.
        uv: Place in the source's chart.
        step: Change of the place to the next column and to the next row.
        valid: Whether the texel has a place in the source.
        source_chart: The chart the places are in.
    """

    size: int
    texel: Int[Tensor, " N"]
    face_index: Int[Tensor, " N"]
    uv: Float[Tensor, "N 2"]
    step: Float[Tensor, "N 2 2"]
    valid: Bool[Tensor, " N"]
    source_chart: UvChart

    def valid_map(self) -> Bool[Tensor, "U U"]:
        """Return which texels of the target have a place in the source."""
        flat = torch.zeros(self.size**2, dtype=torch.bool, device=self.texel.device)
        flat[self.texel] = self.valid
        return flat.reshape(self.size, self.size)


@dataclass(frozen=True, eq=False)
class TexelMixture:
    """The same for source maps of one size: what each target texel is mixed of.

    Attributes:
        transfer: Where the texels lie.
        source_size: Texels along each side of the source maps.
        reduction: By how much source maps are averaged down first.
        source: Flattened texels of the reduced source, those of one target texel after another.
        start: Where each target texel's begin.
        share: How much each counts; they sum to 1.
        covered: Source texels with surface.
    """

    transfer: LayoutTransfer
    source_size: int
    reduction: int
    source: Int[Tensor, " M"]
    start: Int[Tensor, " V"]
    share: Float[Tensor, " M"]
    covered: Bool[Tensor, "S S"]

    def to(self, device: torch.device | str) -> TexelMixture:
        """Return the mixture on another device; maps must be there too."""
        return move(self, device=device)

    def carry(
        self,
        maps: Float[Tensor, "b S S C"],
        *,
        backdrop: Float[Tensor, "#b U U C"] | None = None,
        backdrop_faces: Bool[Tensor, " F"] | None = None,
    ) -> Float[Tensor, "b U U C"]:
        """Return maps drawn on the target; differentiable in the maps.

        Texels without a place in the source continue those that have one smoothly, and so do the
        gaps between islands, so that filtering sees no foreign colour.

        Args:
            maps: In the source's layout.
            backdrop: In the target's layout; shown by the triangles `backdrop_faces` where the
                source has nothing. Without `backdrop_faces` by all triangles.
            backdrop_faces: Triangles of the target.

        Raises:
            InputError: The maps are not of the size that the mixture is for.
        """
        if maps.shape[1:3] != (self.source_size, self.source_size):
            raise InputError(
                f"maps are {maps.shape[2]} x {maps.shape[1]} texels, the mixture is for "
                f"{self.source_size} x {self.source_size}; make one for this size"
            )
        transfer = self.transfer
        rows = self._mixed(maps)
        flat = rows.new_zeros(len(maps), transfer.size**2, maps.shape[-1])
        flat = flat.index_copy(1, transfer.texel[transfer.valid], rows)
        known = transfer.valid_map()
        image = flat.unflatten(1, (transfer.size, transfer.size))
        if backdrop is not None:
            shown = self._backdrop_texels(backdrop_faces)
            image = torch.where(shown[None, ..., None], backdrop.to(image), image)
            known = known | shown
        return pull_push(image, known)

    def _mixed(self, maps: Float[Tensor, "b S S C"]) -> Float[Tensor, "b n C"]:
        """Return the colours of the target texels that have a place."""
        table = _reduced(maps, self.covered, self.reduction)
        count, channels = len(maps), maps.shape[-1]
        columns = table.flatten(1, 2).movedim(0, 1).flatten(1)
        mixed = embedding_bag(
            self.source,
            columns.contiguous(),
            self.start,
            mode="sum",
            per_sample_weights=self.share.to(maps.dtype),
        )
        return mixed.unflatten(1, (count, channels)).movedim(1, 0)

    def _backdrop_texels(self, faces: Bool[Tensor, " F"] | None) -> Bool[Tensor, "U U"]:
        transfer = self.transfer
        shown = ~transfer.valid
        if faces is not None:
            shown = shown & faces.to(shown.device)[transfer.face_index]
        flat = torch.zeros(transfer.size**2, dtype=torch.bool, device=shown.device)
        flat[transfer.texel] = shown
        return flat.reshape(transfer.size, transfer.size)


def layout_transfer(
    target_chart: UvChart, source_chart: UvChart, carry: SurfaceCarry, *, size: int
) -> LayoutTransfer:
    """Find where every texel of a layout lies in another one.

    Args:
        target_chart: The layout to draw on.
        source_chart: The layout that maps are drawn on.
        carry: Finds points of the target's surface on the source's.
        size: Texels along each side of the target.
    """
    texels = rasterize_chart(target_chart.uv, target_chart.faces, size)
    face_index = texels.face_index.reshape(-1)
    texel = (face_index >= 0).nonzero()[:, 0]
    points = SurfacePoints(face_index[texel].long(), texels.barycentrics.reshape(-1, 3)[texel])
    found = carry(points)
    valid = _without_specks(found.valid, texel, size=size)
    corners = source_chart.uv[source_chart.faces[found.surface.face_index]]
    uv = (corners * found.surface.barycentrics[..., None].to(corners)).sum(dim=1)
    return LayoutTransfer(
        size=size,
        texel=texel,
        face_index=points.face_index,
        uv=uv,
        step=_steps(uv, texel, valid, size=size),
        valid=valid,
        source_chart=source_chart,
    )


def texel_mixture(transfer: LayoutTransfer, source_size: int) -> TexelMixture:
    """Find what the texels of the target are mixed of, for source maps of one size.

    Each texel is the mean of bilinear samples spread over its area in the source, as many as the
    area has texels. Samples beside an island take its nearest texel.

    Args:
        transfer: Where the texels lie.
        source_size: Texels along each side of the source maps.
    """
    chart = transfer.source_chart
    covered = rasterize_chart(chart.uv, chart.faces, source_size).face_index >= 0
    step = transfer.step[transfer.valid]
    reduction = _reduction(step, source_size)
    coarse = _pooled_mask(covered, reduction)
    nearest = _nearest_covered(coarse).to(torch.int32)
    size = source_size // reduction
    count = (step.norm(dim=-1) * size - ROUNDING).ceil().clamp(1, MOST_SAMPLES).long()
    place = transfer.uv[transfer.valid]
    # Texels of equally many samples are prepared together, then brought back into order.
    kind = count[:, 0] * (MOST_SAMPLES + 1) + count[:, 1]
    entries = 4 * count.prod(dim=1)
    start = entries.cumsum(0) - entries
    source = torch.empty(int(entries.sum()), dtype=torch.int32, device=place.device)
    share = torch.empty(len(source), dtype=place.dtype, device=place.device)
    for value in kind.unique().tolist():
        members = (kind == value).nonzero()[:, 0]
        grid = (value // (MOST_SAMPLES + 1), value % (MOST_SAMPLES + 1))
        for rows in members.split(max(1, CHUNK_SAMPLES // (grid[0] * grid[1]))):
            samples = _samples(place[rows], step[rows], grid)
            texel, weight = _bilinear(samples, size)
            where = start[rows, None] + torch.arange(texel.shape[1], device=rows.device)
            source[where] = nearest[texel]
            share[where] = weight
    return TexelMixture(
        transfer=transfer,
        source_size=source_size,
        reduction=reduction,
        source=source,
        start=start.to(torch.int32),
        share=share,
        covered=covered,
    )


def at_size(image: Float[Tensor, "S S C"], size: int) -> Float[Tensor, "size size C"]:
    """Return a map with another number of texels, averaged where there are fewer."""
    if image.shape[0] == size:
        return image
    channels = image.movedim(-1, 0)[None]
    resized = interpolate(
        channels, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].movedim(0, -1)


def _samples(
    place: Float[Tensor, "n 2"], step: Float[Tensor, "n 2 2"], grid: tuple[int, int]
) -> Float[Tensor, "n s 2"]:
    """Return places spread evenly over texels, so many along columns and along rows."""
    along, down = (
        (torch.arange(count, device=place.device, dtype=place.dtype) + 0.5) / count - 0.5
        for count in grid
    )
    offset = torch.cartesian_prod(along, down).reshape(-1, 2)
    return place[:, None] + torch.einsum("sk,nkc->nsc", offset, step)


def _bilinear(samples: Float[Tensor, "n s 2"], size: int) -> tuple[Tensor, Tensor]:
    """Return the four texels around each sample, n x 4 s, and their shares, which sum to 1."""
    u, v = samples.clamp(0.0, 1.0).unbind(-1)
    column, row = u * size - 0.5, (1.0 - v) * size - 0.5
    left, top = column.floor(), row.floor()
    right_share, low_share = column - left, row - top
    texels, shares = [], []
    for down in (0, 1):
        for right in (0, 1):
            rows = (top + down).clamp(0, size - 1).long()
            columns = (left + right).clamp(0, size - 1).long()
            texels.append(rows * size + columns)
            across = right_share if right else 1.0 - right_share
            shares.append(across * (low_share if down else 1.0 - low_share))
    share = torch.cat(shares, dim=1) / samples.shape[1]
    return torch.cat(texels, dim=1), share


def _without_specks(
    valid: Bool[Tensor, " N"], texel: Int[Tensor, " N"], *, size: int
) -> Bool[Tensor, " N"]:
    """Return which texels have a place, without small groups of them, which are there by chance."""
    flat = np.zeros(size * size, dtype=np.uint8)
    flat[texel[valid].cpu().numpy()] = 1
    _, label, statistics, _ = cv2.connectedComponentsWithStats(
        flat.reshape(size, size), connectivity=4
    )
    large = statistics[:, cv2.CC_STAT_AREA] >= SPECK_SHARE * size * size
    kept = torch.from_numpy(large[label.reshape(-1).astype(np.int64)]).to(texel.device)
    return valid & kept[texel]


def _steps(
    uv: Float[Tensor, "N 2"], texel: Int[Tensor, " N"], valid: Bool[Tensor, " N"], *, size: int
) -> Float[Tensor, "N 2 2"]:
    """Return the change of the place to the next column and row, the shorter of both sides.

    Across a seam, or beside a texel without a place, the other side counts; where both fail, the
    usual step.
    """
    missing = uv.new_full((size * size, 2), torch.inf)
    missing[texel[valid]] = uv[valid]
    place = missing.reshape(size, size, 2)
    steps = []
    for axis in (1, 0):
        ahead = place.roll(-1, dims=axis) - place
        ahead.select(axis, size - 1).fill_(torch.inf)
        behind = place - place.roll(1, dims=axis)
        behind.select(axis, 0).fill_(torch.inf)
        lengths = [
            side.norm(dim=-1).nan_to_num(nan=torch.inf, posinf=torch.inf)
            for side in (ahead, behind)
        ]
        nearer = torch.where((lengths[0] <= lengths[1])[..., None], ahead, behind)
        steps.append(_without_jumps(nearer.flatten(0, 1)[texel], valid))
    return torch.stack(steps, dim=1)


def _without_jumps(step: Float[Tensor, "N 2"], valid: Bool[Tensor, " N"]) -> Float[Tensor, "N 2"]:
    """Replace steps that cannot be measured by one of the usual length and direction."""
    length = step.norm(dim=-1)
    known = valid & torch.isfinite(length)
    if not bool(known.any()):
        return torch.zeros_like(step)
    usual = length[known].median()
    good = known & (length <= SEAM_JUMP * usual)
    return torch.where(good[:, None], step, step[good].median(dim=0).values)


def _reduction(step: Float[Tensor, "n 2 2"], source_size: int) -> int:
    """Return the power of two by which sources are averaged down before they are sampled."""
    factor = 1
    if len(step):
        usual = float(step.norm(dim=-1).median()) * source_size
        while 2 * factor <= usual + ROUNDING and source_size % (2 * factor) == 0:
            factor *= 2
    return factor


def _reduced(
    maps: Float[Tensor, "b S S C"], covered: Bool[Tensor, "S S"], factor: int
) -> Float[Tensor, "b s s C"]:
    """Return maps averaged over squares of texels with surface."""
    if factor == 1:
        return maps
    weight = covered.to(maps)[None, None]
    total = avg_pool2d(maps.movedim(-1, 1) * weight, factor)
    return (total / avg_pool2d(weight, factor).clamp_min(1.0 / factor**2)).movedim(1, -1)


def _pooled_mask(covered: Bool[Tensor, "S S"], factor: int) -> Bool[Tensor, "s s"]:
    if factor == 1:
        return covered
    return avg_pool2d(covered.float()[None, None], factor)[0, 0] > 0


def _nearest_covered(covered: Bool[Tensor, "S S"]) -> Int[Tensor, " SS"]:
    """Return for each flattened texel the nearest one with surface, itself if it has."""
    inside = covered.cpu().numpy()
    texel = np.flatnonzero(inside)[nearest_covered(inside).row.reshape(-1)]
    return torch.from_numpy(texel).to(covered.device)
