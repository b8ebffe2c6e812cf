"""Parameters of other FLAME tools, converted without moving a vertex."""

from flame_fit.export.foreign.convert import layout_suffix, load_params, save_params
from flame_fit.export.foreign.layout import Exported, Imported, LayoutName

__all__ = [
    "Exported",
    "Imported",
    "LayoutName",
    "layout_suffix",
    "load_params",
    "save_params",
]
