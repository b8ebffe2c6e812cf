"""From a mesh in the world to what each pixel shows, by a choice of rasterisers."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flame_fit.errors import UsageError
from flame_fit.geometry.cameras import Camera
from flame_fit.render.fragments import CoveredPixels, Fragments, covered_pixels, to_fragments
from flame_fit.render.screen import Rasterizer, ScreenVertices, to_screen
from flame_fit.render.torch_rasterizer import TorchRasterizer

RasterizerBackend = Literal["warp", "torch", "nvdiffrast", "pytorch3d"]

BACKENDS: tuple[RasterizerBackend, ...] = ("warp", "torch", "nvdiffrast", "pytorch3d")

_INSTALL = {
    "warp": "pip install warp-lang",
    "nvdiffrast": "install it from https://github.com/NVlabs/nvdiffrast, or use 'warp'",
    "pytorch3d": "install it from https://github.com/facebookresearch/pytorch3d, or use 'warp'",
}


def make_rasterizer(backend: str = "warp", device: torch.device | str = "cpu") -> Rasterizer:
    """Return a rasteriser.

    Args:
        backend: `warp` (fast on CPU and CUDA), `torch` (its plain twin, slow), or, where installed,
            `nvdiffrast` (CUDA only) or `pytorch3d`.
        device: Where the meshes will lie.

    Raises:
        UsageError: The backend does not exist, is not installed or cannot run on the device.
    """
    device = torch.device(device)
    try:
        return _construct(backend, device)
    except ImportError as error:
        raise UsageError(
            f"rasteriser {backend!r} is not installed ({error}); {_INSTALL[backend]}"
        ) from error


def _construct(backend: str, device: torch.device) -> Rasterizer:
    if backend == "warp":
        from flame_fit.render.warp_rasterizer import WarpRasterizer

        return WarpRasterizer(device)
    if backend == "torch":
        return TorchRasterizer()
    if backend == "nvdiffrast":
        from flame_fit.render.nvdiffrast_rasterizer import NvdiffrastRasterizer

        return NvdiffrastRasterizer(device)
    if backend == "pytorch3d":
        from flame_fit.render.pytorch3d_rasterizer import Pytorch3dRasterizer

        return Pytorch3dRasterizer()
    raise UsageError(f"rasteriser {backend!r} does not exist; use one of {', '.join(BACKENDS)}")


def rasterize(
    vertices_world: Float[Tensor, "b V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
    image_size: tuple[int, int],
    *,
    rasterizer: Rasterizer,
    cull_backfaces: bool = False,
) -> Fragments:
    """Return what each pixel shows of a mesh.

    Args:
        vertices_world: Metres, world axes.
        faces: Triangles, counter-clockwise seen from outside.
        camera: Camera of the image; with batch size 1 shared by all meshes.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        cull_backfaces: Whether triangles seen from inside are left out.
    """
    screen = to_screen(vertices_world, camera)
    covered = rasterize_covered(
        screen, faces, image_size, rasterizer=rasterizer, cull_backfaces=cull_backfaces
    )
    return to_fragments(covered)


def rasterize_covered(
    screen: ScreenVertices,
    faces: Int[Tensor, "F 3"],
    image_size: tuple[int, int],
    *,
    rasterizer: Rasterizer,
    cull_backfaces: bool = False,
) -> CoveredPixels:
    """Return the covered pixels only, a row per pixel: what a solver works on.

    Args:
        screen: Vertices from `to_screen`.
        faces: Triangles, counter-clockwise seen from outside.
        image_size: Height and width in pixels.
        rasterizer: From `make_rasterizer`.
        cull_backfaces: Whether triangles seen from inside are left out.
    """
    face_index = rasterizer(screen, faces, image_size, cull_backfaces=cull_backfaces)
    return covered_pixels(face_index, screen, faces)
