"""Texture files in circulation: units, order of colours, light, charts, and what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from flame_fit.appearance import load_texture_space
from flame_fit.appearance.colour import linear_to_srgb
from flame_fit.appearance.texture_files import read_texture_file
from flame_fit.errors import AssetError, UsageError

SIZE, COMPONENTS = 6, 3


def basel(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "MU": rng.uniform(0.1, 0.9, SIZE * SIZE * 3),
        "PC": rng.normal(0, 0.05, (SIZE * SIZE * 3, COMPONENTS)),
    }


def test_basel_albedo_is_bgr_and_1(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays, path = basel(rng), tmp_path / "albedo.npz"
    np.savez(path, **arrays)
    found = read_texture_file(path)
    mean = arrays["MU"].reshape(SIZE, SIZE, 3)
    components = arrays["PC"].reshape(SIZE, SIZE, 3, COMPONENTS)
    np.testing.assert_allclose(found.mean[..., 0], mean[..., 2], rtol=1e-6)
    np.testing.assert_allclose(found.components[..., 2, :], components[..., 0, :], rtol=1e-6)
    assert found.layout == "basel" and found.chart is None
    assert load_texture_space(path, component_count=2).basis.shape == (SIZE, SIZE, 3, 2)
    with pytest.raises(
        UsageError, match=f"4 texture components were asked for; .* has {COMPONENTS}"
    ):
        read_texture_file(path, component_count=4)


def test_albedomm_is_linear_light(tmp_path: Path, rng: np.random.Generator) -> None:
    """A small code gives the sRGB of the linear sum; the specular part is left out."""
    mean = rng.uniform(0.05, 0.7, (SIZE, SIZE, 3))
    components = rng.normal(0, 0.02, (SIZE, SIZE, 3, COMPONENTS))
    chart = {"vt": np.array([[0, 0], [1, 0], [0, 1.0]]), "ft": np.array([[0, 1, 2]])}
    path = tmp_path / "albedo.npz"
    np.savez(path, MU=mean, PC=components, specMU=mean, specPC=components, **chart)
    found = read_texture_file(path)
    assert found.layout == "albedomm" and found.chart is not None
    assert found.chart.faces.tolist() == [[0, 1, 2]]
    code = np.array([0.05, -0.1, 0.08])
    expected = linear_to_srgb((mean + components @ code)[..., ::-1].copy())
    np.testing.assert_allclose(found.mean + found.components @ code, expected, atol=5e-4)
    np.testing.assert_allclose(found.mean, linear_to_srgb(mean[..., ::-1].copy()), atol=1e-6)


def test_a_square_picture_is_a_map_without_components(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:8, :, 0] = 255
    cv2.imwrite(str(tmp_path / "map.png"), pixels[..., ::-1])
    found = load_texture_space(tmp_path / "map.png")
    assert found.mean[0, 0].tolist() == [1.0, 0.0, 0.0]
    assert found.basis.shape == (64, 64, 3, 0) and found.scale.shape == (0,)
    assert load_texture_space(tmp_path / "map.png", component_count=0).basis.shape[-1] == 0
    with pytest.raises(UsageError, match="5 texture components were asked for; .* has 0"):
        load_texture_space(tmp_path / "map.png", component_count=5)
    cv2.imwrite(str(tmp_path / "wide.png"), pixels[:40])
    with pytest.raises(AssetError, match="64 x 40 pixels; a texture map is square"):
        load_texture_space(tmp_path / "wide.png")


def test_units_that_were_mixed_up_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays, path = basel(rng), tmp_path / "albedo.npz"
    np.savez(path, MU=255 * arrays["MU"], PC=arrays["PC"])
    with pytest.raises(AssetError, match="'MU' reaches 2.*, expected 0 to 1"):
        read_texture_file(path)
    maps = arrays["MU"].reshape(SIZE, SIZE, 3)
    np.savez(path, mean=maps, tex_dir=np.zeros((SIZE, SIZE, 3, 1)))
    with pytest.raises(AssetError, match="'mean' is at most 0.*, expected 0 to 255"):
        read_texture_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MU": np.zeros(10)}, "'MU' has 10 values, expected a square map"),
        ({"PC": np.zeros((7, 2))}, r"'PC' is \(7, 2\), expected 108 values x K"),
        ({"PC": np.full((108, 2), np.inf)}, "not finite"),
        ({"PC": np.array(["a"] * 108)[:, None]}, "'PC' must be numbers"),
        ({"vt": np.zeros((3, 2)), "ft": np.full((1, 3), 3)}, "'vt' and 'ft' are no texture chart"),
        ({"vt": np.zeros((3, 3)), "ft": np.zeros((1, 3), int)}, "expected T x 2 and F x 3"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, rng: np.random.Generator, change: dict[str, np.ndarray], message: str
) -> None:
    path = tmp_path / "albedo.npz"
    np.savez(path, **(basel(rng) | change))
    with pytest.raises(AssetError, match=message):
        read_texture_file(path)
