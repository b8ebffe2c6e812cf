"""Named regions of a model, carried over from the reference that was laid over it."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Int

from flame_fit.errors import AssetError
from flame_fit.flame import Regions
from flame_fit.geometry.patches import border_loops
from flame_fit.head_models.head_match import HeadMatch, inside_reference

SIDES = ("left_", "right_")
INSIDE = 0.97
"""Eyeball radii from an eye's middle within which skin is its socket."""


def carried_regions(match: HeadMatch, *, mirror: Int[np.ndarray, "V"] | None = None) -> Regions:
    """Return the reference's regions on a model.

    Eyeballs are the model's own separate parts. A mouth that ends in an open edge has no interior:
    what lies there are the inner sides of the lips.

    Args:
        match: The model with the reference laid over it.
        mirror: Each vertex's partner where the mesh is symmetric; regions then are so too.
    """
    named = match.reference.assets.regions
    if named is None:
        raise AssetError("the reference has no regions; use open_head")
    table = {name: inside_reference(match, named.mask(name).cpu().numpy()) for name in named.names}
    _tell_eyes_apart(table, match)
    _tell_mouth_apart(table, match)
    if mirror is not None:
        table = {
            name: mask | table.get(_other_side(name), mask)[mirror] for name, mask in table.items()
        }
    return Regions(tuple(table), torch.from_numpy(np.stack(list(table.values()))))


def _tell_eyes_apart(table: dict[str, Bool[np.ndarray, "V"]], match: HeadMatch) -> None:
    """Correct masks around the eyes: balls are separate parts, sockets lie within them."""
    parts = match.parts
    balls = parts.left_eye.mask | parts.right_eye.mask
    inside = _inside_eyeballs(match)
    for name in table:
        if name.endswith("eyeball"):
            own = parts.left_eye if name.startswith("left") else parts.right_eye
            table[name] = own.mask.copy()
        elif name == "eye_sockets":
            table[name] = (table[name] | inside) & ~balls
        elif name in ("face", "skin") or name.endswith("eyelids"):
            table[name] = table[name] & ~inside
        if name not in ("face", "left_eyeball", "right_eyeball", "left_iris", "right_iris"):
            table[name] = table[name] & ~balls


def _tell_mouth_apart(table: dict[str, Bool[np.ndarray, "V"]], match: HeadMatch) -> None:
    """Correct masks in the mouth: teeth are separate parts, an open mouth has no interior."""
    if "teeth" in table:
        teeth = np.zeros_like(match.parts.skin)
        for part in match.parts.others:
            teeth |= part & (table["teeth"][part].mean() > 0.5)  # noqa: PLR2004
        table["teeth"] = teeth
    if "mouth_interior" in table and _mouth_is_open(match, table["mouth_interior"]):
        if "lips" in table:
            table["lips"] = table["lips"] | table["mouth_interior"]
        table["mouth_interior"] = np.zeros_like(match.parts.skin)


def _inside_eyeballs(match: HeadMatch) -> Bool[np.ndarray, "V"]:
    """Return the skin that lies within an eyeball, behind what can be seen of it."""
    parts = match.parts
    distance = [np.linalg.norm(parts.vertices - eye.centre, axis=1) for eye in parts.eyes]
    radius = [eye.radius for eye in parts.eyes]
    within = (distance[0] < INSIDE * radius[0]) | (distance[1] < INSIDE * radius[1])
    return parts.skin & within


def _mouth_is_open(match: HeadMatch, interior: Bool[np.ndarray, "V"]) -> bool:
    """Tell whether the skin has an open edge inside the mouth."""
    faces = match.parts.faces[match.parts.faces_of(match.parts.skin)]
    loops = border_loops(faces)
    return any(interior[loop].mean() > 0.5 for loop in loops)  # noqa: PLR2004


def _other_side(name: str) -> str:
    for own, other in (SIDES, SIDES[::-1]):
        if name.startswith(own):
            return other + name.removeprefix(own)
    return name
