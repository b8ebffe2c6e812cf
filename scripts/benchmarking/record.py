"""What was measured, where and when: a JSON file that grows part by part."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flame_fit import __version__
from flame_fit.asset_files import write_atomically
from flame_fit.errors import InputError
from scripts.benchmarking.tables import Table

PACKAGES = ("torch", "numpy", "warp-lang", "ai-edge-litert", "pytorch3d", "nvdiffrast")
LAYOUT = 1


@dataclass(frozen=True)
class Environment:
    """What a part was measured on.

    Attributes:
        cpu: Name of the processor.
        cores: Cores this process may use.
        gpu: Name of the graphics card, empty without one.
        memory_gigabytes: Memory of the machine.
        load: Programs that wanted to run, mean of the last minute before the part began.
        system: Operating system.
        python: Its version.
        flame_fit: Its version.
        packages: Versions of what does the work.
    """

    cpu: str
    cores: int
    gpu: str
    memory_gigabytes: float
    load: float
    system: str
    python: str
    flame_fit: str
    packages: tuple[str, ...]

    @staticmethod
    def here() -> Environment:
        """Return the machine as it is now."""
        import torch

        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Environment(
            cpu=_cpu_name(),
            cores=len(os.sched_getaffinity(0)),
            gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
            memory_gigabytes=round(pages / 1e9, 1),
            load=round(os.getloadavg()[0], 2),
            system=platform.platform(),
            python=platform.python_version(),
            flame_fit=__version__,
            packages=tuple(
                f"{name} {found}" for name in PACKAGES if (found := _version_of(name)) is not None
            ),
        )

    def machine(self) -> str:
        """Return hardware and versions as text."""
        gpu = f", {self.gpu}" if self.gpu else ""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gigabytes:.0f} GB{gpu}, {self.system}, "
            f"Python {self.python}, flame_fit {self.flame_fit}, {', '.join(self.packages)}"
        )


@dataclass(frozen=True)
class Part:
    """One finished part of the benchmark.

    Attributes:
        name: Of the part.
        tables: What a person reads.
        values: All numbers behind them: dataclasses, lists and plain values.
        seconds: How long the part took.
        environment: What it ran on.
        when: Time of day at its end, UTC.
    """

    name: str
    tables: tuple[Table, ...]
    values: object
    seconds: float
    environment: Environment
    when: str

    @staticmethod
    def finished(
        name: str,
        tables: Sequence[Table],
        values: object,
        *,
        begun: float,
        environment: Environment,
    ) -> Part:
        """Return a part that ends now and began at a time of `time.perf_counter`."""
        return Part(
            name=name,
            tables=tuple(tables),
            values=values,
            seconds=round(time.perf_counter() - begun, 1),
            environment=environment,
            when=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )


def keep(path: Path, part: Part) -> None:
    """Add a part to a JSON file; a part of the same name is replaced, others stay.

    Raises:
        InputError: If the file exists and is not a record of this kind.
    """
    record = read_record(path) if path.exists() else {"layout": LAYOUT, "parts": {}}
    record["parts"][part.name] = plain(part)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_atomically(path, text.encode())


def read_record(path: Path) -> dict:
    """Return the content of a record.

    Raises:
        InputError: If the file is not a record of this kind.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON file ({error}); give another name") from None
    if not isinstance(record, dict) or record.get("layout") != LAYOUT:
        raise InputError(f"{path} is no record of this benchmark; give another name")
    return record


def tables_of(record: dict, order: Sequence[str]) -> tuple[Table, ...]:
    """Return the tables of a record, its parts in the given order."""
    return tuple(
        Table(
            table["title"],
            tuple(table["headings"]),
            tuple(map(tuple, table["rows"])),
            table["note"],
        )
        for name in order
        if name in record["parts"]
        for table in record["parts"][name]["tables"]
    )


def environment_lines(record: dict, order: Sequence[str]) -> str:
    """Return what the parts of a record ran on, as Markdown; each machine once."""
    machines: dict[str, list[str]] = {}
    for name in order:
        if name in record["parts"]:
            part = record["parts"][name]
            machine = dict(part["environment"]) | {"load": 0.0}
            machines.setdefault(json.dumps(machine), []).append(
                f"{name} ({part['when']}, {part['seconds']:.0f} s, "
                f"load {part['environment']['load']:.1f} before)"
            )
    return "\n\n".join(
        f"{_described(json.loads(machine))}: {', '.join(names)}."
        for machine, names in machines.items()
    )


def plain(value: object) -> object:
    """Return dataclasses as dicts and numbers that are not finite as None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def _described(machine: dict) -> str:
    packages = tuple(machine.pop("packages"))
    return Environment(**machine, packages=packages).machine()


def _cpu_name() -> str:
    described = Path("/proc/cpuinfo")
    if not described.exists():
        return platform.processor()
    lines = described.read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
