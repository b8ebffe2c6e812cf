"""The command line: inputs, exit codes, one-line errors, and results that never mix."""

import logging
import sys
import types
from dataclasses import dataclass, replace

import pytest

from flame_fit import cli
from flame_fit.asset_files import sha256_of
from flame_fit.config import PRESETS, FitConfig
from flame_fit.errors import InputError, NoFaceError
from flame_fit.export import ExportScene, earlier_result
from tests.export.scenes import make_scene


@dataclass(frozen=True)
class Result:
    export: ExportScene


class StandInSession:
    """Stands in for the fit: what happens to a photo is the content of its file."""

    configs: list[FitConfig] = []
    fitted: list[str] = []
    batches: list[int] = []

    def __init__(self, config):
        self.configs.append(config)

    def observe(self, path, *, on_stage):
        on_stage("looking")
        content = path.read_text()
        if content == "empty":
            raise NoFaceError(f"{path}: shows no face; give a photo of one")
        if content == "broken":
            raise InputError(f"{path}: is no picture; give a PNG or JPEG")
        if content == "bug":
            raise RuntimeError("shapes differ\nsecond line")
        if content == "stop":
            raise KeyboardInterrupt
        count = int(content) if content.isdecimal() else 1
        return [(path, face) for face in range(1, count + 1)]

    def fit_faces(self, faces, *, on_stage):
        on_stage("fitting")
        self.batches.append(len(faces))
        if any(path.read_text() == "worse" for path, _ in faces):
            raise RuntimeError("the equations have no solution")
        self.fitted += [path.name for path, face in faces if face == 1]
        return [self.result(path, face) for path, face in faces]

    def result(self, path, face):
        scene = make_scene()
        report = replace(
            scene.report,
            photo=str(path.resolve()),
            photo_sha256=sha256_of(path),
            face=face,
        )
        return Result(replace(scene, report=report))


@pytest.fixture(autouse=True)
def session(monkeypatch):
    module = types.ModuleType("flame_fit.pipeline")
    module.FitSession = StandInSession
    monkeypatch.setitem(sys.modules, "flame_fit.pipeline", module)
    monkeypatch.setattr(StandInSession, "configs", [])
    monkeypatch.setattr(StandInSession, "fitted", [])
    monkeypatch.setattr(StandInSession, "batches", [])
    return StandInSession


