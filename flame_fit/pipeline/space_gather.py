"""Reading the maps of thousands of fits into one file, so that an interruption loses nothing.

A journal has a line for each folder that was looked at. A second call goes on behind the last line;
folders that have changed since, and all that come after them, are read again, so that the result is
that of one call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from flame_fit.asset_files import write_atomically
from flame_fit.flame import FlameAssets
from flame_fit.pipeline.space_fits import (
    TROUBLE,
    FitLimits,
    explain,
    fit_folders,
    read_fit_maps,
    read_fit_record,
    reason_against,
    stamp_of,
)
from flame_fit.texture import TexelGeometry
from flame_fit.texture.spaces import (
    ChosenMaps,
    MapBatch,
    MapSource,
    MapStore,
    SpaceProgress,
    colour_distance,
    log_ratio,
    map_chunks,
    spread_texels,
)

JOURNAL_FILE, MAPS_FILE, SOME_FILE = "fits.jsonl", "maps.u16", "some.u16"
COARSE_TEXELS = 4000
SEED = 0
# Rounds in which the common colour is found without the maps that are far from it.
COLOUR_ROUNDS = 3
# Skin reflects between 5 and 60 percent of the light: no person is this far from the middle.
MOST_LOG_BRIGHTNESS = math.log(8.0)


@dataclass(frozen=True)
class LookedAt:
    """One folder of a fit.

    Attributes:
        folder: Its path below the folder of all fits.
        stamp: Changes when its files do.
        reason: Why it is left out, empty if it is not.
        photo_sha256: Of the photo's file.
        face: Number of the face in the photo.
    """

    folder: str
    stamp: str
    reason: str
    photo_sha256: str = ""
    face: int = 0


@dataclass(frozen=True)
class GatheredMaps:
    """The maps of all usable fits.

    Attributes:
        looked_at: A line for each folder.
        maps: All texels of the usable ones.
        some: Some texels of them.
    """

    looked_at: tuple[LookedAt, ...]
    maps: MapStore
    some: MapStore

    @property
    def usable(self) -> tuple[LookedAt, ...]:
        """The folders that have a row in the files, in order."""
        return tuple(fit for fit in self.looked_at if not fit.reason)


@dataclass(frozen=True)
class GatherPlace:
    """What fits are read for.

    Attributes:
        fits: Folder of all fits.
        work: Folder of the files that are made.
        assets: The head model.
        texels: Its chart at the wanted size.
        limits: Which fits are good enough.
    """

    fits: Path
    work: Path
    assets: FlameAssets
    texels: TexelGeometry
    limits: FitLimits


def gather_maps(place: GatherPlace, *, progress: SpaceProgress) -> GatheredMaps:
    """Read the maps of all fits; those that an earlier call has read are not read again.

    Args:
        place: Where from and what for.
        progress: Shows how far the work is.

    Raises:
        InputError: There is no fit, or no file can be written.
    """
    folders = fit_folders(place.fits)
    progress.stage("reading fits", len(folders))
    names = [str(folder.relative_to(place.fits)) for folder in folders]
    known = _known(place, names)
    photos = {(fit.photo_sha256, fit.face): fit.folder for fit in known if not fit.reason}
    usable = sum(not fit.reason for fit in known)
    chosen = spread_texels(len(place.texels.texel), wanted=COARSE_TEXELS, seed=SEED)
    maps = MapStore(place.work / MAPS_FILE, usable, len(place.texels.texel))
    some = MapStore(place.work / SOME_FILE, usable, len(chosen))
    for _ in known:
        progress.advance()
    journal = place.work / JOURNAL_FILE
    with maps.appending() as all_texels, some.appending() as some_texels:
        _write_journal(journal, known)
        with journal.open("a", encoding="utf-8") as lines:
            for name in names[len(known) :]:
                found = _look_at(place, name, photos)
                if found.batch is not None:
                    srgb, confidence = found.batch.srgb[0], found.batch.confidence[0]
                    all_texels.append(srgb, confidence)
                    some_texels.append(srgb[chosen], confidence[chosen])
                    photos[found.fit.photo_sha256, found.fit.face] = name
                # The line comes last: rows without a line are dropped by the next call.
                lines.write(json.dumps(asdict(found.fit)) + "\n")
                lines.flush()
                known.append(found.fit)
                progress.advance()
    count = sum(not fit.reason for fit in known)
    return GatheredMaps(
        tuple(known), replace(maps, map_count=count), replace(some, map_count=count)
    )


def colour_reasons(gathered: GatheredMaps, limits: FitLimits) -> tuple[str, ...]:
    """Return for each usable map why its colour keeps it out, empty if it does not.

    The common colour is the mean of the maps that are not left out, so it is found in rounds.
    """
    source, kept = gathered.some, tuple(range(gathered.some.map_count))
    reasons = ("",) * source.map_count
    for _ in range(COLOUR_ROUNDS):
        if not kept:
            return reasons
        mean = _mean(ChosenMaps(source, kept))
        ratios = torch.cat(
            [log_ratio(source.read(maps, slice(None)), mean) for maps in map_chunks(source)]
        )
        distance = colour_distance(ratios)
        reasons = tuple(
            _colour_reason(float(brightness), float(tint), limits.most_colour_distance)
            for brightness, tint in zip(distance.brightness, distance.tint, strict=True)
        )
        kept = tuple(row for row, reason in enumerate(reasons) if not reason)
    return reasons


def _colour_reason(brightness: float, tint: float, limit: float) -> str:
    if math.isnan(brightness) or math.isnan(tint):
        return "shows too little skin to tell its colour"
    if tint > limit:
        return f"tint {tint:.1f} standard deviations from that of skin, above {limit:g}"
    if brightness > MOST_LOG_BRIGHTNESS:
        return f"{math.exp(brightness):.0f} times brighter or darker than the others"
    return ""


def _mean(source: MapSource) -> Float[Tensor, "T 3"]:
    total, weight = 0.0, 0.0
    for maps in map_chunks(source):
        batch = source.read(maps, slice(None))
        total = total + (batch.confidence[..., None] * batch.srgb).sum(dim=0)
        weight = weight + batch.confidence.sum(dim=0)
    return torch.as_tensor(total) / torch.as_tensor(weight)[:, None].clamp_min(1e-6)


@dataclass(frozen=True, eq=False)
class _Found:
    """The line of a folder, and its map if it is usable."""

    fit: LookedAt
    batch: MapBatch | None


def _look_at(place: GatherPlace, name: str, known: Mapping[tuple[str, int], str]) -> _Found:
    """Return the line of a folder and its map; a damaged folder is left out with a reason."""
    folder = place.fits / name
    stamp = stamp_of(folder)
    try:
        record = read_fit_record(folder)
        photo = (record.photo_sha256, record.face)
        reason = reason_against(record, place.assets, place.limits)
        if not reason and photo in known:
            reason = f"the same photo as {known[photo]}"
        batch = None if reason else read_fit_maps(folder, place.texels)
    except TROUBLE as error:
        return _Found(LookedAt(name, stamp, explain(folder, error)), None)
    return _Found(LookedAt(name, stamp, reason, *photo), batch)


def _known(place: GatherPlace, names: list[str]) -> list[LookedAt]:
    """Return the lines of an earlier call that still hold, from the first folder on."""
    known: list[LookedAt] = []
    try:
        lines = (place.work / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return known
    for name, line in zip(names, lines, strict=False):
        try:
            fit = LookedAt(**json.loads(line))
        except (ValueError, TypeError):
            break
        if fit.folder != name or fit.stamp != stamp_of(place.fits / name):
            break
        known.append(fit)
    return known


def _write_journal(path: Path, known: list[LookedAt]) -> None:
    lines = "".join(json.dumps(asdict(fit)) + "\n" for fit in known)
    write_atomically(path, lines.encode())
