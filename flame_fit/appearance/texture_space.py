"""Linear texture spaces: mean and components over the UV chart, codes at unit variance."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance.colour import srgb_to_linear, srgb_to_linear_slope
from flame_fit.appearance.texture_files import PICTURE_SUFFIXES, read_texture_file
from flame_fit.asset_files import find_asset
from flame_fit.errors import AssetError, UsageError
from flame_fit.flame.assets import UvChart
from flame_fit.geometry.tensors import move


@dataclass(frozen=True, eq=False)
class TextureSpace:
    """sRGB albedo (black 0, white 1) as mean + basis (scale * code); row 0 is v = 1, RGB order."""

    mean: Float[Tensor, "U U 3"]
    basis: Float[Tensor, "U U 3 K"]
    scale: Float[Tensor, "K"]
    """What a code of one standard deviation multiplies its component with."""
    chart: UvChart | None = None
    """The chart it is drawn on, where its file says so."""

    def to(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> "TextureSpace":
        """Return the space with another dtype or on another device."""
        return move(self, dtype=dtype, device=device)

    def first(self, count: int) -> "TextureSpace":
        """Return the space of the first components, which are read faster without the others."""
        basis, scale = self.basis[..., :count].contiguous(), self.scale[:count]
        return TextureSpace(self.mean, basis, scale, self.chart)


@dataclass(frozen=True, eq=False)
class SampledTexture:
    """A texture space at a number of points of the chart, scale included."""

    mean: Float[Tensor, "*n 3"]
    basis: Float[Tensor, "*n 3 K"]


def load_texture_space(
    path_or_name: str | Path = "open_head_texture", *, component_count: int | None = None
) -> TextureSpace:
    """Load a texture space or a texture map; `read_texture_file` says in which layouts.

    Args:
        path_or_name: a path to an `.npz` file or a picture, or the name of an asset.
        component_count: components to keep, the first ones; all by default.

    Raises:
        AssetError: not found, damaged, or not a texture space.
    """
    file = read_texture_file(texture_path(path_or_name), component_count=component_count)
    return TextureSpace(
        mean=torch.from_numpy(file.mean),
        basis=torch.from_numpy(file.components),
        scale=torch.ones(file.components.shape[-1]),
        chart=file.chart,
    )


def texture_path(path_or_name: str | Path) -> Path:
    """Return the file of a texture: a path as it is, a bare name looked up among the assets.

    Raises:
        AssetError: It is not there.
    """
    given = Path(path_or_name)
    is_path = given.suffix.lower() in {".npz", *PICTURE_SUFFIXES} or len(given.parts) > 1
    if is_path and not given.is_file():
        raise AssetError(f"texture {given} does not exist; check the path")
    return given if is_path else find_asset(f"{given}.npz")


def decode(space: TextureSpace, code: Float[Tensor, "b K"]) -> Float[Tensor, "b U U 3"]:
    """Return linear albedo maps; they are not clamped to the range of colours.

    Args:
        space: the texture space.
        code: coefficients at unit variance; components beyond the given ones are left out.
    """
    count = code.shape[-1]
    available = space.scale.shape[0]
    if count > available:
        raise UsageError(f"{count} texture codes were given; the space has {available} components")
    flat = space.basis.flatten(0, 2)[:, :count]
    offsets = (code * space.scale[:count]) @ flat.T
    return srgb_to_linear(space.mean + offsets.reshape(-1, *space.mean.shape))


def sample_basis(space: TextureSpace, uv: Float[Tensor, "n 2"]) -> SampledTexture:
    """Return the space at points of the chart, bilinear between texel centres.

    Args:
        space: the texture space.
        uv: u right, v up, both 0 to 1; points outside take the nearest border texel.
    """
    size = space.mean.shape[0]
    column = uv[:, 0] * size - 0.5
    row = (1.0 - uv[:, 1]) * size - 0.5
    left, top = column.floor(), row.floor()
    right_share, low_share = column - left, row - top
    mean = torch.zeros_like(space.mean[0, 0]).expand(uv.shape[0], 3)
    basis = torch.zeros_like(space.basis[0, 0]).expand(uv.shape[0], -1, -1)
    for down in (0, 1):
        for right in (0, 1):
            rows = (top + down).clamp(0, size - 1).long()
            columns = (left + right).clamp(0, size - 1).long()
            share = (low_share if down else 1 - low_share) * (
                right_share if right else 1 - right_share
            )
            mean = mean + share[:, None] * space.mean[rows, columns]
            basis = basis + share[:, None, None] * space.basis[rows, columns]
    return SampledTexture(mean=mean, basis=basis * space.scale)


def sampled_albedo(sampled: SampledTexture, code: Float[Tensor, "b K"]) -> Float[Tensor, "b n 3"]:
    """Return linear albedo at the sampled points."""
    return srgb_to_linear(_sampled_srgb(sampled, code))


def sampled_albedo_jacobian(
    sampled: SampledTexture, code: Float[Tensor, "b K"]
) -> Float[Tensor, "b n 3 K"]:
    """Return d linear albedo / d code at the sampled points."""
    slope = srgb_to_linear_slope(_sampled_srgb(sampled, code))
    return slope[..., None] * sampled.basis


def _sampled_srgb(sampled: SampledTexture, code: Float[Tensor, "b K"]) -> Float[Tensor, "b n 3"]:
    return sampled.mean + torch.einsum("nck,bk->bnc", sampled.basis, code)
