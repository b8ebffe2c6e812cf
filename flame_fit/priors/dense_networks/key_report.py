"""What is wrong with a file of weights: every name that is missing, unexpected or misshaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from flame_fit.errors import AssetError

# torch counts batches only since 2018; files from before lack the count, and nothing uses it.
COUNTER = "num_batches_tracked"
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Misshaped:
    """A tensor of another shape than its place.

    Attributes:
        name: Of the weight.
        found: Shape in the file.
        expected: Shape in the network.
    """

    name: str
    found: tuple[int, ...]
    expected: tuple[int, ...]


@dataclass(frozen=True)
class KeyReport:
    """How the weights of a file differ from those of a network, complete and in the order of each.

    Attributes:
        missing: Names the file lacks.
        unexpected: Names the network lacks.
        misshaped: Tensors of another shape.
        not_finite: Names of tensors that hold infinite values or none.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[Misshaped, ...]
    not_finite: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.unexpected or self.misshaped or self.not_finite)

    def lines(self) -> tuple[str, ...]:
        """One line for each difference."""
        return (
            *(f"missing     {_printable(name)}" for name in self.missing),
            *(f"unexpected  {_printable(name)}" for name in self.unexpected),
            *(
                f"misshaped   {_printable(each.name)} {each.found}, expected {each.expected}"
                for each in self.misshaped
            ),
            *(f"not finite  {_printable(name)}" for name in self.not_finite),
        )

    def summary(self) -> str:
        """The number of differences of each kind and the first of them, on one line."""
        counts = (
            (len(self.missing), "missing"),
            (len(self.unexpected), "unexpected"),
            (len(self.misshaped), "of another shape"),
            (len(self.not_finite), "not finite"),
        )
        text = ", ".join(f"{count} {what}" for count, what in counts if count)
        return f"{text} (first: {' '.join(self.lines()[0].split())})" if text else "all fit"


class WrongWeightsError(AssetError):
    """A file of weights does not fit its network; its details are all lines of the report.

    Attributes:
        report: Every difference.
    """

    def __init__(self, path: Path, network: str, report: KeyReport) -> None:
        self.report = report
        self.details = report.lines()
        super().__init__(
            f"{path} does not fit a {network}: of its weights {report.summary()};"
            " give the file that belongs to this network"
        )


def require_fitting(
    path: Path, network: str, expected: Mapping[str, Sequence[int]], found: Mapping[str, Tensor]
) -> None:
    """Refuse a file whose weights do not fit.

    Args:
        path: The file, for messages.
        network: What it must fit, in words.
        expected: Shape of each weight of the network.
        found: The tensors of the file.

    Raises:
        WrongWeightsError: Some weight is missing, unexpected, of another shape or not finite.
    """
    report = compare_weights(expected, found)
    if not report.fits:
        raise WrongWeightsError(path, network, report)


def compare_weights(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, Tensor]
) -> KeyReport:
    """Every difference between the shapes a network has and the tensors of a file.

    Args:
        expected: Shape of each weight of the network.
        found: The tensors of the file.
    """
    return KeyReport(
        missing=tuple(
            name for name in expected if name not in found and not name.endswith(COUNTER)
        ),
        unexpected=tuple(name for name in found if name not in expected),
        misshaped=tuple(
            Misshaped(name, tuple(tensor.shape), tuple(expected[name]))
            for name, tensor in found.items()
            if name in expected and tuple(tensor.shape) != tuple(expected[name])
        ),
        not_finite=tuple(name for name, tensor in found.items() if not _is_finite(tensor)),
    )


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    # Passes through once and needs no memory; what is no number comes out as itself.
    low, high = tensor.aminmax()
    return bool(low.isfinite() and high.isfinite())


def _printable(name: str) -> str:
    """A name out of a file, short and on one line."""
    text = name if name.isprintable() and name.isascii() else ascii(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."
