"""A synthetic FLAME release from its archive to a fitted, exported head."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import trimesh

from flame_fit.config import FAST
from flame_fit.export import write_result
from flame_fit.head_models import install, load_head_model
from flame_fit.pipeline import FitSession
from tests.flame.release_files import release_bytes
from tests.head_models import companion_files as files


def flat_texture(size: int = 128) -> bytes:
    """A texture space on the atlas chart: one skin colour that gets lighter or redder."""
    mean = np.full((size, size, 3), (120.0, 150.0, 200.0))
    components = np.stack((np.full_like(mean, 25.0), np.full_like(mean, 5.0)), axis=-1)
    components[..., 2, 1] = -20.0
    faces = np.arange(3 * 9976).reshape(-1, 3)
    return files.npz(mean=mean, tex_dir=components, vt=files.atlas_uv(), ft=faces)


def test_install_fit_export(asset_folder: Path, downloads: Path, astronaut: Path) -> None:
    archive = downloads / "FLAME2023Open.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("flame2023_Open.pkl", release_bytes("flame2023_open"))
    companions = {
        "head_template.obj": files.atlas_obj(),
        "landmark_embedding.npy": files.dictionary_npy(),
        "mediapipe_landmark_embedding.npz": files.mediapipe_npz(whole=True),
        "FLAME_masks.pkl": files.masks_pkl(),
        "l_eyelid.npy": files.eyelid_npy(0),
        "r_eyelid.npy": files.eyelid_npy(1),
        "FLAME_texture.npz": flat_texture(),
    }
    for name, data in companions.items():
        (downloads / name).write_bytes(data)
    outcomes = install([downloads])
    assert all(outcome.is_new for outcome in outcomes), outcomes
    config = replace(FAST, model="flame2023_open", texture_model="flame_texture", texture_size=512)
    session = FitSession(config)
    (result,) = session.fit(astronaut)
    report = write_result(result.export, downloads / "result")
    assert report.status == "ok", report
    assert report.model.name == "flame2023_open"
    assert report.model.sha256 == load_head_model("flame2023_open").sha256
    assert report.model.licence.startswith("CC BY 4.0")
    assert report.landmark_nme < 0.03
    mesh = trimesh.load(downloads / "result" / "mesh.obj", force="mesh", process=False)
    assert len(mesh.faces) == 9976
