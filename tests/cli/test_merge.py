"""`flame-fit merge`: what it refuses."""

import io

import pytest
from rich.console import Console

from flame_fit import cli
from flame_fit.cli import merge
from flame_fit.errors import UsageError


def run(*arguments):
    errors = Console(file=io.StringIO(), width=200, markup=False, soft_wrap=True)
    return merge.run([str(argument) for argument in arguments], errors=errors)


def test_no_fit_is_wrong_use():
    with pytest.raises(UsageError, match="no fit given; see flame-fit merge --help"):
        run()


def test_a_fit_is_not_replaced_by_the_merged_head(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="--out .*a is one of the fits; choose another folder"):
        run(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "b" / ".." / "a")


def test_what_cannot_be_merged_is_one_line_and_writes_nothing(tmp_path, capsys):
    code = cli.main(
        ["merge", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c")]
    )
    assert code == cli.EXIT_SOME_FAILED
    assert capsys.readouterr().err == (
        f"flame-fit: {tmp_path / 'a'}: no such folder; give a folder that `flame-fit fit` wrote\n"
    )
    assert list(tmp_path.iterdir()) == []