@pytest.fixture(autouse=True)
def log_as_before():
    """The command sets up the log of the whole process; undo it after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder to work in, with photos in it."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "good.png": "1",
        "other.JPG": "1 too",
        "pair.png": "2",
        "empty.png": "empty",
        "broken.png": "broken",
        "bug.png": "bug",
        "stop.png": "stop",
        "notes.txt": "no photo",
    }.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def run(*arguments):
    return cli.main(["fit", *map(str, arguments)])


def only_line(text):
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize(
    ("photos", "code", "written"),
    [
        (["good.png"], 0, {"good"}),
        (["good.png", "other.JPG"], 0, {"good", "other"}),
        (["good.png", "broken.png", "other.JPG"], 1, {"good", "other"}),
        (["bug.png", "good.png"], 1, {"good"}),
        (["missing.png", "good.png"], 1, {"good"}),
        (["empty.png", "good.png"], 1, {"good"}),
        (["empty.png"], 3, set()),
        (["empty.png", "broken.png"], 1, set()),
        (["missing.png"], 1, set()),
    ],
)
def test_exit_codes_and_what_is_written(work, photos, code, written):
    assert run(*photos) == code
    assert {entry.name for entry in (work / "outputs").iterdir()} == written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good.png", "--bogus", "3"], "unrecognized options: --bogus"),
        (["good.png", "--detectr", "auto"], "did you mean --detector? see flame-fit fit --help"),
        (["good.png", "--preset", "slow"], "invalid choice 'slow' for argument '--preset'"),
        (["good.png", "--focal", "long"], "--focal"),
        (["good.png", "--focal", "-3"], "--focal is -3.0; give a number of pixels above 0"),
        (["good.png", "--texture-size", "7"], "--texture-size is 7"),
        (["good.png", "--device", "moon"], "device 'moon' is unknown"),
        ([], "no photo given"),
        (["--preset"], "--preset"),
        (["good.png", "--out", "notes.txt"], "--out notes.txt cannot be written"),
        (["good.png", "--out", "notes.txt/x"], "--out notes.txt/x cannot be written"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(work, capsys, arguments, message):
    assert run(*arguments) == 2
    line = only_line(capsys.readouterr().err)
    assert line.startswith("flame-fit: ")
    assert message in line


@pytest.mark.parametrize(
    "photo", ["broken.png", "empty.png", "bug.png", "missing.png", "none*.png"]
)
def test_a_photo_that_fails_is_one_line(work, capsys, photo):
    run(photo)
    line = only_line(capsys.readouterr().err)
    assert line.startswith(f"flame-fit: {photo}: ")


def test_unexpected_errors_show_their_traceback_on_request(work, capsys):
    assert run("bug.png", "--verbose") == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_is_clean(work, capsys):
    assert run("good.png", "stop.png", "other.JPG") == 130
    assert "interrupted" in only_line(capsys.readouterr().err)
    assert {entry.name for entry in (work / "outputs").iterdir()} == {"good"}


def test_photos_of_one_name_from_two_folders_are_both_written(work):
    for folder in ("a", "b"):
        (work / folder).mkdir()
        (work / folder / "x.png").write_text(folder)
    assert run("a/x.png", "b/x.png") == 0
    assert {entry.name for entry in (work / "outputs").iterdir()} == {"a-x", "b-x"}
    for folder in ("a", "b"):
        result = earlier_result(work / "outputs" / f"{folder}-x")
        assert result.photo == str((work / folder / "x.png").resolve())


def test_photos_of_one_name_in_two_calls_are_both_kept(work):
    for folder in ("a", "b"):
        (work / folder).mkdir()
        (work / folder / "x.png").write_text(folder)
        assert run(f"{folder}/x.png") == 0
    assert {entry.name for entry in (work / "outputs").iterdir()} == {"x", "b-x"}


def test_folders_and_patterns_are_photos_and_every_photo_is_fitted_once(work, session):
    (work / "album").mkdir()
    for name in ("2.png", "1.jpeg", ".hidden.png", "list.txt"):
        (work / "album" / name).write_text(name)
    assert run("album", "album/2.png", "*ood.png", work / "good.p*g") == 0
    assert session.fitted == ["1.jpeg", "2.png", "good.png"]


def test_a_folder_without_photos_says_so(work, capsys):
    (work / "bare").mkdir()
    assert run("bare") == 1
    assert "bare: holds no photo; expected .bmp" in only_line(capsys.readouterr().err)


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(work, session):
    (work / "me[1].png").write_text("1")
    assert run("me[1].png") == 0
    assert session.fitted == ["me[1].png"]


def test_every_face_gets_a_folder(work):
    assert run("pair.png", "--face", "all") == 0
    assert {entry.name for entry in (work / "outputs").iterdir()} == {"pair-face1", "pair-face2"}


def test_existing_results_are_refitted_or_skipped_as_asked(work, session, capsys):
    run("good.png")
    run("good.png")
    assert session.fitted == ["good.png", "good.png"]
    capsys.readouterr()
    assert run("good.png", "other.JPG", "--skip-existing") == 0
    assert session.fitted == ["good.png", "good.png", "other.JPG"]
    assert "kept" in capsys.readouterr().out


def test_options_override_the_preset(work, session):
    run("good.png", "--texture-size", "300", "--preset", "fast", "--weights.identity", "2")
    (config,) = session.configs
    assert config.texture_size == 300
    assert config.weights.identity == 2.0
    assert config.solver == PRESETS["fast"].solver
    assert config.preset == "fast"


def test_face_is_a_word_or_an_index(work, session):
    run("good.png", "--face", "1")
    run("good.png", "--face=largest")
    assert [config.face for config in session.configs] == [1, "largest"]


def test_the_table_tells_what_was_reached(work, capsys):
    run("good.png", "empty.png", "--out", "here")
    out = capsys.readouterr().out
    good = next(line for line in out.splitlines() if line.startswith("good.png"))
    assert good.split()[1:4] == ["ok", "0.0100", "33.0"]
    assert "here/good" in good
    assert "no face" in next(line for line in out.splitlines() if line.startswith("empty.png"))
    assert "mediapipe478" in out


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in ("--out", "--device", "--model", "--preset", "--face", "--weights.identity"):
        assert option in text


def test_commands_are_listed_and_unknown_ones_refused(capsys):
    assert cli.main(["--help"]) == 0
    assert "fit" in capsys.readouterr().out
    assert cli.main([]) == 2
    assert cli.main(["bake"]) == 2
    assert "command 'bake' is unknown; give one of: fit" in only_line(capsys.readouterr().err)


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("flame-fit ")


def test_photos_of_a_batch_are_solved_in_one_go(work, session):
    (work / "third.png").write_text("1")
    assert run("good.png", "other.JPG", "third.png", "--batch-size", "2") == 0
    assert session.batches == [2, 1]


def test_a_face_that_cannot_be_solved_costs_only_its_own_photo(work, session, capsys):
    (work / "worse.png").write_text("worse")
    code = run("good.png", "worse.png", "broken.png", "other.JPG", "--batch-size", "4")
    assert code == cli.EXIT_SOME_FAILED
    assert session.fitted == ["good.png", "other.JPG"]
    assert "worse.png: unexpected RuntimeError (the equations have no solution)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("option", ["--jobs", "--batch-size"])
def test_numbers_of_photos_begin_at_one(work, option, capsys):
    assert run("good.png", option, "0") == cli.EXIT_USAGE
    assert f"{option} is 0" in only_line(capsys.readouterr().err)
