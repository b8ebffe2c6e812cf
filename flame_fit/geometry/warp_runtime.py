"""Starting Warp, whose kernels one compiler builds for CPU and CUDA on first use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import warp as wp

DEVICES = ("cpu", "cuda")


@cache
def start_warp() -> None:
    """Make Warp ready without its greetings and its line that there is no GPU driver."""
    wp.config.log_level = wp.LOG_WARNING
    with _native_warnings_hidden():
        wp.init()


def current_stream(device: torch.device) -> Any:  # noqa: ANN401 - Warp's stream or None
    """Return torch's stream for Warp to queue behind; the CPU has none."""
    if device.type != "cuda":
        return None
    return wp.stream_from_torch(torch.cuda.current_stream(device))


@contextmanager
def _native_warnings_hidden() -> Iterator[None]:
    """Hide what native code writes to standard error."""
    standard_error = 2
    saved = os.dup(standard_error)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, standard_error)
    try:
        yield
    finally:
        os.dup2(saved, standard_error)
        os.close(saved)
        os.close(nowhere)
