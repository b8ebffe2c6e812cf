"""Named vertex regions, from the source's targets and the geometry of the mean head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from scripts.open_head.cut import HeadTopology
from scripts.open_head.source import SourcePackage

EAR_FOLDER = "mpfb2/targets/ears"
EAR_STEMS = ("ear-shape", "ear-flap", "ear-lobe", "ear-wing")
"""Sliders that move the ear itself and little of the skin around it."""
EAR_MOTION = 0.003
"""Metres at full travel that make a vertex part of the ear."""
NOSE_TARGETS = ("nose-volume-incr", "nose-volume-decr", "nose-scale-horiz-incr")
NOSE_MOTION = 0.35
"""Share of the strongest motion that makes a vertex part of the nose."""


@dataclass(frozen=True)
class RegionTable:
    """Masks by name.

    Attributes:
        names: Names, in a fixed order.
        masks: One row per name.
    """

    names: tuple[str, ...]
    masks: Bool[np.ndarray, "R V"]


def ear_mask(package: SourcePackage, topology: HeadTopology) -> Bool[np.ndarray, " V"]:
    """Both ears."""
    strength = np.zeros(len(topology.part))
    for name in package.names(EAR_FOLDER):
        if name[2:].startswith(EAR_STEMS):
            offset = topology.blend @ package.target(f"{EAR_FOLDER}/{name}")
            strength = np.maximum(strength, np.linalg.norm(offset, axis=1))
    ears = (strength > EAR_MOTION) & topology.in_part("skin")
    return ears | ears[topology.mirror]


def build_regions(
    package: SourcePackage,
    topology: HeadTopology,
    vertices: Float[np.ndarray, "V 3"],
    neck_share: Float[np.ndarray, " V"],
) -> RegionTable:
    """All regions of the head.

    Args:
        package: The source.
        topology: The head's topology.
        vertices: The mean head, eyes at y = 0.030 and z = 0.025 m.
        neck_share: Skinning weight of the root, which holds the base of the neck.
    """
    skin = topology.in_part("skin") & ~topology.socket
    x, y, z = vertices.T
    ears = ear_mask(package, topology)
    lips = skin & _inside_loop(topology, topology.vermilion)
    neck = skin & ~ears & ~lips & ((y < _jaw_line(z)) | (neck_share > 0.3))  # noqa: PLR2004
    hair = skin & ~ears & ~neck & _is_scalp(vertices)
    front = skin & ~ears & ~neck & ~hair & (z > _ear_front(y))
    brow_line = _brow_height(np.abs(x))
    brows = front & (np.abs(y - brow_line) < _brow_half_width(np.abs(x)))
    brows &= (np.abs(x) > 0.009) & (np.abs(x) < 0.056) & (z > 0.0)  # noqa: PLR2004
    forehead = front & (y > brow_line + 0.006) & (np.abs(x) < 0.065)  # noqa: PLR2004
    nose = front & ~lips & _nose(package, topology, vertices)
    table: dict[str, Bool[np.ndarray, " V"]] = {
        "face": front | topology.in_part("left_eyeball", "right_eyeball"),
        "skin": skin,
        "forehead": forehead,
        "nose": nose,
        "lips": lips,
        "brows": brows,
    }
    for side, name in enumerate(("left", "right")):
        on_side = x > 0 if name == "left" else x < 0
        fit = topology.eyeballs[side]
        centre = vertices[fit.sphere[[0, -1]]].mean(axis=0)
        radius = float(np.linalg.norm(vertices[fit.sphere[0]] - centre))
        reach = np.linalg.norm(vertices - centre, axis=1) - radius
        across, up = np.abs(x - centre[0]), y - centre[1]
        lids = front & on_side & (reach < 0.006) & (np.abs(up) < 0.014)  # noqa: PLR2004
        around = (across / 0.027) ** 2 + ((up + 0.003) / 0.020) ** 2 < 1.0
        table[f"{name}_eyelids"] = lids
        table[f"{name}_eye_region"] = (front & on_side & around) | lids
        table[f"{name}_ear"] = ears & on_side
        table[f"{name}_eyeball"] = topology.in_part(f"{name}_eyeball")
        table[f"{name}_iris"] = topology.iris & on_side
    table |= {
        "scalp": hair,
        "neck": skin & ~ears & ~hair & ~front,
        "mouth_interior": topology.in_part("mouth_interior"),
        "teeth": topology.in_part("upper_teeth", "lower_teeth"),
        "eye_sockets": topology.socket,
    }
    swapped = {name: _mirrored_name(name) for name in table}
    masks = [table[name] | table[swapped[name]][topology.mirror] for name in table]
    return RegionTable(tuple(table), np.stack(masks))


def _mirrored_name(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


def _inside_loop(topology: HeadTopology, loop: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " V"]:
    """Skin between a closed ring around the mouth and the mouth's seam, both included."""
    on_loop = np.zeros(len(topology.part), dtype=bool)
    on_loop[loop] = True
    reached = np.zeros(len(topology.part), dtype=bool)
    reached[topology.lip_seam] = True
    outer = topology.face_part == 0
    faces = topology.triangles[outer]
    while True:
        active = (reached[faces] & ~on_loop[faces]).any(axis=1)
        grown = reached.copy()
        grown[faces[active]] = True
        if (grown == reached).all():
            return reached & topology.in_part("skin")
        reached = grown


