"""The folder where compiled programs are stored between processes."""

from pathlib import Path

import jax

FOLDER = Path("~/.cache/gradlog/jax")


def store_compiled_programs(folder: Path = FOLDER) -> None:
    """Store compiled programs, so that the next process with the same shapes starts at once.

    Nothing is changed if this process stores them already, as the environment variable
    JAX_COMPILATION_CACHE_DIR asks.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        try:
            folder = folder.expanduser()
        except RuntimeError:  # this user has no home
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
