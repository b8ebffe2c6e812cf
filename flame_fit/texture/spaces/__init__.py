"""Linear texture spaces from many maps with unseen texels."""

from flame_fit.texture.spaces.codes import COLOURS
from flame_fit.texture.spaces.colour import ColourPrior, colour_distance, log_ratio
from flame_fit.texture.spaces.estimate import (
    EstimatedSpace,
    SpaceProgress,
    SpaceSettings,
    estimate_space,
)
from flame_fit.texture.spaces.linear_model import LinearModel
from flame_fit.texture.spaces.map_store import MapStore, spread_texels
from flame_fit.texture.spaces.maps import (
    ChosenMaps,
    MapBatch,
    MapsInMemory,
    MapSource,
    map_chunks,
)
from flame_fit.texture.spaces.measures import (
    ColourSpread,
    JudgedSpace,
    NewMapErrors,
    SquareSums,
    chequered,
    judge_space,
    seen_share,
)
from flame_fit.texture.spaces.principal import (
    PrincipalAxes,
    SpaceMaps,
    principal_axes,
    principal_model,
    space_maps,
)
from flame_fit.texture.spaces.steps import StepFolder
from flame_fit.texture.spaces.stored import StoredCodes, StoredModel

__all__ = [
    "COLOURS",
    "ChosenMaps",
    "ColourPrior",
    "ColourSpread",
    "EstimatedSpace",
    "JudgedSpace",
    "LinearModel",
    "MapBatch",
    "MapSource",
    "MapStore",
    "MapsInMemory",
    "NewMapErrors",
    "PrincipalAxes",
    "SpaceMaps",
    "SpaceProgress",
    "SpaceSettings",
    "SquareSums",
    "StepFolder",
    "StoredCodes",
    "StoredModel",
    "chequered",
    "colour_distance",
    "estimate_space",
    "judge_space",
    "log_ratio",
    "map_chunks",
    "principal_axes",
    "principal_model",
    "seen_share",
    "space_maps",
    "spread_texels",
]
