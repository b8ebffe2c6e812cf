"""Adapter to pytorch3d, where it is installed."""

import torch
from jaxtyping import Int, Int32
from torch import Tensor

from flame_fit.render.screen import ScreenVertices, depth_order, drawable_faces


class Pytorch3dRasterizer:
    """Asks pytorch3d which triangle covers which pixel; implements `Rasterizer`.

    Ties in depth and centres exactly on an edge follow pytorch3d's own rules.
    """

    def __init__(self) -> None:
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes

        self._rasterize_meshes = rasterize_meshes
        self._meshes = Meshes

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
        vertices = _normalised_positions(screen, image_size)
        images = []
        for position, drawn in zip(vertices, drawable, strict=True):
            index = drawn.nonzero()[:, 0].to(torch.int32)
            if not len(index):
                images.append(index.new_full(image_size, -1))
                continue
            found, *_ = self._rasterize_meshes(
                self._meshes([position], [faces[index.long()].long()]),
                image_size=image_size,
                blur_radius=0.0,
                faces_per_pixel=1,
                perspective_correct=False,
            )
            images.append(torch.cat((index.new_tensor([-1]), index))[found[0, ..., 0] + 1])
        return torch.stack(images)


def _normalised_positions(screen: ScreenVertices, image_size: tuple[int, int]) -> Tensor:
    """Return positions as pytorch3d sees them: x left, y up, the shorter side is [-1, 1].

    The third coordinate is the depth order moved to positive numbers. It is linear in the image, so
    pytorch3d must interpolate it without perspective.
    """
    height, width = image_size
    scale = 2.0 / min(height, width)
    centre = screen.pixels.new_tensor((0.5 * width, 0.5 * height))
    plane = (centre - screen.pixels.detach()) * scale
    order = depth_order(screen)
    lowest = torch.nan_to_num(order, nan=torch.inf).amin(1, keepdim=True)
    third = torch.nan_to_num(order - lowest, nan=1.0) + 1.0
    return torch.nan_to_num(torch.cat((plane, third.to(plane)[..., None]), dim=-1)).float()
