"""The benchmark's tables, record, options and parts."""

from __future__ import annotations

import math

import pytest
from rich.console import Console

from flame_fit.errors import InputError
from scripts import benchmark
from scripts.benchmarking import options, parts, record, speed, tables, timing
from scripts.benchmarking.timing import FitTiming, TimingResult


def test_tables_as_markdown_and_on_a_terminal(capsys):
    table = tables.Table("Title", ("", "a|b"), (("x", "1"),), "A note.")
    assert tables.markdown([table]) == (
        "### Title\n\n|  | a\\|b |\n|---|---:|\n| x | 1 |\n\nA note.\n"
    )
    tables.show(Console(width=60), table)
    shown = capsys.readouterr().out
    assert "Title" in shown
    assert "A note." in shown
    with pytest.raises(ValueError, match="3 cells under 2 headings"):
        tables.Table("Title", ("", "a"), (("x", "1", "2"),))


def test_cells():
    assert tables.number(1.2345) == "1.23"
    assert tables.number(math.nan) == "-"
    assert tables.ratio(1.44) == "1.4x"
    assert tables.ratio(12345.6) == "12,346x"
    assert tables.ratio(math.inf) == "-"
    assert tables.percent(0.256) == "26 %"
    assert tables.Spread.of([3.0, 1.0, 2.0]) == tables.Spread(1.0, 2.0, 3.0)
    assert math.isnan(tables.Spread.of([]).median)


def _part(name, value):
    table = tables.Table(f"Table of {name}", ("", "n"), ((name, str(value)),))
    return record.Part.finished(
        name, [table], {"value": value}, begun=0.0, environment=record.Environment.here()
    )


def test_a_record_grows_part_by_part(tmp_path):
    path = tmp_path / "record.json"
    record.keep(path, _part("speed", math.nan))
    record.keep(path, _part("seed", 2))
    record.keep(path, _part("speed", 3))
    content = record.read_record(path)
    assert content["parts"]["speed"]["values"] == {"value": 3}
    shown = record.tables_of(content, ("seed", "scaling", "speed"))
    assert [table.title for table in shown] == ["Table of seed", "Table of speed"]
    assert shown[0].rows == (("seed", "2"),)
    lines = record.environment_lines(content, ("seed", "speed"))
    assert record.Environment.here().machine() in lines
    assert lines.count("Python") == 1
    path.write_text('{"other": 1}')
    with pytest.raises(InputError, match="no record"):
        record.keep(path, _part("seed", 1))
    path.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        record.read_record(path)


def test_numbers_that_are_not_finite_become_null():
    spread = tables.Spread(math.nan, 1.0, 2.0)
    assert record.plain([math.nan, (1, math.inf), {"a": spread}]) == [
        *(None, [1, None]),
        {"a": {"minimum": None, "median": 1.0, "maximum": 2.0}},
    ]


def _timing(seconds, peak=1.0):
    fit = FitTiming((seconds, 0.1, 0.2, 0.3, 0.4), 0.05, 0.02, 30.0)
    return TimingResult(1.0, 2.0, (fit, fit, fit), peak)


def test_speed_tables():
    (row,) = speed.preset_table([speed.PresetTiming("fast", _timing(0.5))]).rows
    assert row[:3] == ("fast", "0.50 (0.50 to 0.50)", "0.100")
    assert row[-4:] == ("120", "2.00", "1.00", "1.00")
    scaled = [speed.ScaledTiming(256, _timing(1.0)), speed.ScaledTiming(512, _timing(3.0, 1.5))]
    last = speed.scaling_table(scaled, title="t", first="px", note="").rows[1]
    assert last[:3] == ("512", "3.0x", "3.000")
    assert last[-2:] == ("1.5x", "1.50")
    batch = [speed.BatchTiming(1, 1, 5.0), speed.BatchTiming(11, 2, 15.0)]
    one, many = speed.batch_table(batch, "fast").rows
    assert one == ("1", "1", "1.0x", "5.00", "5.00", "-")
    assert many == ("11", "2", "3.7x", "15.00", "1.36", "1.00")


def _options(*arguments):
    return options.parse_options(arguments, description="text")


def test_options(astronaut, capsys):
    given = _options("--only", "speed,accuracy", "--sides", "256,512", str(astronaut))
    assert given.only == ("accuracy", "speed")
    assert given.sides == (256, 512)
    assert given.photos == (astronaut.resolve(),)
    assert _options().only == options.PARTS == tuple(parts._PARTS)
    for wrong, reason in (
        (("--only", "speed,size"), "'size' is none of"),
        (("--heads", "0"), "give a number from 1"),
        (("--markdown", "tables.md"), "give --json too"),
        (("nowhere.png",), "nowhere.png does not exist"),
    ):
        with pytest.raises(SystemExit) as stopped:
            _options(*wrong)
        assert stopped.value.code == 2
        assert reason in capsys.readouterr().err


def test_an_interrupted_run_keeps_its_finished_parts(tmp_path, monkeypatch, capsys):
    def finished(given, steps):
        steps.expect(1)
        steps.step("once")
        return parts.Measured((tables.Table("Known", ("", "n"), (("x", "1"),)),), [1])

    def interrupted(given, steps):
        raise KeyboardInterrupt

    monkeypatch.setitem(parts._PARTS, "seed", finished)
    monkeypatch.setitem(parts._PARTS, "speed", interrupted)
    path, text = tmp_path / "record.json", tmp_path / "tables.md"
    arguments = ["--only", "seed,speed", "--json", str(path), "--markdown", str(text)]
    assert benchmark.main(arguments) == benchmark.EXIT_INTERRUPTED
    assert list(record.read_record(path)["parts"]) == ["seed"]
    assert "| x | 1 |" in text.read_text()
    assert "Known" in capsys.readouterr().out
    assert benchmark.main(["--only", "seed", "--json", str(path)]) == benchmark.EXIT_OK
    path.write_text("{}")
    assert benchmark.main(["--only", "seed", "--json", str(path)]) == benchmark.EXIT_FAILED


def test_a_process_that_fails_says_why(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"process of its own failed: .*(image|WebP|TIFF)"):
        timing.time_command([broken])
