"""Adapter to nvdiffrast, where it is installed (CUDA only)."""

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from flame_fit.errors import UsageError
from flame_fit.render.screen import ScreenVertices, depth_order, drawable_faces


class NvdiffrastRasterizer:
    """Asks nvdiffrast which triangle covers which pixel; implements `Rasterizer`.

    Ties in depth and centres exactly on an edge follow nvdiffrast's own rules.
    """

    def __init__(self, device: torch.device) -> None:
        import nvdiffrast.torch as nvdiffrast

        if device.type != "cuda":
            raise UsageError(f"rasteriser 'nvdiffrast' needs a cuda device, not {device}; use warp")
        self._nvdiffrast = nvdiffrast
        self._context = nvdiffrast.RasterizeCudaContext(device=device)

    def __call__(
        self,
        screen: ScreenVertices,
        faces: Int[Tensor, "F 3"],
        image_size: tuple[int, int],
        *,
        cull_backfaces: bool = False,
    ) -> Int32[Tensor, "b H W"]:
        """Return the index of the triangle seen in each pixel, -1 where there is none."""
        drawable = drawable_faces(screen, faces, cull_backfaces=cull_backfaces)
        clip = _clip_positions(screen, drawable, faces, image_size)
        images = []
        for position, drawn in zip(clip, drawable, strict=True):
            index = drawn.nonzero()[:, 0].to(torch.int32)
            if not len(index):
                images.append(index.new_full(image_size, -1))
                continue
            triangles = faces[index.long()].to(torch.int32).contiguous()
            raster, _ = self._nvdiffrast.rasterize(
                self._context, position[None], triangles, resolution=image_size, grad_db=False
            )
            found = raster[0, ..., 3].long()
            images.append(torch.cat((index.new_tensor([-1]), index))[found])
        return torch.stack(images)


def _clip_positions(
    screen: ScreenVertices,
    drawable: Tensor,
    faces: Int[Tensor, "F 3"],
    image_size: tuple[int, int],
) -> Float[Tensor, "b V 4"]:
    """Return homogeneous clip coordinates; image row 0 is nvdiffrast's first row (y = -1).

    The third coordinate, after division, runs over [-0.9, 0.9] between the nearest and the farthest
    drawn vertex, so that nothing is clipped.
    """
    order = depth_order(screen)
    used = torch.zeros_like(order)
    drawn = drawable.to(used.dtype)[..., None].expand(-1, -1, 3).reshape(len(used), -1)
    used.scatter_reduce_(1, faces.long().reshape(1, -1).expand(len(used), -1), drawn, reduce="amax")
    near = torch.where(used > 0, order, torch.inf).amin(1, keepdim=True)
    far = torch.where(used > 0, order, -torch.inf).amax(1, keepdim=True)
    depth = 1.8 * (order - near) / (far - near).clamp_min(1e-12) - 0.9
    height, width = image_size
    plane = screen.pixels.detach().double() * 2.0 / order.new_tensor((width, height)) - 1.0
    position = torch.cat((plane, depth[..., None], torch.ones_like(depth)[..., None]), dim=-1)
    w = screen.depth.detach().double() if screen.perspective else torch.ones_like(depth)
    return torch.nan_to_num(position * w[..., None]).float().contiguous()
