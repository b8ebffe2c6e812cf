"""Linear texture spaces: mean and components over the UV chart, codes at unit variance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance.colour import srgb_to_linear, srgb_to_linear_slope
from flame_fit.asset_files import find_asset, read_npz
from flame_fit.errors import AssetError, UsageError
from flame_fit.geometry.tensors import move

BYTE_RANGE = 255.0
COLOUR_DIMENSIONS = 3
MAXIMUM_FILE_BYTES = 2 * 2**30


@dataclass(frozen=True, eq=False)
class TextureSpace:
    """sRGB albedo (black 0, white 1) as mean + basis (scale * code); row 0 is v = 1, RGB order."""

    mean: Float[Tensor, "U U 3"]
    basis: Float[Tensor, "U U 3 K"]
    scale: Float[Tensor, "K"]
    """What a code of one standard deviation multiplies its component with."""

    def to(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> "TextureSpace":
        """Return the space with another dtype or on another device."""
        return move(self, dtype=dtype, device=device)


@dataclass(frozen=True, eq=False)
class SampledTexture:
    """A texture space at a number of points of the chart, scale included."""

    mean: Float[Tensor, "n 3"]
    basis: Float[Tensor, "n 3 K"]


def load_texture_space(
    path_or_name: str | Path = "open_head_texture", *, component_count: int | None = None
) -> TextureSpace:
    """Load a texture space in the published layout: `mean` and `tex_dir`, 0 to 255, BGR.

    Components may be stored as whole numbers beside `tex_dir_scale`, the units of one count.

    Args:
        path_or_name: a path to an `.npz` file, or the name of an asset.
        component_count: components to keep, the first ones; all by default.

    Raises:
        AssetError: not found, damaged, or not a texture space.
    """
    given = Path(path_or_name)
    is_path = given.suffix == ".npz" or len(given.parts) > 1
    path = given if is_path else find_asset(f"{given}.npz")
    arrays = read_npz(
        path, keys=("mean", "tex_dir", "tex_dir_scale"), maximum_bytes=MAXIMUM_FILE_BYTES
    )
    missing = [key for key in ("mean", "tex_dir") if key not in arrays]
    if missing:
        raise AssetError(f"{path}: '{missing[0]}' is missing; it is not a texture space")
    mean, components = arrays["mean"], arrays["tex_dir"]
    _check_layout(path, mean, components)
    available = components.shape[-1]
    count = available if component_count is None else component_count
    if not 0 <= count <= available:
        raise UsageError(f"{count} texture components were asked for; {path} has {available}")
    basis = components[..., :count].astype(np.float32)
    if "tex_dir_scale" in arrays:
        basis = basis * arrays["tex_dir_scale"][:count].astype(np.float32)
    if not (np.isfinite(mean).all() and np.isfinite(basis).all()):
        raise AssetError(f"{path}: the texture has values that are not finite; rebuild the file")
    return TextureSpace(
        mean=torch.from_numpy(_rgb(mean.astype(np.float32), axis=2)),
        basis=torch.from_numpy(_rgb(basis, axis=2)),
        scale=torch.ones(count),
    )


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


def _rgb(array: np.ndarray, *, axis: int) -> np.ndarray:
    """Return colours in RGB order, black 0 and white 1, from BGR and 0 to 255."""
    return np.ascontiguousarray(np.flip(array, axis=axis) / np.float32(BYTE_RANGE))


def _check_layout(path: Path, mean: np.ndarray, components: np.ndarray) -> None:
    square = mean.ndim == COLOUR_DIMENSIONS and mean.shape == (mean.shape[0], mean.shape[0], 3)
    if not square or components.shape[:-1] != mean.shape:
        raise AssetError(
            f"{path}: 'mean' is {mean.shape} and 'tex_dir' {components.shape}; expected U x U x 3 "
            "and U x U x 3 x K"
        )
    if mean.dtype.kind not in "fiu" or components.dtype.kind not in "fiu":
        raise AssetError(f"{path}: 'mean' and 'tex_dir' must be numbers; rebuild the file")
