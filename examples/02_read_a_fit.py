"""Read the parameters of a finished fit.

What you will see: where the head was, how far its jaw was open, and its strongest coefficients.

1. Fit a photo first: `python examples/01_fit_a_photo.py`.
2. Read `params.npz`; nothing in the file is executed.
3. Use the numbers: radians, metres and pixels, in the axes of the README's table.
"""

from pathlib import Path

import numpy as np

from flame_fit.export import read_params

FOLDER = Path("outputs/example_01")


def main() -> None:
    """Print what the fit has found."""
    params = read_params(FOLDER / "params.npz")
    print(f"model {params.model_name}, camera {params.projection}")
    print(f"focal length {params.focal[0]:.0f} px for a photo of {params.image_size} px")
    jaw_degrees = np.degrees(params.jaw[0])
    print(f"distance {-params.translation[2]:.2f} m, jaw open by {jaw_degrees:.1f} degrees")
    strongest = np.argsort(-np.abs(params.shape))[:5]
    for index in strongest:
        print(f"shape[{index}] = {params.shape[index]:+.2f} standard deviations")


if __name__ == "__main__":
    main()
