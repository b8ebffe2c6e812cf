"""Charts rasterised into texels."""

import torch

from flame_fit.render import interpolate_covered, rasterize_chart, to_texels
from flame_fit.render.fragments import CoveredPixels


def square_chart() -> tuple[torch.Tensor, torch.Tensor]:
    uv = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    return uv, torch.tensor([[0, 1, 2], [0, 2, 3]])


def test_every_texel_of_a_full_chart_knows_its_own_position():
    uv, faces = square_chart()
    texels = rasterize_chart(uv, faces, 8)
    assert (texels.face_index >= 0).all()
    found = (uv[faces[texels.face_index.long()]] * texels.barycentrics[..., None]).sum(-2)
    centre = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(found[..., 0], centre[None].expand(8, 8))
    torch.testing.assert_close(found[..., 1], 1.0 - centre[:, None].expand(8, 8))


def test_texels_off_the_chart_are_empty(rasterizer):
    uv, faces = square_chart()
    texels = rasterize_chart(0.5 * uv, faces, 16, rasterizer=rasterizer)
    assert (texels.face_index[8:, :8] >= 0).all()
    assert (texels.face_index[:8] == -1).all()
    assert (texels.face_index[:, 8:] == -1).all()
    assert (texels.barycentrics[:8] == 0).all()


def test_overlaps_go_to_the_lowest_triangle(rasterizer):
    uv, faces = square_chart()
    texels = rasterize_chart(uv, torch.cat((faces, faces)), 8, rasterizer=rasterizer)
    assert texels.face_index.max() == 1


def test_texel_positions_match_the_sampling_convention():
    assert to_texels(torch.tensor([[0.0, 1.0]]), 4).tolist() == [[0.0, 0.0]]
    assert to_texels(torch.tensor([[0.875, 0.125]]), 4).tolist() == [[3.5, 3.5]]


def test_texels_carry_vertex_attributes_with_the_faces_of_the_mesh():
    uv, faces = square_chart()
    texels = rasterize_chart(uv, faces, 4)
    covered = CoveredPixels(
        pixel_index=torch.arange(16),
        image_index=torch.zeros(16, dtype=torch.long),
        face_index=texels.face_index.reshape(-1).long(),
        barycentrics=texels.barycentrics.reshape(-1, 3),
        depth=torch.zeros(16),
        image_shape=(1, 4, 4),
    )
    values = interpolate_covered(covered, faces, uv[None])
    torch.testing.assert_close(values[0], torch.tensor([0.125, 0.875]))
