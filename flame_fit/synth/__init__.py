"""Scenes with known truth, to measure fits against."""

from flame_fit.synth.scenes import SceneRanges, SyntheticPhoto, random_scene, render_scene

__all__ = ["SceneRanges", "SyntheticPhoto", "random_scene", "render_scene"]
