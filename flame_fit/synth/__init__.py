"""Scenes with known truth, to measure fits against."""

from flame_fit.synth.draw import StagingRanges, random_staging
from flame_fit.synth.foreign_head import (
    ForeignHead,
    Placement,
    load_foreign_head,
    place_head,
    render_foreign,
)
from flame_fit.synth.foreign_set import FOREIGN_VIEWS, ForeignView, take_foreign_photo
from flame_fit.synth.photo import Shot, Staging, SyntheticPhoto, Thing, render_scene
from flame_fit.synth.scenes import SceneRanges, random_scene
from flame_fit.synth.sets import HARD_CASES, Setup, draw_setup, take_photo
from flame_fit.synth.truth import PhotoTruth

__all__ = [
    "FOREIGN_VIEWS",
    "ForeignHead",
    "ForeignView",
    "HARD_CASES",
    "PhotoTruth",
    "Placement",
    "SceneRanges",
    "Setup",
    "Shot",
    "Staging",
    "StagingRanges",
    "SyntheticPhoto",
    "Thing",
    "draw_setup",
    "load_foreign_head",
    "place_head",
    "random_scene",
    "random_staging",
    "render_foreign",
    "render_scene",
    "take_foreign_photo",
    "take_photo",
]
