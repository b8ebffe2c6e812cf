"""The head's UV chart, made by the library and written into the head's asset file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flame_fit.head_models.chart import build_chart
from flame_fit.head_models.chart_source import ChartSource
from scripts.open_head.write import update_npz


def read_source(path: Path) -> ChartSource:
    """Read what the chart needs from the head's asset file."""
    with np.load(path, allow_pickle=False) as data:
        regions = dict(zip(data["region_names"].tolist(), data["region_masks"], strict=True))
        return ChartSource(
            data["v_template"].astype(np.float64),
            data["f"].astype(np.int64),
            data["mirror_vertex"].astype(np.int64),
            regions,
        )


def add_chart(path: Path) -> None:
    """Build the chart of the head in an asset file and write it there as `vt` and `ft`."""
    chart = build_chart(read_source(path))
    uv, faces = chart.uv.numpy(), chart.faces.numpy()
    update_npz(path, {"vt": uv.astype(np.float32), "ft": faces.astype(np.int32)})
