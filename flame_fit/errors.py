"""Errors a user can meet; each message is one line: what came, what was expected, what to do."""


class FlameFitError(Exception):
    """Base of all expected errors; its message is one line that says what to do.

    Attributes:
        details: All that the line sums up, where it does; commands print them above it.
    """

    details: tuple[str, ...] = ()


class InputError(FlameFitError, ValueError):
    """A file or value given by the user cannot be used."""


class NoFaceError(FlameFitError):
    """The image is readable but shows no face that can be fitted."""


class AssetError(FlameFitError):
    """A model file or another asset is missing, damaged or not of the expected kind."""


class UsageError(FlameFitError, ValueError):
    """An option, name or device does not exist or does not go with the others."""
