"""Run a TFLite model on the CPU with `ai-edge-litert`."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from flame_fit.errors import AssetError, UsageError

THREADS = 2
_STDERR = 2
_creation_lock = threading.Lock()


class LiteModel:
    """A TFLite network with one image input; calls from several threads take turns."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._interpreter = _make_interpreter(path)
        (self._input,) = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self.input_size = int(self._input["shape"][1])

    def __call__(self, image: Float[np.ndarray, "S S 3"]) -> list[Float[np.ndarray, "..."]]:
        """Outputs for one RGB image of the model's own size, in the file's order."""
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], image[None].astype(np.float32))
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(output["index"]) for output in self._outputs]


@lru_cache(maxsize=16)
def load_model(path: Path) -> LiteModel:
    """The model of a file, made once per process.

    Raises:
        AssetError: The file is no TFLite model.
        UsageError: `ai-edge-litert` is not installed.
    """
    return LiteModel(path)


def _make_interpreter(path: Path):  # noqa: ANN202 (the type is only known after the lazy import)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise UsageError(
            "ai-edge-litert is not installed; pip install ai-edge-litert to find faces"
        ) from None
    with _creation_lock, _quiet_stderr():
        try:
            interpreter = Interpreter(str(path), num_threads=THREADS)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
            raise AssetError(
                f"{path} is not a TFLite model ({reason}); delete it so that it is fetched again"
            ) from None
    return interpreter


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere: the runtime's C++ log has no level to set."""
    try:
        saved = os.dup(_STDERR)
    except OSError:  # no stderr at all, as under pythonw
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, _STDERR)
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)
        os.close(sink)