def _jaw_line(z: Float[np.ndarray, " V"]) -> Float[np.ndarray, " V"]:
    """Height (metres) below which skin belongs to the neck: under the chin, up to the nape."""
    depths = [-0.16, -0.10, -0.06, -0.03, 0.03, 0.06]
    return np.interp(z, depths, [-0.01, -0.03, -0.05, -0.073, -0.093, -0.12])


def _is_scalp(vertices: Float[np.ndarray, "V 3"]) -> Bool[np.ndarray, " V"]:
    """Where hair grows: above a line from the top of the forehead, before the ear, to the nape."""
    depths = [-0.09, -0.062, -0.05, -0.035, -0.02, 0.0, 0.02, 0.035]
    heights = [-0.05, 0.0, 0.025, 0.045, 0.058, 0.07, 0.082, 0.09]
    return vertices[:, 1] > np.interp(vertices[:, 2], depths, heights)


def _ear_front(y: Float[np.ndarray, " V"]) -> Float[np.ndarray, " V"]:
    """Depth (metres) ahead of which skin belongs to the face."""
    return np.interp(y, [-0.1, -0.06, 0.0, 0.06, 0.09], [-0.035, -0.042, -0.042, -0.04, -0.02])


def _brow_height(across: Float[np.ndarray, " V"]) -> Float[np.ndarray, " V"]:
    """Height of the middle of the brow at a distance from the midline, metres."""
    places = [0.010, 0.022, 0.036, 0.046, 0.056]
    return np.interp(across, places, [0.0455, 0.0490, 0.0515, 0.0500, 0.0440])


def _brow_half_width(across: Float[np.ndarray, " V"]) -> Float[np.ndarray, " V"]:
    return np.interp(across, [0.010, 0.030, 0.056], [0.0078, 0.0070, 0.0058])


def _nose(
    package: SourcePackage, topology: HeadTopology, vertices: Float[np.ndarray, "V 3"]
) -> Bool[np.ndarray, " V"]:
    """What the sliders of the nose's size move most, within the nose's width."""
    strength = np.zeros(len(vertices))
    for name in NOSE_TARGETS:
        offset = topology.blend @ package.target(f"mpfb2/targets/nose/{name}.target.gz")
        length = np.linalg.norm(offset, axis=1)
        strength = np.maximum(strength, length / length.max())
    x, y, z = vertices.T
    width = np.interp(y, [-0.028, -0.018, -0.005, 0.02, 0.04], [0.012, 0.021, 0.021, 0.013, 0.010])
    bridge = (np.abs(x) < width) & (y > -0.0275) & (y < 0.042) & (z > 0.03)  # noqa: PLR2004
    return bridge & ((strength > NOSE_MOTION) | (y > 0.0) | (np.abs(x) < width * 0.8))
