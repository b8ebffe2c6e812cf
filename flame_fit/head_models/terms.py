"""Under which terms the files in circulation come, in plain words."""

from dataclasses import dataclass

FLAME_CITATION = (
    "Li, Bolkart, Black, Li, Romero: Learning a model of facial shape and expression from 4D "
    "scans, ACM Transactions on Graphics 36(6), 2017"
)
_PHOTOMETRIC_CITATION = (
    "Feng: Photometric FLAME fitting, github.com/HavenFeng/photometric_optimization, 2019"
)


@dataclass(frozen=True)
class Terms:
    """What a file may be used for.

    Attributes:
        short: A few words for a table.
        licence: A sentence or two; the terms accepted at the download rule.
        citation: What a publication cites.
        url: Where it comes from.
    """

    short: str
    licence: str
    citation: str
    url: str


MESH_DATA = Terms(
    short="unclear",
    licence=(
        "indices and offsets for FLAME's mesh; their publishers state no licence of their own or "
        "a non-commercial one, so treat them as non-commercial"
    ),
    citation=FLAME_CITATION,
    url="https://flame.is.tue.mpg.de",
)
DECA_DATA = Terms(
    short="non-commercial",
    licence="published with RingNet and DECA under the Max Planck Society's non-commercial licence",
    citation=FLAME_CITATION,
    url="https://github.com/yfeng95/DECA",
)
TRACKER_DATA = Terms(
    short="non-commercial",
    licence=(
        "published with metrical-tracker under the Max Planck Society's non-commercial licence"
    ),
    citation="Zielonka, Bolkart, Thies: Towards metrical reconstruction of human faces, ECCV 2022",
    url="https://github.com/Zielon/metrical-tracker",
)
HIFI3D_DATA = Terms(
    short="research",
    licence="published with FFHQ-UV, whose HiFi3D++ assets are for research",
    citation="Bai et al.: FFHQ-UV, CVPR 2023",
    url="https://github.com/csbhr/FFHQ-UV",
)
FLAME_TEXTURE = Terms(
    short="CC BY-NC-SA 4.0",
    licence="Creative Commons BY-NC-SA 4.0: credit, no commercial use, same licence for what comes",
    citation=f"{FLAME_CITATION}; {_PHOTOMETRIC_CITATION}",
    url="https://flame.is.tue.mpg.de",
)
BASEL_TEXTURE = Terms(
    short="research, no sharing",
    licence="made from the Basel Face Model, whose licence forbids commercial use and sharing",
    citation="Gerig et al.: Morphable face models - an open framework, FG 2018",
    url="https://faces.dmi.unibas.ch/bfm",
)
ALBEDOMM_TEXTURE = Terms(
    short="academic research",
    licence="academic research only; for other uses ask the authors",
    citation="Smith et al.: A morphable face albedo model, CVPR 2020",
    url="https://github.com/waps101/AlbedoMM",
)
UNKNOWN = Terms(
    short="unknown",
    licence="the file names no licence; see the terms of its source",
    citation="",
    url="",
)
