"""The scene record moves as a whole, and its modules load nothing heavy."""

import subprocess
import sys

import torch

from flame_fit.appearance import white_lighting
from flame_fit.flame import FlameParams
from flame_fit.geometry import Camera
from flame_fit.scene import SceneParams


def test_all_tensors_of_a_scene_change_dtype() -> None:
    scene = SceneParams(
        flame=FlameParams.zeros(2, shape=3, expression=2),
        camera=Camera(
            focal=torch.ones(1, 2), principal_point=torch.ones(1, 2), projection="orthographic"
        ),
        texture_code=torch.zeros(1, 4),
        lighting=white_lighting(2),
    )
    moved = scene.to(dtype=torch.float64)
    tensors = (moved.flame.jaw, moved.camera.focal, moved.texture_code, moved.lighting)
    assert all(tensor.dtype == torch.float64 for tensor in tensors)
    assert moved.camera.projection == "orthographic"
    assert scene.lighting.dtype == torch.float32


def test_importing_the_core_loads_neither_scipy_nor_a_device() -> None:
    program = (
        "import sys, torch, flame_fit.scene, flame_fit.appearance, flame_fit.flame.jacobian; "
        "sys.exit('scipy' in sys.modules or torch.cuda.is_initialized())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
