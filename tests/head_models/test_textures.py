"""Textures on another chart of the same mesh: the surface keeps its colours."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace
from flame_fit.appearance.texture_space import sample_basis
from flame_fit.errors import AssetError
from flame_fit.flame import FlameAssets, UvChart
from flame_fit.head_models import install, load_head_texture, textures
from flame_fit.head_models.textures import redraw_texture
from flame_fit.testing import tiny_assets
from tests.head_models import companion_files as files

SIZE, COMPONENTS = 64, 3


def smooth_space(chart: UvChart) -> TextureSpace:
    """Colours and components that change slowly over the chart."""
    middle = (torch.arange(SIZE) + 0.5) / SIZE
    u, v = middle[None, :].expand(SIZE, -1), 1 - middle[:, None].expand(-1, SIZE)
    waves = [u, v, u * v, (3 * u).sin(), (2 * v).cos(), u - v]
    return TextureSpace(
        mean=torch.stack(waves[:3], dim=-1),
        basis=torch.stack([torch.stack(waves[i : i + 3], -1) for i in range(COMPONENTS)], dim=-1),
        scale=torch.tensor((1.0, 2.0, 0.5)),
        chart=chart,
    )


def upside_down(chart: UvChart) -> UvChart:
    """Another chart of the same triangles: half as large, turned over."""
    return UvChart(uv=0.75 - 0.5 * chart.uv, faces=chart.faces.flip(0).flip(0))


def centres(chart: UvChart) -> torch.Tensor:
    return chart.uv[chart.faces].mean(1)


@pytest.fixture(scope="module")
def chart() -> UvChart:
    found = tiny_assets().chart
    assert found is not None
    return found


def test_every_triangle_keeps_its_colours(chart: UvChart) -> None:
    space = smooth_space(chart)
    target = upside_down(chart)
    redrawn = redraw_texture(space, source=chart, target=target)
    assert redrawn.chart is target and redrawn.scale.tolist() == [1.0] * COMPONENTS
    before, after = sample_basis(space, centres(chart)), sample_basis(redrawn, centres(target))
    # Half the size: a texel of the target spans two of the source.
    torch.testing.assert_close(after.mean, before.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(after.basis, before.basis, atol=0.06, rtol=0)


def test_back_and_forth_is_the_same(chart: UvChart) -> None:
    space = smooth_space(chart)
    target = UvChart(uv=chart.uv.flip(-1), faces=chart.faces)
    there = redraw_texture(space, source=chart, target=target)
    back = redraw_texture(there, source=target, target=chart)
    inner = sample_basis(back, centres(chart)).mean - sample_basis(space, centres(chart)).mean
    assert float(inner.abs().max()) < 0.02


def test_places_without_a_source_show_the_backdrop(chart: UvChart) -> None:
    outside = UvChart(uv=chart.uv + torch.tensor((0.5, 0.0)), faces=chart.faces)
    space = smooth_space(chart)
    backdrop = TextureSpace(torch.full((8, 8, 3), 0.25), torch.zeros(8, 8, 3, 0), torch.zeros(0))
    redrawn = redraw_texture(space, source=outside, target=chart, backdrop=backdrop)
    far, near = torch.tensor([[0.9, 0.5]]), torch.tensor([[0.2, 0.5]])
    torch.testing.assert_close(sample_basis(redrawn, far).mean, torch.full((1, 3), 0.25))
    assert not bool(sample_basis(redrawn, far).basis.any())
    expected = sample_basis(space, near + torch.tensor((0.5, 0.0))).mean
    torch.testing.assert_close(sample_basis(redrawn, near).mean, expected, atol=0.02, rtol=0)
    without = redraw_texture(space, source=outside, target=chart)
    assert float(sample_basis(without, far).mean[0, 0]) > 0.9


def test_charts_of_other_meshes_are_refused(chart: UvChart) -> None:
    other = UvChart(uv=chart.uv, faces=chart.faces[:-1])
    with pytest.raises(AssetError, match=r"drawn for a mesh of \d+ triangles, the model has"):
        redraw_texture(smooth_space(chart), source=other, target=chart)


@pytest.fixture
def flame() -> FlameAssets:
    """The synthetic head with a chart of its own."""
    bare = files.bare_assets()
    uv = torch.from_numpy(files.chart_uv()).float().flip(-1).contiguous()
    return replace(bare, chart=UvChart(uv=uv, faces=bare.faces))


def test_flames_texture_goes_to_the_models_chart_once(
    asset_folder: Path,
    downloads: Path,
    flame: FlameAssets,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = downloads / "FLAME_texture.npz"
    source.write_bytes(files.flame_texture_npz(rng, size=32))
    install([source])
    found = load_head_texture("flame_texture", flame)
    assert found.chart is not None and flame.chart is not None
    assert torch.equal(found.chart.uv, flame.chart.uv)
    original = textures.load_texture_space(source)
    usual = UvChart(uv=torch.from_numpy(files.chart_uv()).float(), faces=flame.faces)
    front = centres(usual)[:, 0].sub(0.5).abs() < 0.3
    before = sample_basis(original, centres(usual)[front]).mean
    after = sample_basis(found, centres(flame.chart)[front]).mean
    assert float((before - after).abs().median()) < 0.05
    monkeypatch.setattr(textures, "redraw_texture", None)
    again = load_head_texture("flame_texture", flame)
    assert torch.equal(again.mean, found.mean) and torch.equal(again.basis, found.basis)
    monkeypatch.undo()


def test_a_texture_on_the_models_own_chart_is_left_as_it_is(
    asset_folder: Path, downloads: Path, flame: FlameAssets, rng: np.random.Generator
) -> None:
    assert flame.chart is not None
    usual = replace(flame, chart=UvChart(torch.from_numpy(files.chart_uv()).float(), flame.faces))
    source = downloads / "FLAME_texture.npz"
    source.write_bytes(files.flame_texture_npz(rng))
    found, original = load_head_texture(source, usual), textures.load_texture_space(source)
    assert torch.equal(found.mean, original.mean) and torch.equal(found.basis, original.basis)
    cv2.imwrite(str(downloads / "map.png"), np.full((64, 64, 3), 50, np.uint8))
    map_space = load_head_texture(downloads / "map.png", usual)
    assert map_space.basis.shape == (64, 64, 3, 0)
    assert not asset_folder.exists()


def test_bfm_needs_flames_usual_chart(
    asset_folder: Path, downloads: Path, flame: FlameAssets, rng: np.random.Generator
) -> None:
    source = downloads / "FLAME_albedo_from_BFM.npz"
    source.write_bytes(files.basel_texture_npz(rng, size=32))
    with pytest.raises(AssetError, match="FLAME's usual UV chart, which is not installed"):
        load_head_texture(source, flame)
    (downloads / "head_template.obj").write_bytes(files.template_obj())
    install([downloads])
    by_path, by_name = (load_head_texture(name, flame) for name in (source, "bfm_texture"))
    torch.testing.assert_close(by_path.mean, by_name.mean, atol=1e-5, rtol=0)


def test_a_map_is_drawn_for_the_mesh_beside_it(
    asset_folder: Path, downloads: Path, flame: FlameAssets
) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 200
    cv2.imwrite(str(downloads / "map.png"), pixels)
    (downloads / "map.obj").write_bytes(files.template_obj(shift=1))
    found = load_head_texture(downloads / "map.png", flame)
    assert flame.chart is not None
    x = flame.v_template[flame.faces].mean(1)[:, 0]
    grey = sample_basis(found, centres(flame.chart)).mean[:, 0]
    assert float(grey[x > 0.02].median()) > 0.7 and float(grey[x < -0.02].median()) < 0.1
    other = replace(flame, faces=flame.faces[:, [1, 0, 2]] % 5000)
    with pytest.raises(AssetError, match="drawn for a mesh of 9976 triangles that is not that"):
        load_head_texture(downloads / "map.png", other)
    with pytest.raises(AssetError, match="has no UV chart, which a texture needs"):
        load_head_texture("open_head_texture", files.bare_assets())


def test_open_heads_texture_is_carried_to_other_heads(
    asset_folder: Path, flame: FlameAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the vertices of OpenHead itself as the match, each vertex keeps its colour."""
    head = files.open_head()
    assert head.chart is not None and flame.chart is not None
    at_vertex = torch.zeros(len(head.v_template), 2)
    at_vertex[head.faces.reshape(-1)] = head.chart.uv[head.chart.faces.reshape(-1)]
    corners = at_vertex[files.nearest_vertices()][flame.faces]
    # One colour for each triangle, so that none spans two islands of OpenHead's chart.
    borrowed = UvChart(
        uv=corners[:, :1].expand(-1, 3, -1).reshape(-1, 2),
        faces=torch.arange(3 * len(flame.faces)).reshape(-1, 3),
    )
    monkeypatch.setattr(textures, "match_heads", lambda *_, **__: None)
    monkeypatch.setattr(textures, "borrowed_chart", lambda _: borrowed)
    atlas = UvChart(
        uv=torch.from_numpy(files.atlas_uv()).float(),
        faces=torch.arange(3 * len(flame.faces)).reshape(-1, 3),
    )
    found = load_head_texture("open_head_texture", replace(flame, chart=atlas), component_count=2)
    assert found.basis.shape == (512, 512, 3, 2)
    original = textures.load_texture_space(component_count=2)
    expected = sample_basis(original, corners[:, 0])
    carried = sample_basis(found, centres(atlas))
    assert float((carried.mean - expected.mean).abs().median()) < 0.01
    assert float((carried.basis - expected.basis).abs().median()) < 0.01
    own = load_head_texture("open_head_texture", head, component_count=2)
    assert torch.equal(own.mean, original.mean)
