"""The adapters to nvdiffrast and pytorch3d, run against stand-ins that read their conventions.

A stand-in draws with the torch twin what it was handed in the foreign convention, so a wrong axis,
order or index in an adapter shows up without the package and without a GPU.
"""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from flame_fit.errors import UsageError
from flame_fit.render import ScreenVertices, make_rasterizer

SIZE = (40, 56)


class StandInNvdiffrast(ModuleType):
    """Homogeneous clip coordinates, row 0 at y = -1, triangle index + 1 in the last channel."""

    def __init__(self, twin):
        super().__init__("nvdiffrast.torch")
        self.twin = twin

    def RasterizeCudaContext(self, device):  # noqa: N802
        return SimpleNamespace(device=device)

    def rasterize(self, context, pos, tri, resolution, *, grad_db):
        assert context.device.type == "cuda"
        assert not grad_db
        assert pos.dtype == torch.float32
        assert tri.dtype == torch.int32
        place = pos[..., :3] / pos[..., 3:]
        assert place[0, tri.long().unique(), 2].abs().max() <= 1.0
        scale = place.new_tensor((resolution[1], resolution[0]))
        screen = ScreenVertices(
            (place[..., :2] + 1.0) * 0.5 * scale, place[..., 2], perspective=False
        )
        found = self.twin(screen, tri, tuple(resolution))
        return torch.stack([found.float() * 0] * 3 + [found.float() + 1], dim=-1), None


class StandInMeshes:
    def __init__(self, verts, faces):
        self.verts, self.faces = verts[0], faces[0]


def stand_in_rasterize_meshes(twin):
    """Positions with x left and y up, the shorter image side [-1, 1]; triangle index or -1."""

    def rasterize_meshes(meshes, *, image_size, blur_radius, faces_per_pixel, perspective_correct):
        assert (blur_radius, faces_per_pixel, perspective_correct) == (0.0, 1, False)
        assert meshes.verts[:, 2].min() > 0
        height, width = image_size
        centre = meshes.verts.new_tensor((width, height)) / 2
        pixels = centre - meshes.verts[:, :2] * min(image_size) / 2
        screen = ScreenVertices(pixels[None], meshes.verts[None, :, 2], perspective=False)
        found = twin(screen, meshes.faces, image_size)[..., None]
        return found.long(), found, found, found

    return rasterize_meshes


@pytest.fixture(params=["nvdiffrast", "pytorch3d"])
def adapter(request, twin, monkeypatch):
    names = {
        "nvdiffrast": {"nvdiffrast": {}, "nvdiffrast.torch": StandInNvdiffrast(twin)},
        "pytorch3d": {
            "pytorch3d": {},
            "pytorch3d.renderer": {},
            "pytorch3d.renderer.mesh": {},
            "pytorch3d.renderer.mesh.rasterize_meshes": {
                "rasterize_meshes": stand_in_rasterize_meshes(twin)
            },
            "pytorch3d.structures": {"Meshes": StandInMeshes},
        },
    }[request.param]
    modules = {}
    for name, content in names.items():
        module = content if isinstance(content, ModuleType) else ModuleType(name)
        if isinstance(content, dict):
            vars(module).update(content)
        modules[name] = module
        monkeypatch.setitem(sys.modules, name, module)
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    return make_rasterizer(request.param, "cuda")


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("cull", [True, False])
def test_an_adapter_hands_over_the_same_triangles(adapter, twin, cull, perspective):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(2, 60, 2, generator=generator) * 70.0 - 10.0
    depth = torch.rand(2, 60, generator=generator) + 0.5
    depth[:, :5] = -1.0
    screen = ScreenVertices(pixels, depth, perspective=perspective)
    faces = torch.randint(0, 60, (80, 3), generator=generator)
    image = adapter(screen, faces, SIZE, cull_backfaces=cull)
    expected = twin(screen, faces, SIZE, cull_backfaces=cull)
    assert image.dtype == torch.int32
    # Single-precision coordinates move a few centres across an edge.
    assert (image == expected).float().mean() > 0.995


def test_an_adapter_draws_nothing_where_nothing_can_be_drawn(adapter):
    screen = ScreenVertices(torch.rand(1, 3, 2) * 30, torch.full((1, 3), -1.0), perspective=True)
    assert (adapter(screen, torch.tensor([[0, 1, 2]]), SIZE) == -1).all()


def test_nvdiffrast_refuses_the_cpu(monkeypatch, twin):
    module = StandInNvdiffrast(twin)
    package = ModuleType("nvdiffrast")
    package.torch = module
    monkeypatch.setitem(sys.modules, "nvdiffrast", package)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", module)
    with pytest.raises(UsageError, match="'nvdiffrast' needs a cuda device, not cpu"):
        make_rasterizer("nvdiffrast", "cpu")
