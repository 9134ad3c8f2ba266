"""Arrays as files and back, by Orbax: on this host alone, without a word to the others."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradlog.storage.layout import Arrays


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays, none of them without an element, into an empty folder."""
    with _handler() as handler:
        handler.save(folder.absolute(), args=_orbax().args.PyTreeSave(dict(arrays)))
        handler.finalize(folder.absolute())


def read_arrays(folder: Path, names: list[str]) -> Arrays:
    """Reads the arrays of these names."""
    ocp = _orbax()
    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    with _handler() as handler:
        wanted = ocp.args.PyTreeRestore(restore_args=as_numpy)
        found = handler.restore(folder.absolute(), args=wanted)
    return {name: np.asarray(found[name]) for name in names}


@contextlib.contextmanager
def _handler() -> Iterator[Any]:
    """Orbax's own, which waits for no other host."""
    ocp, host = _orbax(), jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=host, active_processes={host}, barrier_sync_key_prefix=f"host{host}"
    )
    handler = ocp.PyTreeCheckpointHandler(
        multiprocessing_options=alone, use_ocdbt=True, use_zarr3=True
    )
    try:
        yield handler
    finally:
        handler.close()


@cache
def _orbax() -> Any:
    """The package, which takes a second to import, told not to print what it also raises."""
    import orbax.checkpoint as ocp

    hook = threading.excepthook

    def quiet(args: threading.ExceptHookArgs) -> None:
        if not type(args.thread).__module__.startswith("orbax"):
            hook(args)

    threading.excepthook = quiet
    logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)
    return ocp
