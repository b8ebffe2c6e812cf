"""Fit a head to a photo and write it.

What you will see: the fit's status and errors, and a folder with the textured mesh.

1. Start a session, which loads the models once.
2. Fit the photo; the result of its largest face comes first.
3. Write mesh, texture, parameters, overview and report.
"""

from pathlib import Path

from flame_fit.export import write_result
from flame_fit.pipeline import FitSession

PHOTO = Path(__file__).resolve().parents[1] / "data" / "astronaut.png"


def main() -> None:
    """Fit the sample photo into `outputs/example_01`."""
    session = FitSession()
    result = session.fit(PHOTO)[0]
    report = write_result(result.export, Path("outputs/example_01"))
    print(f"{report.status}: landmark error {report.landmark_nme:.4f}, PSNR {report.psnr:.1f} dB")


if __name__ == "__main__":
    main()
