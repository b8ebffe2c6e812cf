"""The rules of the house: style, types, layers, sizes, and what ships."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
SOURCE_FOLDERS = ("flame_fit", "scripts", "examples", "tests")
BIN = Path(sys.executable).parent


def run(*command, cwd, **environment):
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_clean(done):
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def sources(repository, *folders):
    files = [repository / "fit.py"]
    for folder in folders:
        files += sorted((repository / folder).rglob("*.py"))
    return files


def test_ruff_finds_nothing(repository):
    assert_clean(run(sys.executable, "-m", "ruff", "check", ".", cwd=repository))


def test_ruff_has_formatted_everything(repository):
    assert_clean(run(sys.executable, "-m", "ruff", "format", "--check", ".", cwd=repository))


def test_types_are_consistent(repository):
    assert_clean(
        run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, cwd=repository)
    )


def test_imports_go_down_the_layers(repository):
    assert_clean(run(BIN / "lint-imports", "--no-cache", cwd=repository))


def test_modules_and_functions_are_short(repository):
    too_long = []
    for path in sources(repository, *SOURCE_FOLDERS):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > LONGEST_MODULE:
            too_long.append(f"{path}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    too_long.append(f"{path}:{node.lineno} {node.name}: {length} lines")
    assert not too_long, "\n".join(too_long)


def test_package_files_only_re_export(repository):
    allowed = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign)
    for path in (repository / "flame_fit").rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert all(isinstance(node, allowed) for node in tree.body), path
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
                assert names == sorted(names), path


def test_the_library_leaves_device_and_seed_to_the_caller(repository):
    forbidden = re.compile(r"\.cuda\(|device=[\"']cuda|manual_seed\(|np\.random\.seed\(")
    for path in sources(repository, "flame_fit"):
        if path.parent.name != "cli" and path.name != "testing.py":
            text = path.read_text(encoding="utf-8")
            seeded = forbidden.sub("", text.replace("Generator().manual_seed(", ""))
            assert seeded == text.replace("Generator().manual_seed(", ""), path


def test_importing_does_nothing(repository, tmp_path):
    modules = [
        ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")
        for path in (repository / "flame_fit").rglob("*.py")
    ]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = run(
        sys.executable,
        "-W",
        "error",
        "-c",
        script,
        *modules,
        cwd=tmp_path,
        PYTHONPATH=str(repository),
        CUDA_VISIBLE_DEVICES="",
        FLAME_FIT_CACHE=str(tmp_path / "cache"),
    )
    assert_clean(done)
    assert done.stdout == done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    assert_clean(run(*build, "--wheel-dir", folder, repository, cwd=folder))
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_models_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "flame_fit/_assets/open_head.npz" in names
    assert "flame_fit/_assets/open_head_texture.npz" in names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"flame_fit"}
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_an_installed_wheel_finds_its_models(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = "from flame_fit.asset_files import find_asset; print(find_asset('open_head.npz'))"
    done = run(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert_clean(done)
    assert Path(done.stdout.strip()) == tmp_path / "site/flame_fit/_assets/open_head.npz"


def test_environment_file_is_short_and_honest(repository):
    text = (repository / "environment.yml").read_text(encoding="utf-8")
    assert text.count("\n") < 25
    for name in ("torch", "pytorch3d", "nvdiffrast", "face-alignment", "opencv", "imageio"):
        assert name in text
    assert "chumpy is not needed" in text
    assert "prefix:" not in text


def test_every_dependency_is_pinned(repository):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    pins = (repository / "constraints.txt").read_text(encoding="utf-8").lower()
    core = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    test = re.search(r"^test = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    for name in re.findall(r'"([A-Za-z0-9_-]+)', core[1] + test[1]):
        assert f"\n{name}==" in pins, name
