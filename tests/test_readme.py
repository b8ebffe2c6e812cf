"""What the README prints is what runs."""

import os
import re
import subprocess
import sys

import pytest

from flame_fit import cli
from flame_fit.config import PRESETS

CONTINUOUS_INTEGRATION = ".ci/run"


def blocks(repository, language):
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def shell(script, *, cwd):
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def python(*arguments, cwd, repository):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_readme_has_the_two_commands(repository):
    install, test = blocks(repository, "bash")
    assert install.count("\n") == test.count("\n") == 1
    assert "pip install -c constraints.txt" in install
    assert install.rstrip().endswith("python fit.py data/astronaut.png")
    assert test.rstrip().endswith("python -m pytest -n 2")


def test_its_commands_are_valid_shell(repository):
    for block in blocks(repository, "bash"):
        shell(f"bash -n <<'END'\n{block}END\n", cwd=repository)


def test_continuous_integration_runs_the_commands_as_printed(repository):
    script = (repository / CONTINUOUS_INTEGRATION).read_text(encoding="utf-8")
    function = re.search(r"^readme_command\(\) \{.*?^\}$", script, re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks(repository, "bash"), start=1):
        printed = shell(f"{function[0]}\nreadme_command {number}", cwd=repository)
        assert printed == block
    assert "for number in 1 2; do" in script
    assert 'eval "$command"' in script
    assert not re.search(r"pip install|pytest|fit\.py", script)


def test_files_it_names_exist(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (repository / target).is_file(), target
    for name in ("constraints.txt", "environment.yml", "LICENSE", "NOTICE", "examples"):
        assert name in text
        assert (repository / name).exists()


def test_options_it_names_exist(repository, capsys):
    text = (repository / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        cli.main(["fit", "--help"])
    known = set(re.findall(r"--[a-z][a-z.-]*", capsys.readouterr().out))
    named = set(re.findall(r"--[a-z][a-z.-]*", text))
    assert named <= known
    assert set(re.findall(r"^\| `--preset (\w+)`", text, re.MULTILINE)) == set(PRESETS)


def test_its_python_block_runs(repository, tmp_path):
    (block,) = blocks(repository, "python")
    (tmp_path / "data").symlink_to(repository / "data")
    done = python("-c", block, cwd=tmp_path, repository=repository)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "astronaut" / "mesh.obj").is_file()


def test_the_examples_run_in_order(repository, tmp_path):
    examples = sorted((repository / "examples").glob("[0-9][0-9]_*.py"))
    assert examples
    for example in examples:
        source = example.read_text(encoding="utf-8")
        assert source.startswith('"""')
        assert source.count("\n") <= 60
        done = python(example, cwd=tmp_path, repository=repository)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
