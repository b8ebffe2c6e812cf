"""Textures: one photo's texture shown in another, its truth, and what each step of it adds."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.appearance import shade, srgb_to_linear
from flame_fit.config import FitConfig
from flame_fit.pipeline import FitSession
from flame_fit.pipeline.head_texture import FittedHead, make_texture
from flame_fit.pipeline.skin_evidence import SKIN_THRESHOLD, skin_evidence, usual_noise
from flame_fit.pipeline.tools import FitTools
from flame_fit.texture import TextureLayout, TextureMaps, texture_layout
from flame_fit.texture.layout_transfer import at_size
from scripts.benchmarking.tables import Table, number
from scripts.benchmarking.texture_measures import (
    AlbedoError,
    Likeness,
    albedo_error,
    fitted_head,
    likeness,
    skin_pixels,
)
from scripts.benchmarking.texture_people import Person

FULL, TRUE_ALBEDO = "full", "true albedo"
NO_TEXELS = 64
"""Side of the textures of the fits themselves; the measured ones are made afterwards."""
PHOTO_FOLDER = "data/multi_image"
PHOTO_SUFFIXES = (".jpg", ".png")


@dataclass(frozen=True)
class TextureTools:
    """What the measures need, loaded once.

    Attributes:
        session: Fits photos.
        tools: Its models, with the layout of the measured textures.
    """

    session: FitSession
    tools: FitTools

    @staticmethod
    def load(size: int) -> TextureTools:
        """Load the models for textures of `size` texels a side."""
        session = FitSession(replace(FitConfig(), texture_size=NO_TEXELS, device="cpu"))
        layout = texture_layout(session.assets, size)
        return TextureTools(session, replace(session.tools, layout=layout))


Variant = Callable[[FittedHead, TextureTools], TextureMaps]


@dataclass(frozen=True)
class TextureOutcome:
    """What one way to make a texture gave.

    Attributes:
        variant: The way.
        group: Set of photos.
        pair: Photo that it was made from and photo that it was shown in.
        shown: How like that photo it was.
        error: How far it is from the true albedo; None where that is not known.
    """

    variant: str
    group: str
    pair: tuple[str, str]
    shown: Likeness
    error: AlbedoError | None


def measure_person(person: Person, loaded: TextureTools) -> list[TextureOutcome]:
    """Return what every way to make a texture gives on a person whose albedo is known."""
    with tempfile.TemporaryDirectory(prefix="flame_fit_") as name:
        paths = person.write_photos(Path(name))
        heads = [fitted_head(loaded.session, path) for path in paths]
    names = [f"{person.name} {number}" for number in range(len(heads))]
    truth = person.albedo()
    return _cross(heads, names, loaded, group=person.light, truth=truth)


def measure_photos(paths: Sequence[Path], loaded: TextureTools) -> list[TextureOutcome]:
    """Return what every way to make a texture gives on photos of one person."""
    heads = [fitted_head(loaded.session, path) for path in paths]
    return _cross(heads, [path.stem for path in paths], loaded, group="photos", truth=None)


def photos_of_one_person(shared: Path) -> list[Path]:
    """Return the photos of one person among the shared data, none where they are missing."""
    folder = shared / PHOTO_FOLDER
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in PHOTO_SUFFIXES)


def _cross(
    heads: Sequence[FittedHead],
    names: Sequence[str],
    loaded: TextureTools,
    *,
    group: str,
    truth: Float[Tensor, "P P 3"] | None,
) -> list[TextureOutcome]:
    """Show the texture of each photo in every other one."""
    pixels = [skin_pixels(head, loaded.tools) for head in heads]
    outcomes = []

    def show(variant: str, source: int, albedo: Tensor, error: AlbedoError | None) -> None:
        outcomes.extend(
            TextureOutcome(
                variant, group, (names[source], names[at]), likeness(albedo, each), error
            )
            for at, each in enumerate(pixels)
            if at != source
        )

    for variant, make in ways_to_texture(loaded.tools.layout).items():
        for source, head in enumerate(heads):
            maps = make(head, loaded)
            error = None if truth is None else _albedo_error(maps, truth, loaded.tools)
            show(variant, source, maps.albedo, error)
    if truth is not None:
        albedo = at_size(truth, loaded.tools.layout.texels.size)
        for source in range(len(heads)):
            show(TRUE_ALBEDO, source, albedo, AlbedoError(0.0, 0.0, 0.0, 0.0))
    return outcomes


def _albedo_error(maps: TextureMaps, truth: Float[Tensor, "P P 3"], tools: FitTools) -> AlbedoError:
    return albedo_error(maps, truth, tools.assets, texels=tools.layout.texels)


def texture_table(outcomes: Sequence[TextureOutcome], group: str) -> Table:
    """Return the means of a set of photos, a row for each way to make a texture."""
    own = [outcome for outcome in outcomes if outcome.group == group]
    pairs = len({outcome.pair for outcome in own})
    known = all(outcome.error is not None for outcome in own)
    names = dict.fromkeys(outcome.variant for outcome in own)
    rows = tuple(_row([each for each in own if each.variant == name], name) for name in names)
    errors = ("seen", "unseen", "seen, toned", "unseen, toned") if known else ()
    note = (
        "PSNR of sRGB values on the skin of another photo of the same person: the texture under "
        "that photo's fitted light; after one factor on each colour, because no photo tells how "
        "bright the skin is; under the light that suits the texture best."
    )
    if known:
        note += (
            " Mean absolute error of the linear albedo of skin that the photo shows and that was "
            "completed, before and after one factor on each colour. The true albedo shows what "
            "geometry and light of the other photo's fit cost."
        )
    return Table(
        f"Textures in another photo: {group}, {pairs} pairs",
        ("", "fitted dB", "exposed dB", "relit dB", *errors),
        rows,
        note,
    )


def _row(outcomes: Sequence[TextureOutcome], name: str) -> tuple[str, ...]:
    shown = [outcome.shown for outcome in outcomes]
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    decibels = [number(_mean(shown, field.name)) for field in fields(Likeness)]
    if not errors:
        return (name, *decibels)
    return (
        name,
        *decibels,
        *(number(_mean(errors, field.name), 4) for field in fields(AlbedoError)),
    )


def _mean(measured: Sequence[Likeness] | Sequence[AlbedoError], field: str) -> float:
    return statistics.fmean(getattr(each, field) for each in measured)


def _full(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    return make_texture("complete", head, tools=loaded.tools).maps


def _light_left_in(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    """Divide by the mean light on the skin, the same everywhere."""
    skin, light = head.skin, head.scene.lighting
    weight = (skin.weight > SKIN_THRESHOLD).to(light).reshape(-1)[skin.view.covered.pixel_index]
    shading = shade(skin.view.normals[None], light)[0]
    even = torch.zeros_like(light)
    even[0, 0] = (shading * weight[:, None]).sum(dim=0) / weight.sum().clamp_min(1e-6)
    return _full(replace(head, scene=replace(head.scene, lighting=even)), loaded)


def _residual_left_in(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    """Take all that smooth light does not carry for skin."""
    maps = _full(head, loaded)
    return replace(maps, albedo=(maps.albedo * maps.residual).clamp_max(1.0))


def _only_what_is_seen(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    return make_texture("bake", head, tools=loaded.tools).maps


def _without_mirror(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    texels = loaded.tools.layout.texels
    alone = replace(texels, mirror_uv=torch.full_like(texels.mirror_uv, -1.0))
    return _full(head, _with_layout(loaded, texels=alone))


def _without_network(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    return _full(head, _with_layout(loaded, inpainter=None))


def _with_layout(loaded: TextureTools, **changed: object) -> TextureTools:
    tools = loaded.tools
    return replace(loaded, tools=replace(tools, layout=replace(tools.layout, **changed)))


def _without_codes(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    """Take the mean texture, and the light that suits it."""
    session, tools = loaded.session, loaded.tools
    plan = session.plan
    found = skin_evidence(
        head.skin,
        plan.fine_level,
        noise=usual_noise(plan.skin),
        settings=plan.skin,
        tools=tools,
        seed=session.config.seed,
    )
    mean = srgb_to_linear(tools.texture_space.mean.clamp(0.0, 1.0))
    lit = replace(head.scene, lighting=found.first_light)
    return _full(replace(head, scene=lit, codes=mean), loaded)


def _codes_alone(head: FittedHead, loaded: TextureTools) -> TextureMaps:
    maps = make_texture("pca", head, tools=loaded.tools)
    return replace(maps.maps, confidence=maps.shown)


def ways_to_texture(layout: TextureLayout) -> dict[str, Variant]:
    """Return the ways to make a texture by name, the first as a fit makes it.

    Args:
        layout: Of the measured textures; without a network there is nothing to leave out.
    """
    network = {} if layout.inpainter is None else {"without network": _without_network}
    return {
        FULL: _full,
        "light left in": _light_left_in,
        "residual light left in": _residual_left_in,
        "codes where unseen": _only_what_is_seen,
        "without mirrored detail": _without_mirror,
        **network,
        "mean texture for codes": _without_codes,
        "codes alone": _codes_alone,
    }
