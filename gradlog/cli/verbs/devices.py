"""What computing needs before it begins."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import jax

from gradlog.cli.verbs.options import UsageError

COMPILATION_CACHE = Path("~/.cache/gradlog/jax").expanduser()


def keep_compilations(folder: Path) -> None:
    """Compiled programs outlive the process: the next one with the same shapes starts at once.

    They are kept in the folder unless JAX_COMPILATION_CACHE_DIR names another.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@contextlib.contextmanager
def memory_told() -> Iterator[None]:
    """Raises MemoryError where the devices have none left."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise MemoryError(
            f"the devices have not the memory for this; take a smaller batch_size ({reason})"
        ) from error


def check_devices() -> None:
    """Raises UsageError where JAX has nothing to compute on."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        raise UsageError(
            f"JAX finds no device it can use (JAX_PLATFORMS={asked!r}): "
            f"{str(error).splitlines()[0] if str(error) else 'no such platform is installed'}"
        ) from error
