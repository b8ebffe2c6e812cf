"""The command that learns who is likely."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flame_fit import cli
from flame_fit.export.params_file import params_bytes
from flame_fit.pipeline.identity_prior import read_identity_prior
from tests.pipeline.test_identity_prior import SIZE, params_with


def written(folder, count, **changes):
    generator = np.random.default_rng(0)
    for number in range(count):
        params = params_with(generator.standard_normal(SIZE), 0.1 * np.eye(SIZE))
        place = folder / f"{number}"
        place.mkdir(parents=True)
        (place / "params.npz").write_bytes(params_bytes(dataclasses.replace(params, **changes)))
    return folder


def run(*arguments):
    return cli.main(["prior", *map(str, arguments)])


def test_fits_become_a_prior_and_what_is_no_fit_is_named(tmp_path, capsys):
    fits = written(tmp_path / "fits", 5)
    broken = fits / "broken" / "params.npz"
    broken.parent.mkdir()
    broken.write_text("no archive")
    out = tmp_path / "prior.npz"
    assert run("calibrate", fits, "--out", out) == cli.EXIT_SOME_FAILED
    assert read_identity_prior(out).count == 5
    lines = capsys.readouterr()
    assert str(broken) in lines.err
    assert lines.err.count("\n") == 1
    assert "from 5 fits" in lines.out


def test_fits_of_another_model_are_left_out(tmp_path, capsys):
    fits = written(tmp_path / "fits", 3)
    written(fits / "others", 1, model_sha256="1" * 64)
    assert run("calibrate", fits, "--out", tmp_path / "p.npz") == cli.EXIT_SOME_FAILED
    assert "give fits of one model" in capsys.readouterr().err
    assert read_identity_prior(tmp_path / "p.npz").count == 3


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ((), cli.EXIT_USAGE, "nothing is unknown; give one of: calibrate"),
        (("learn",), cli.EXIT_USAGE, "'learn' is unknown"),
        (("calibrate",), cli.EXIT_USAGE, "no folder given"),
        (("calibrate", "nowhere"), cli.EXIT_SOME_FAILED, "holds no params.npz"),
    ],
)
def test_wrong_use_is_said_in_one_line(arguments, code, line, capsys):
    assert run(*arguments) == code
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
