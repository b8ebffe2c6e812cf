"""Colours of a photo at projected texels, filtered to the size of a texel."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def sample_photo(
    image: Float[Tensor, "H W C"],
    pixels: Float[Tensor, "N 2"],
    pixels_per_texel: Float[Tensor, " N"],
) -> Float[Tensor, "N C"]:
    """Read an image at pixel positions through a filter as wide as a texel's footprint.

    Where a texel is smaller than a pixel the image is interpolated by a cubic; where it covers
    several, two neighbouring levels of a box-filtered pyramid are mixed, so that detail finer
    than the texture becomes its mean instead of noise.

    Args:
        image: Values per pixel.
        pixels: Positions, (0.5, 0.5) is the centre of the first pixel.
        pixels_per_texel: Side of a texel's footprint in pixels.
    """
    if len(pixels) == 0:
        return image.new_zeros(0, image.shape[2])
    deepest = float(max(min(image.shape[:2]), 1).bit_length() - 1)
    level = torch.log2(pixels_per_texel.clamp_min(1.0)).clamp_max(deepest)
    # Two pixels of the coarsest level in use, so that the crop's border never shows.
    margin = 2.0 ** (float(level.max().ceil()) + 1.0)
    low = (pixels.amin(dim=0).floor() - margin).clamp_min(0).to(torch.int64).tolist()
    high = (pixels.amax(dim=0).ceil() + margin).clamp_min(1).to(torch.int64).tolist()
    crop = image[low[1] : high[1], low[0] : high[0]]
    current = crop.permute(2, 0, 1)[None].contiguous()
    origin = pixels - pixels.new_tensor(low)
    fine = _read(current, origin, 1.0, mode="bicubic").clamp_min(0.0)
    result = fine.clone()
    for index in range(int(level.max().ceil())):
        rows = ((level > index) & (level <= index + 1)).nonzero()[:, 0]
        current_fine, current = current, functional.avg_pool2d(current, 2, ceil_mode=True)
        if len(rows) == 0:
            continue
        scale = 0.5**index
        mode = "bicubic" if index == 0 else "bilinear"
        near = _read(current_fine, origin[rows], scale, mode=mode).clamp_min(0.0)
        far = _read(current, origin[rows], 0.5 * scale, mode="bilinear")
        result[rows] = torch.lerp(near, far, (level[rows] - index)[:, None])
    return result


def _read(
    image: Float[Tensor, "1 C h w"],
    pixels: Float[Tensor, "N 2"],
    scale: float,
    *,
    mode: str,
) -> Float[Tensor, "N C"]:
    size = pixels.new_tensor([image.shape[3], image.shape[2]])
    grid = pixels * scale / size * 2.0 - 1.0
    read = functional.grid_sample(
        image, grid[None, :, None], mode=mode, padding_mode="border", align_corners=False
    )
    return read[0, :, :, 0].T
