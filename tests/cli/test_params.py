"""`flame-fit params convert` and `flame-fit assets export`: files, exit codes and error lines."""

import io

import numpy as np
import pytest
from rich.console import Console

from flame_fit.cli import assets_export, params
from flame_fit.errors import UsageError
from flame_fit.export import read_params
from flame_fit.flame import load_assets
from flame_fit.head_models.model_arrays import model_arrays
from flame_fit.head_models.npz_bytes import npz_bytes
from flame_fit.testing import tiny_assets


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny.npz"
    path.write_bytes(npz_bytes(model_arrays(tiny_assets())))
    return path


@pytest.fixture(autouse=True)
def whole_models(monkeypatch):
    """Completing a model is tested elsewhere."""
    monkeypatch.setattr("flame_fit.head_models.load_head_model", load_assets)


@pytest.fixture
def identity(tmp_path):
    path = tmp_path / "identity.npy"
    np.save(path, np.r_[np.arange(6.0), np.zeros(294)], allow_pickle=False)
    return path


def run(module, *arguments):
    errors = Console(file=io.StringIO(), width=200, markup=False, soft_wrap=True)
    code = module.run([str(argument) for argument in arguments], errors=errors)
    return code, errors.file.getvalue()


def test_an_identity_becomes_a_track_and_comes_back(tmp_path, model, identity, capsys):
    own, track = tmp_path / "params.npz", tmp_path / "track.npz"
    code, notes = run(params, "convert", identity, "--out", own, "--model", model)
    assert (code, "identity only" in notes) == (0, True)
    assert "from mica to flame-fit, model tiny" in capsys.readouterr().out
    np.testing.assert_allclose(read_params(own).shape, np.arange(6.0))
    assert run(params, "convert", own, "--to", "vhap", "--out", track, "--model", model)[0] == 0
    again = tmp_path / "again.npz"
    assert run(params, "convert", track, "--out", again, "--model", model)[0] == 0
    first, second = read_params(own), read_params(again)
    np.testing.assert_allclose(second.shape, first.shape)
    np.testing.assert_allclose(second.translation, first.translation, atol=1e-6)
    np.testing.assert_allclose(second.focal, first.focal, rtol=1e-6)


def test_wrong_use_is_one_line(tmp_path, model, identity, capsys):
    with pytest.raises(UsageError, match=r"--out .*a\.txt is no \.npy file, which layout seed is"):
        run(params, "convert", identity, "--to", "seed", "--out", tmp_path / "a.txt")
    with pytest.raises(UsageError, match="0 files were given; give one to convert"):
        run(params, "convert", "--out", "a.npz")
    with pytest.raises(UsageError, match="action 'merge' is unknown; give one of: convert"):
        run(params, "merge")
    assert run(params)[0] == 2
    assert run(params, "--help")[0] == 0
    assert "usage: flame-fit params ACTION" in capsys.readouterr().out


def test_a_model_is_exported_in_both_layouts(tmp_path, model, capsys):
    pickled, plain = tmp_path / "generic_model.pkl", tmp_path / "SMPLX.npz"
    assert run(assets_export, model, "--out", pickled)[0] == 0
    assert run(assets_export, model, "--layout", "smplx-npz", "--out", plain)[0] == 0
    assert "licence: CC0-1.0" in capsys.readouterr().out
    assert pickled.read_bytes()[:2] == b"\x80\x02"
    assert load_assets(plain).v_template.shape == (302, 3)
    with pytest.raises(UsageError, match=r"is no \.pkl file, which layout flame-pickle is"):
        run(assets_export, model, "--out", plain)
