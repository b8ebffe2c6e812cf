"""What the commands of the dense networks share about their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flame_fit.cli.parsing import PROGRAM
from flame_fit.errors import UsageError

# How the published programs spell options that are called otherwise here.
SPELLINGS = {"--no_overlay": "--no-save-overlay", "--no-overlay": "--no-save-overlay"}


@dataclass(frozen=True)
class InferOptions:
    """What every network is told that looks at photos."""

    input_dir: Path | None = None
    """A photo or a folder of photos."""
    output_dir: Path = Path("outputs")
    """Folder for the pictures."""
    dinov3_checkpoint: Path | None = None
    """Weights of DINOv3, a .pth file or a folder; not needed with a whole checkpoint."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:INDEX."""
    batch_size: int = 1
    """Photos that are looked at in one go."""
    save_overlay: bool = True
    """Write the overlays."""
    alpha: float = 0.5
    """How far the answer covers the photo in the overlays, 0 to 1."""
    skip_existing: bool = False
    """Leave photos alone whose pictures are all there."""
    verbose: bool = False
    """Show the library's log and the traceback of unexpected errors."""


def chosen_action(command: str, actions: Mapping[str, str], arguments: Sequence[str]) -> str | None:
    """Return the action among the arguments, None after help was printed.

    Raises:
        UsageError: There is none, or an unknown one.
    """
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"usage: {PROGRAM} {command} ACTION ...\n")
        for action, summary in actions.items():
            print(f"  {action:<9}{summary}")
        return None
    if not arguments or arguments[0] not in actions:
        given = repr(arguments[0]) if arguments else "nothing"
        raise UsageError(f"{command} {given} is unknown; give one of: {', '.join(actions)}")
    return arguments[0]


def modern_spelling(arguments: Sequence[str]) -> list[str]:
    """Return arguments with the published programs' other names of options replaced."""
    return [SPELLINGS.get(argument, argument) for argument in arguments]


def check_alpha(alpha: float) -> None:
    """Refuse an opacity that is none.

    Raises:
        UsageError: It is not from 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"--alpha is {alpha}; give a number from 0 to 1")


# What says how a published network is used; the own one needs none of it.
OF_CHECKPOINTS = ("dinov3_checkpoint", "image_size", "num_classes", "v_down")


def check_own(command: InferOptions, *, default: InferOptions) -> None:
    """Refuse options of published networks beside `--checkpoint own`.

    Args:
        command: What was asked.
        default: What is asked without any option.

    Raises:
        UsageError: An option says nothing to the own network.
    """
    if getattr(command, "checkpoint", None) != "own":
        return
    for name in OF_CHECKPOINTS:
        if getattr(command, name, None) != getattr(default, name, None):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for published networks; leave it out with own")
