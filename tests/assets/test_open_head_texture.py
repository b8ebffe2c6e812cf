"""The committed starting texture space: published schema, and the colours of people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

MINIMUM_COMPONENTS = 40
MAXIMUM_BYTES = 11_000_000


@dataclass(frozen=True)
class Space:
    """Mean and components in RGB, 0..255, as float32; which texel shows what."""

    mean: np.ndarray
    components: np.ndarray
    regions: dict[str, np.ndarray]


def texel_masks(head: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Texels at the triangles' centres, by region."""
    centre = head["vt"][head["ft"]].mean(1)
    column = (centre[:, 0] * size).astype(int)
    row = ((1 - centre[:, 1]) * size).astype(int)
    masks = {}
    for name, mask in zip(head["region_names"].tolist(), head["region_masks"], strict=True):
        inside = mask[head["f"]].all(1)
        texels = np.zeros((size, size), bool)
        texels[row[inside], column[inside]] = True
        masks[name] = texels
    return masks


@pytest.fixture(scope="module")
def path(repository: Path) -> Path:
    return repository / "assets/open_head_texture.npz"


@pytest.fixture(scope="module")
def space(path: Path, repository: Path) -> Space:
    with np.load(repository / "assets/open_head.npz", allow_pickle=False) as data:
        keys = ("vt", "ft", "f", "region_names", "region_masks")
        head = {key: data[key] for key in keys}
    with np.load(path, allow_pickle=False) as data:
        mean = data["mean"].astype(np.float32)[..., ::-1]
        components = data["tex_dir"].astype(np.float32)[:, :, ::-1]
    return Space(mean, components, texel_masks(head, mean.shape[0]))


def linear(srgb: np.ndarray) -> np.ndarray:
    value = np.clip(srgb / 255, 0, 1)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def draw(space: Space, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((count, space.components.shape[-1])).astype(np.float32)
    return np.stack([space.mean + space.components @ code for code in codes])


def test_schema_and_size(path: Path, space: Space) -> None:
    size = space.mean.shape[0]
    assert space.mean.shape == (size, size, 3)
    assert space.components.shape[:3] == space.mean.shape
    assert space.components.shape[3] >= MINIMUM_COMPONENTS
    assert np.isfinite(space.components).all()
    assert space.mean.min() >= 0
    assert space.mean.max() <= 255
    assert path.stat().st_size <= MAXIMUM_BYTES


def test_the_file_is_in_bgr_order(path: Path, space: Space) -> None:
    """Skin is redder than green, and greener than blue; blue comes first in the file."""
    with np.load(path, allow_pickle=False) as data:
        first = data["mean"].astype(np.float32)[space.regions["face"] & space.regions["skin"]]
    blue, green, red = first.mean(0)
    assert red > green > blue


def test_components_are_ordered_by_variance(space: Space) -> None:
    face = space.regions["face"]
    energy = (space.components[face] ** 2).sum((0, 1))
    assert energy[0] == energy.max()
    assert energy[:3].sum() > 0.8 * energy.sum()
    assert energy.min() > 0


def test_codes_of_one_deviation_make_people(space: Space) -> None:
    """Random people stay within the range of colours, almost everywhere."""
    people = draw(space, 16, 0)[:, space.regions["face"]]
    assert np.mean((people < 0) | (people > 255)) < 0.01


def test_the_mean_is_a_mid_skin_tone_without_light(space: Space) -> None:
    cheeks = space.regions["face"] & space.regions["skin"]
    for name in ("lips", "brows", "left_eyelids", "right_eyelids"):
        cheeks = cheeks & ~space.regions[name]
    albedo = linear(space.mean[cheeks])
    assert np.all(albedo.mean(0) > [0.20, 0.11, 0.07])
    assert np.all(albedo.mean(0) < [0.55, 0.38, 0.30])
    # No light baked in: forehead, nose and the rest of the face are alike.
    forehead, nose = (linear(space.mean[space.regions[k]]).mean(0) for k in ("forehead", "nose"))
    assert np.all(np.abs(np.log(forehead / nose)) < 0.15)
    half = space.mean.shape[1] // 2
    left, right = linear(space.mean[:, half:]), linear(space.mean[:, :half][:, ::-1])
    assert np.abs(left - right).mean() < 0.01


def test_the_space_reaches_from_pale_to_dark(space: Space) -> None:
    forehead = space.regions["forehead"]
    mean = space.mean[forehead].mean(0)
    deviation = space.components[forehead].mean(0)
    sign = np.sign(deviation[:, 0].sum())
    pale = linear(mean + 2 * sign * deviation[:, 0])
    dark = linear(mean - 2 * sign * deviation[:, 0])
    assert pale[0] > 0.5
    assert dark[0] < 0.16
    assert dark[0] > dark[1] > dark[2]


def test_lips_brows_eyes_and_mouth_differ_from_skin(space: Space) -> None:
    colour = {name: linear(space.mean[mask]).mean(0) for name, mask in space.regions.items()}
    skin = colour["forehead"]
    assert colour["lips"][0] / colour["lips"][1] > 1.1 * skin[0] / skin[1]
    assert colour["brows"].sum() < 0.8 * skin.sum()
    assert colour["scalp"].sum() < 0.9 * skin.sum()
    for side in ("left", "right"):
        iris = space.regions[f"{side}_iris"]
        sclera = linear(space.mean[space.regions[f"{side}_eyeball"] & ~iris]).mean(0)
        assert sclera.min() > skin.max()
        assert linear(space.mean[iris]).mean() < 0.5 * sclera.mean()
    mouth = colour["mouth_interior"]
    assert mouth[0] > 1.5 * mouth[1]
    assert mouth.sum() < skin.sum()
    assert colour["teeth"].min() > mouth.max()


def test_the_pupil_is_dark_and_centred(space: Space) -> None:
    size = space.mean.shape[0]
    rows, columns = np.mgrid[:size, :size]
    for side in ("left", "right"):
        ball = space.regions[f"{side}_iris"]
        centre = np.array([rows[ball].mean(), columns[ball].mean()])
        around = np.hypot(rows - centre[0], columns - centre[1])
        assert linear(space.mean[around < 3]).mean() < 0.03
        ring = linear(space.mean[(around > 7) & (around < 9)]).mean()
        assert ring > 2 * linear(space.mean[around < 3]).mean()


def test_colours_run_on_beyond_the_islands(space: Space) -> None:
    """Empty texels are filled, so that bilinear look-ups at a seam find skin and not black."""
    assert space.mean.min(axis=2).max() > 0
    assert (space.mean.sum(2) < 10).mean() < 0.001


def test_the_library_reads_it(path: Path) -> None:
    texture_space = pytest.importorskip("flame_fit.appearance.texture_space")
    read = texture_space.load_texture_space(path)
    assert read.mean.shape[-1] == 3
    assert float(read.mean.max()) <= 1
    assert read.basis.shape[-1] >= MINIMUM_COMPONENTS
