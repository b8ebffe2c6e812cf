"""Scenes with known truth, to measure fits against."""

from flame_fit.synth.draw import StagingRanges, random_staging
from flame_fit.synth.foreign_head import (
    ForeignHead,
    Placement,
    load_foreign_head,
    place_head,
    render_foreign,
)
from flame_fit.synth.photo import Shot, Staging, SyntheticPhoto, Thing, render_scene
from flame_fit.synth.scenes import SceneRanges, random_scene
from flame_fit.synth.sets import (
    HARD_CASES,
    MOST_PICTURES,
    PICTURES_VERSION,
    Setup,
    draw_setup,
    draw_training_setup,
    take_photo,
)
from flame_fit.synth.training_files import (
    TrainingFile,
    training_files,
    training_paths,
)
from flame_fit.synth.truth import PhotoTruth

__all__ = [
    "ForeignHead",
    "HARD_CASES",
    "MOST_PICTURES",
    "PICTURES_VERSION",
    "PhotoTruth",
    "Placement",
    "SceneRanges",
    "Setup",
    "Shot",
    "Staging",
    "StagingRanges",
    "SyntheticPhoto",
    "Thing",
    "TrainingFile",
    "draw_setup",
    "draw_training_setup",
    "load_foreign_head",
    "place_head",
    "random_scene",
    "random_staging",
    "render_foreign",
    "render_scene",
    "take_photo",
    "training_files",
    "training_paths",
]
