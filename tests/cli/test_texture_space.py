"""`flame-fit texture-space from-basel`: what is passed on, what is written, what is refused."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from flame_fit.appearance import TextureSpace, load_texture_space
from flame_fit.cli import texture_space
from flame_fit.errors import UsageError
from flame_fit.head_models.basel import BaselTexture
from flame_fit.testing import tiny_assets


def run(*arguments):
    errors = Console(file=io.StringIO(), width=200, markup=False, soft_wrap=True)
    return texture_space.run([str(argument) for argument in arguments], errors=errors)


@pytest.fixture
def calls(monkeypatch):
    """Stands in for the registration, which is tested with the library."""
    made = []
    space = TextureSpace(
        mean=torch.full((4, 4, 3), 0.5), basis=torch.rand(4, 4, 3, 2), scale=torch.ones(2)
    )

    def carry(path, assets, **options):
        made.append((path, assets.name, options))
        return BaselTexture(
            space=space,
            seen=torch.eye(4) > 0,
            kind="Basel Face Model 2009",
            landmark_source="12 points that the file names",
            distance_mm=0.25,
        )

    monkeypatch.setattr("flame_fit.head_models.load_head_model", lambda name: tiny_assets())
    monkeypatch.setattr(
        "flame_fit.head_models.load_head_texture", lambda name, assets, **options: space
    )
    monkeypatch.setattr("flame_fit.head_models.basel.basel_texture_space", carry)
    return made


def test_the_file_is_written_and_described(tmp_path, calls, capsys):
    out = tmp_path / "texture.npz"
    code = run("from-basel", "bfm.mat", "--out", out, "--size", 4, "--components", 2)
    assert code == 0
    ((path, name, options),) = calls
    assert (path, name) == (Path("bfm.mat"), "tiny")
    assert (options["size"], options["most_components"], options["detector"]) == (4, 2, None)
    np.testing.assert_allclose(options["backdrop"], 0.5)
    assert load_texture_space(out).scale.shape == (2,)
    shown = capsys.readouterr().out
    assert "Basel Face Model 2009 on tiny, 2 components at 4 texels" in shown
    assert "25 % of the texels seen, 0.25 mm" in shown


def test_wrong_use_is_one_line(tmp_path, calls, capsys):
    with pytest.raises(UsageError, match="0 files were given; give one Basel Face Model"):
        run("from-basel", "--out", "a.npz")
    with pytest.raises(UsageError, match=r"is no \.npz file; give --out FILE\.npz"):
        run("from-basel", "bfm.mat", "--out", "a.png")
    with pytest.raises(UsageError, match="--size must be 1 or more"):
        run("from-basel", "bfm.mat", "--out", "a.npz", "--size", 0)
    with pytest.raises(UsageError, match="action 'bake' is unknown; give one of: build, "):
        run("bake")
    assert run() == 2
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert "usage: flame-fit texture-space ACTION" in shown
    for action in texture_space.ACTIONS:
        assert f"  {action}" in shown
    assert calls == []
