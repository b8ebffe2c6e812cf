"""A texture space from folders of fits: recovered, measured, resumed, and used by a model."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from flame_fit.appearance import TextureSpace, load_texture_space
from flame_fit.errors import InputError
from flame_fit.head_models import load_head_texture
from flame_fit.image_files import encode_png, load_image
from flame_fit.pipeline.space_build import SpacePlan, build_texture_space
from flame_fit.pipeline.space_fits import FitLimits, fit_folders, read_fit_maps
from flame_fit.testing import tiny_assets
from flame_fit.texture import build_texel_geometry
from flame_fit.texture.spaces import ColourPrior, SpaceSettings
from scripts.benchmarking.synthetic_fits import SyntheticFits, write_synthetic_fits
from tests.texture.spaces.known_maps import Silent, angles_between

SIZE, FITS, COMPONENTS = 64, 30, 2
SETTINGS = SpaceSettings(COMPONENTS, ColourPrior.off(), coarse_rounds=6)


@pytest.fixture(scope="module")
def assets():
    return tiny_assets()


def truth() -> TextureSpace:
    """Stripes and a gradient on a grey mean."""
    centre = (torch.arange(SIZE) + 0.5) / SIZE
    rows, columns = torch.meshgrid(centre, centre, indexing="ij")
    patterns = torch.stack((torch.sin(9.0 * rows), torch.cos(14.0 * columns * rows)), dim=-1)
    colours = torch.tensor([[1.0, 0.6, 0.3], [0.2, 0.8, 1.0]]).T
    return TextureSpace(
        mean=torch.full((SIZE, SIZE, 3), 0.5),
        basis=0.06 * patterns[:, :, None] * colours,
        scale=torch.ones(COMPONENTS),
    )


@pytest.fixture(scope="module")
def fits(tmp_path_factory, assets):
    """Finished fits, and one folder for each way not to be used."""
    folder = tmp_path_factory.mktemp("fits")
    plan = SyntheticFits(
        count=FITS,
        size=SIZE,
        components=COMPONENTS,
        brightness=0.0,
        tint=0.0,
        leaks=0.0,
        noise=0.003,
    )
    write_synthetic_fits(folder, truth(), assets, plan)
    for name, change in BAD_REPORTS.items():
        copy = folder / name
        copy.mkdir()
        for file in (folder / "00000").iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        report = json.loads((copy / "report.json").read_text())
        report |= change if name == "again" else {"photo_sha256": name} | change
        (copy / "report.json").write_text(json.dumps(report))
    (folder / "bad_json" / "report.json").write_text("{")
    (folder / "no_map" / "texture.png").unlink()
    whole = (folder / "cut_map" / "texture.png").read_bytes()
    (folder / "cut_map" / "texture.png").write_bytes(whole[: len(whole) // 2])
    small = encode_png(np.zeros((32, 32, 3), np.uint8))
    for name in ("texture", "texture_confidence", "texture_mask"):
        (folder / "small" / f"{name}.png").write_bytes(small)
    blue = load_image(folder / "blue" / "texture.png").srgb
    blue = np.clip(blue * np.array([0.6, 0.8, 1.6]), 0, 255).astype(np.uint8)
    (folder / "blue" / "texture.png").write_bytes(encode_png(blue))
    return folder


BAD_REPORTS = {
    "again": {},
    "bad_json": {},
    "blue": {},
    "cut_map": {},
    "doubtful": {"status": "doubtful", "warnings": ["the head is turned by 70 degrees"]},
    "hidden": {"coverage": 0.1},
    "null": {"psnr_model": None},
    "no_map": {},
    "noisy": {"psnr_model": 11.0},
    "off": {"landmark_nme": 0.2},
    "other": {"model": {"name": "flame", "sha256": "1" * 64}},
    "small": {},
    "text": {"coverage": "much"},
}
REASONS = {
    "again": "the same photo as 00000",
    "bad_json": "no report of flame-fit",
    "blue": "standard deviations from that of skin, above 6",
    "cut_map": "damaged or incomplete",
    "doubtful": "doubtful: the head is turned by 70 degrees",
    "hidden": "coverage 0.10, below 0.25",
    "null": "psnr_model nan dB, below 18",
    "no_map": "texture.png does not exist",
    "noisy": "psnr_model 11.0 dB, below 18",
    "off": "landmark_nme 0.200, above 0.05",
    "other": "fitted with flame, not with tiny",
    "small": "its texture has 32 texels a side, fewer than 64",
    "text": "str instead of a number",
}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, assets):
    monkeypatch.setattr("flame_fit.pipeline.space_build.load_head_model", lambda name: assets)


def plan_of(fits, out) -> SpacePlan:
    return SpacePlan(fits=fits, out=out, model="tiny", size=SIZE, settings=SETTINGS)


@pytest.fixture(scope="module")
def built(fits, tmp_path_factory, assets):
    out = tmp_path_factory.mktemp("built") / "space.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flame_fit.pipeline.space_build.load_head_model", lambda name: assets)
        return out, build_texture_space(plan_of(fits, out), progress=Silent())


def test_the_space_behind_the_fits_is_found(built, fits, assets):
    """On texels that five maps or more show; what nobody shows cannot be known."""
    out, report = built
    texels = build_texel_geometry(assets, SIZE)
    seen = sum(read_fit_maps(fits / name, texels).confidence[0] for name in report.used) > 5.0
    space = load_texture_space(out)
    found = texels.from_map(space.basis.flatten(2))[seen].reshape(-1, 3, COMPONENTS)
    known = texels.from_map(truth().basis.flatten(2))[seen].reshape(-1, 3, COMPONENTS)
    assert len(report.used) + len(report.held_out) == FITS
    assert float(angles_between(found.double(), known.double()).max()) < 10.0
    last = report.records[-1]
    assert last.explained > 0.9 and last.components == COMPONENTS
    assert last.rms_new < 0.01 and last.rms_hidden < 0.01 < report.records[0].rms_new


def test_every_folder_that_is_left_out_has_its_reason(built):
    left_out = {fit.folder: fit.reason for fit in built[1].left_out}
    assert left_out.keys() == REASONS.keys()
    for name, reason in REASONS.items():
        assert reason in left_out[name], left_out[name]


def test_the_file_is_what_other_programs_read(built, assets):
    out, report = built
    with np.load(out, allow_pickle=False) as content:
        assert content["mean"].shape == (SIZE, SIZE, 3)
        assert content["tex_dir"].shape == (SIZE, SIZE, 3, COMPONENTS)
        assert 2.0 < float(content["mean"].mean()) < 255.0
        assert content["explained_variance"].sum() == pytest.approx(
            report.records[-1].explained, abs=1e-3
        )
    used = load_head_texture(out, assets)
    assert used.chart is not None and torch.equal(used.chart.uv, assets.chart.uv)
    # Blue comes first in the file.
    assert torch.allclose(used.mean.flip(-1) * 255.0, torch.from_numpy(np.load(out)["mean"]))


def test_report_and_picture_lie_beside(built):
    out, report = built
    content = json.loads(out.with_suffix(".json").read_text())
    assert content["model"] == "tiny" and content["size"] == SIZE
    assert [fit["folder"] for fit in content["left_out"]] == [f.folder for f in report.left_out]
    assert len(content["records"]) == COMPONENTS + 1
    picture = load_image(out.with_suffix(".png")).srgb
    assert picture.std() > 10.0
    assert not out.with_name("space.npz.work").exists()


class Stop(Exception):
    pass


class StopsAt(Silent):
    def __init__(self, last):
        self.left = last

    def advance(self):
        self.left -= 1
        if self.left == 0:
            raise Stop


def test_killed_at_many_places_nothing_is_lost(built, fits, tmp_path):
    plan, stops = plan_of(fits, tmp_path / "space.npz"), 0
    for last in (3, 20, 42, 44, 46, 48, 52, 54):
        try:
            build_texture_space(plan, progress=StopsAt(last))
        except Stop:
            stops += 1
            assert not plan.out.exists()
            # As a kill in the middle of a line or a row would leave them.
            with (plan.work / "fits.jsonl").open("a") as journal:
                journal.write('{"folder": "00')
            with (plan.work / "maps.u16").open("ab") as rows:
                rows.write(b"part of a row")
    build_texture_space(plan, progress=Silent())
    assert stops >= 6
    assert plan.out.read_bytes() == built[0].read_bytes()


def test_kept_work_is_used_for_the_same_fits_and_no_others(built, fits, tmp_path):
    """What was read is not read again; what was estimated is, for other components."""
    plan = replace(plan_of(fits, tmp_path / "space.npz"), keep_work=True)
    build_texture_space(plan, progress=Silent())
    assert plan.out.read_bytes() == built[0].read_bytes()
    rows = (plan.work / "maps.u16").stat().st_ino
    other = replace(plan, settings=replace(SETTINGS, components=1))
    build_texture_space(other, progress=Silent())
    assert load_texture_space(plan.out).scale.shape == (1,)
    assert (plan.work / "maps.u16").stat().st_ino == rows


def test_too_few_fits_say_what_is_missing(fits, tmp_path):
    plan = replace(plan_of(fits, tmp_path / "space.npz"), settings=SpaceSettings(40))
    with pytest.raises(InputError, match=r"27 of 43 fits can be used \(the first: again: the same"):
        build_texture_space(plan, progress=Silent())
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"holds no report.json; give the folder of finished fits"):
        fit_folders(empty)


def test_no_fit_at_all_is_no_crash(fits, tmp_path):
    plan = replace(plan_of(fits, tmp_path / "a.npz"), limits=FitLimits(least_psnr=99.0))
    with pytest.raises(InputError, match="0 of 43 fits can be used"):
        build_texture_space(plan, progress=Silent())


def test_larger_maps_are_averaged_seen_before_filled_in(tmp_path, assets):
    """Half of each block of texels is seen: what is filled in beside it does not count."""
    columns = np.arange(2 * SIZE) % 2 == 0
    albedo = np.where(columns[None, :, None], 200, 20).astype(np.uint8).repeat(2 * SIZE, axis=0)
    albedo = np.broadcast_to(albedo, (2 * SIZE, 2 * SIZE, 3))
    seen = np.broadcast_to(np.where(columns, 255, 0).astype(np.uint8), (2 * SIZE, 2 * SIZE))
    maps = {"": albedo, "_confidence": seen, "_mask": np.full_like(seen, 255)}
    for name, image in maps.items():
        (tmp_path / f"texture{name}.png").write_bytes(encode_png(np.ascontiguousarray(image)))
    found = read_fit_maps(tmp_path, build_texel_geometry(assets, SIZE))
    assert torch.allclose(found.srgb, torch.tensor(200 / 255.0), atol=2e-3)
    assert torch.allclose(found.confidence, torch.tensor(0.5), atol=1e-3)
