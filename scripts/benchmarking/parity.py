"""Whether a graphics card finds the same heads as the processor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from flame_fit.config import PRESETS
from flame_fit.pipeline import FitSession
from scripts.benchmarking.tables import Table, number

MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Parity:
    """Differences of one photo's two fits.

    Attributes:
        photo: File name.
        neutral_mm: Largest distance between vertices of the two heads without expression.
        posed_mm: The same with expression and pose, each head about its own middle.
        light: Largest difference of the light's coefficients.
    """

    photo: str
    neutral_mm: float
    posed_mm: float
    light: float


def compare_devices(photos: Sequence[Path], device: str) -> tuple[Parity, ...]:
    """Fit photos on the processor and on another device."""
    sessions = [
        FitSession(dataclasses.replace(PRESETS["standard"], device=name))
        for name in ("cpu", device)
    ]
    return tuple(_compare(photo, sessions) for photo in photos)


def _compare(photo: Path, sessions: Sequence[FitSession]) -> Parity:
    heads = []
    for session in sessions:
        scene = session.fit(photo)[0].scene
        flame, model = scene.flame, session.tools.model
        rest = dataclasses.replace(
            flame,
            expression=torch.zeros_like(flame.expression),
            head_rotation=torch.zeros_like(flame.head_rotation),
            neck=torch.zeros_like(flame.neck),
            jaw=torch.zeros_like(flame.jaw),
            eyes=torch.zeros_like(flame.eyes),
            translation=torch.zeros_like(flame.translation),
        )
        posed = model.mesh(flame).vertices[0].cpu()
        neutral = model.mesh(rest).vertices[0].cpu()
        heads.append((neutral, posed - posed.mean(dim=0), scene.lighting.cpu()))
    neutral, posed, light = (one - other for one, other in zip(*heads, strict=True))
    return Parity(
        photo=photo.name,
        neutral_mm=MILLIMETRES * float(neutral.norm(dim=-1).max()),
        posed_mm=MILLIMETRES * float(posed.norm(dim=-1).max()),
        light=float(light.abs().max()),
    )


def parity_table(differences: Sequence[Parity], device: str) -> Table:
    """Return the differences, a row for each photo."""
    rows = tuple(
        (each.photo, number(each.neutral_mm, 4), number(each.posed_mm, 4), number(each.light, 5))
        for each in differences
    )
    return Table(
        f"The same photo on cpu and {device}",
        ("", "neutral mm", "posed mm", "light"),
        rows,
        "Largest distances between vertices of the two fits, preset standard.",
    )
