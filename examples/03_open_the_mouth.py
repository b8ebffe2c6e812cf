"""Move a fitted head: open its mouth and look to the side.

What you will see: `outputs/example_03/open.obj`, the fitted person with the jaw lowered and the
eyes turned; open it beside `outputs/example_01/mesh.obj`.

1. Fit a photo first: `python examples/01_fit_a_photo.py`.
2. Put the fitted coefficients into the head model, with a pose of your own.
3. Write the new mesh with the texture of the fit.
"""

from pathlib import Path

import numpy as np
import torch

from flame_fit.export import obj_text, read_params
from flame_fit.flame import FlameModel, FlameParams, load_assets

FOLDER = Path("outputs/example_01")
OUT = Path("outputs/example_03")
JAW_DEGREES = 20.0
GAZE_DEGREES = 25.0


def main() -> None:
    """Pose the head of `outputs/example_01` and write it."""
    fitted = read_params(FOLDER / "params.npz")
    model = FlameModel(load_assets(fitted.model_name))
    jaw = np.radians([JAW_DEGREES, 0.0, 0.0])
    eyes = np.radians([0.0, GAZE_DEGREES, 0.0] * 2)
    posed = FlameParams(
        shape=torch.from_numpy(fitted.shape)[None],
        expression=torch.from_numpy(fitted.expression)[None],
        head_rotation=torch.zeros(1, 3),
        neck=torch.zeros(1, 3),
        jaw=torch.tensor(jaw, dtype=torch.float32)[None],
        eyes=torch.tensor(eyes, dtype=torch.float32)[None],
        translation=torch.zeros(1, 3),
    )
    chart = model.assets.chart
    if chart is None:
        raise SystemExit(f"the model {fitted.model_name} has no texture chart")
    text = obj_text(
        model.mesh(posed).vertices[0].numpy(),
        model.assets.faces.numpy(),
        chart.uv.numpy(),
        chart.faces.numpy(),
        material_file="mesh.mtl",
    )
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "open.obj").write_text(text, encoding="utf-8")
    for name in ("mesh.mtl", "texture.png"):
        (OUT / name).write_bytes((FOLDER / name).read_bytes())
    print(f"wrote {OUT / 'open.obj'}")


if __name__ == "__main__":
    main()
