"""The FLAME releases: which one a file is, and its conversion to this library's layout."""

from flame_fit.flame.releases.catalogue import FLAME_CITATION, Gender, Kind, Release
from flame_fit.flame.releases.convert import ConvertedRelease, read_release
from flame_fit.flame.releases.recognise import recognise

__all__ = [
    "ConvertedRelease",
    "FLAME_CITATION",
    "Gender",
    "Kind",
    "Release",
    "read_release",
    "recognise",
]
