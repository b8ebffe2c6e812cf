"""Notices when reading a file does more than reading: code run, files written, time or memory."""

from __future__ import annotations

import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flame_fit.errors import AssetError

FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod",
    "os.truncate", "os.putenv", "os.kill", "subprocess.Popen", "pty.spawn", "shutil.", "tempfile.",
    "socket.", "urllib.", "ctypes.", "pickle.find_class", "marshal.", "exec", "compile", "import",
    "code.__new__", "builtins.input", "builtins.breakpoint", "webbrowser.open", "http.", "ftplib.",
)  # fmt: skip
"""Audit events, or how their names begin, that reading data never causes."""
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
SECONDS_PER_CASE = 5.0
"""Of the processor, so that other work on the machine does not count."""
SECONDS_OF_WAITING = 120.0
"""Of the clock, for a reader that waits for something."""
LONGEST_MESSAGE = 900


class TooSlow(BaseException):
    """A reader took longer than a case may; no `except` of a reader may catch it."""


@dataclass
class Watch:
    """Collects what happened while a reader was running."""

    folder: Path
    """The only folder in which files lie."""
    active: bool = False
    events: list[str] = field(default_factory=list)

    def install(self) -> None:
        """Listen to the interpreter's audit events from now on; this cannot be undone."""
        sys.addaudithook(self._heard)
        signal.signal(signal.SIGALRM, _out_of_time)
        signal.signal(signal.SIGPROF, _out_of_time)

    def _heard(self, event: str, arguments: tuple) -> None:
        if not self.active:
            return
        if event == "open":
            _, mode, flags = arguments
            writes = isinstance(mode, str) and bool(set(mode) & set("wax+"))
            if writes or (isinstance(flags, int) and flags & WRITE_FLAGS):
                self.events.append(f"open for writing: {arguments[0]!r}")
        elif event.startswith(FORBIDDEN):
            self.events.append(f"{event}: {str(arguments)[:100]}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record events and stop after `SECONDS_PER_CASE` or `SECONDS_OF_WAITING`."""
        signal.setitimer(signal.ITIMER_REAL, SECONDS_OF_WAITING)
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE)
        self.active = True
        try:
            yield
        finally:
            self.active = False
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.setitimer(signal.ITIMER_REAL, 0.0)


def _out_of_time(number: int, frame: object) -> None:
    raise TooSlow


@dataclass(frozen=True)
class Outcome:
    """What one case led to."""

    read: bool
    """Whether the file was accepted; otherwise it was refused in one line."""
    violations: tuple[str, ...]
    """What must never happen; empty in a good case."""


def run_case(watch: Watch, reader: Callable[[Path], object], path: Path) -> Outcome:
    """Let a reader read a file and say what happened.

    Args:
        watch: listens meanwhile.
        reader: the reader.
        path: the file, in the watched folder.
    """
    before = _files(watch.folder)
    watch.events.clear()
    violations: list[str] = []
    read = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with watch.listening():
                value = reader(path)
            read = True
            violations += _impure(value)
        except AssetError as error:
            violations += _wrong_message(str(error))
        except TooSlow:
            violations.append(f"took over {SECONDS_PER_CASE} s, or waited {SECONDS_OF_WAITING} s")
        except Exception as error:  # noqa: BLE001 - any other error is what this looks for
            violations.append(f"raised {type(error).__name__}: {str(error)[:200]}")
    violations += watch.events
    left = _files(watch.folder) - before
    violations += [f"left behind {name}" for name in sorted(left)]
    for name in left:
        (watch.folder / name).unlink(missing_ok=True)
    return Outcome(read=read, violations=tuple(violations))


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _wrong_message(text: str) -> list[str]:
    if "\n" in text or "\r" in text or not text.isprintable():
        return [f"message of several lines: {text[:200]!r}"]
    if len(text) > LONGEST_MESSAGE:
        return [f"message of {len(text)} characters: {text[:200]!r}"]
    return []


def _impure(value: object) -> list[str]:
    """Return what a result holds that is not plain data."""
    stack, seen, wrong = [value], 0, []
    while stack and seen < 100_000:  # noqa: PLR2004
        item = stack.pop()
        seen += 1
        if isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            stack += item
        elif type(item).__module__ == "numpy":
            if getattr(item, "dtype", None) is not None and item.dtype.hasobject:  # pyright: ignore
                wrong.append("an array of objects in the result")
        elif not _is_plain(item):
            wrong.append(f"a {type(item).__name__} in the result")
    return wrong


def _is_plain(item: object) -> bool:
    plain = item is None or isinstance(item, bool | int | float | complex | str | bytes)
    return plain or type(item).__module__.startswith(("flame_fit.", "torch"))


def peak_megabytes() -> float:
    """Return the most memory this process had in use."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
