"""What a fit gives back."""

from __future__ import annotations

from dataclasses import dataclass

from flame_fit.export import ExportScene, FitReport
from flame_fit.scene import SceneParams


@dataclass(frozen=True)
class FitResult:
    """One fitted face.

    Attributes:
        scene: Head, camera (photo pixels), texture codes and light, batch of one.
        export: Plain arrays and pictures for `flame_fit.export.write_result`.
    """

    scene: SceneParams
    export: ExportScene

    @property
    def report(self) -> FitReport:
        """What was done, how well and how fast."""
        return self.export.report
