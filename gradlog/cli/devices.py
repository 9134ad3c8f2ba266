"""Prepare the devices of this host, and report their failures in one line."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax._src import compilation_cache  # its public part cannot replace an entry

from gradlog import terminal
from gradlog.cli.errors import UsageError

_get_executable_and_time = compilation_cache.get_executable_and_time


def replace_damaged_programs() -> None:
    """Delete a stored program that a killed process or a full disk has left in part.

    It is deleted when it is read, and written again: JAX itself never replaces an entry.
    """
    compilation_cache.get_executable_and_time = _get_or_delete


def _get_or_delete(key: str, *arguments: Any, **options: Any) -> tuple[Any, int | None]:
    """Return a stored program and its compilation time, or two times None."""
    try:
        return _get_executable_and_time(key, *arguments, **options)
    except Exception as error:  # whatever the decompression and XLA raise
        folder = Path(jax.config.jax_compilation_cache_dir)  # pyright: ignore
        with contextlib.suppress(OSError):
            (folder / f"{key}-cache").unlink()
        terminal.say(
            f"note: a program in {folder} is damaged ({type(error).__name__}); it is compiled again"
        )
        return None, None


@contextlib.contextmanager
def as_memory_error() -> Iterator[None]:
    """Raise MemoryError when the devices run out of memory."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise MemoryError(
            f"the devices have too little memory; choose a smaller batch_size ({reason})"
        ) from error


def check_devices() -> None:
    """Raise UsageError if JAX has no device to compute on."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        platforms = os.environ.get("JAX_PLATFORMS", "")
        reason = str(error).splitlines()[0] if str(error) else "no such platform is installed"
        raise UsageError(
            f"JAX finds no device that it can use (JAX_PLATFORMS={platforms!r}): {reason}"
        ) from error
