"""Components in order of their variance, and the space as maps over the chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from flame_fit.texture.spaces.codes import COLOURS
from flame_fit.texture.spaces.linear_model import LinearModel
from flame_fit.texture.spaces.stored import StoredModel
from flame_fit.texture.texel_geometry import TexelGeometry

BYTE_RANGE = 255.0


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """How components turn into principal ones.

    Attributes:
        rotation: A column for each principal component, the largest first.
        variance: Of each, summed over all texels and colours.
    """

    rotation: Float[Tensor, "K K"]
    variance: Float[Tensor, " K"]


def principal_axes(parts: Iterable[LinearModel]) -> PrincipalAxes:
    """Return the principal components of a linear model whose codes have unit variance.

    Each points to where the texture is brighter.
    """
    gram, sums = None, None
    for part in parts:
        flat = part.basis.double().reshape(-1, part.component_count)
        gram = flat.T @ flat + (0.0 if gram is None else gram)
        sums = flat.sum(dim=0) + (0.0 if sums is None else sums)
    if gram is None or sums is None:
        raise ValueError("a model without texels has no components")
    values, vectors = torch.linalg.eigh(gram)
    rotation = vectors.flip(1)
    sign = torch.where(sums @ rotation < 0, -1.0, 1.0)
    return PrincipalAxes(rotation * sign, values.flip(0).clamp_min(0.0))


def principal_model(model: StoredModel, axes: PrincipalAxes, *, name: str) -> StoredModel:
    """Return the model with its principal components, its blocks as steps of this name."""
    final = StoredModel(model.steps, name, model.texel_count, model.block)
    for texels in model.blocks():

        def make(texels: slice = texels) -> LinearModel:
            part = model.part(texels)
            return LinearModel(part.mean, part.basis @ axes.rotation.to(part.basis), part.noise)

        final.steps.once(final.step(texels), LinearModel, make)
    return final


@dataclass(frozen=True, eq=False)
class SpaceMaps:
    """A texture space as FLAME's is published: 0 to 255, blue before green before red.

    Attributes:
        mean: Of every texel; row 0 is v = 1.
        components: What a code of one standard deviation adds.
    """

    mean: Shaped[np.ndarray, "U U 3"]
    components: Shaped[np.ndarray, "U U 3 K"]


def space_maps(model: StoredModel, texels: TexelGeometry) -> SpaceMaps:
    """Lay a model out over the chart, with gutters around its islands.

    Args:
        model: Of the covered texels.
        texels: Which those are.
    """
    area, first = texels.size * texels.size, model.part(model.blocks()[0])
    mean = np.zeros((area, COLOURS), np.float32)
    # Half precision keeps three digits of a departure, which is less than the noise of any map.
    components = np.zeros((area, COLOURS, first.component_count), np.float16)
    place = texels.texel.cpu().numpy()
    for block in model.blocks():
        part = model.part(block)
        mean[place[block]] = _bgr(part.mean)
        components[place[block]] = _bgr(part.basis)
    empty = np.ones(area, bool)
    empty[place] = False
    mean[empty] = mean[place].mean(axis=0)
    target = texels.gutter_texel.cpu().numpy()
    source = place[texels.gutter_source.cpu().numpy()]
    mean[target], components[target] = mean[source], components[source]
    shape = (texels.size, texels.size, COLOURS)
    return SpaceMaps(mean.reshape(shape), components.reshape(*shape, -1))


def _bgr(rows: Tensor) -> np.ndarray:
    return np.flip(rows.cpu().float().numpy(), axis=1) * np.float32(BYTE_RANGE)
