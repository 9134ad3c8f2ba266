"""Doing what a mode says, on devices that are there."""

import pkgutil
import warnings
from collections.abc import Callable

from gradlog.cli.modes import MODES, NOTHING
from gradlog.cli.verbs.options import Options

_SAME_ON_ALL = ("mode", "steps", "against", "source", "summary")


def run_verb(options: Options) -> None:
    """Does what the mode says.

    Raises:
      UsageError: flags do not go together.
    """
    options.check()
    if MODES[options.mode].reads == NOTHING:
        verb(options.mode)(options)
    else:
        _compute(options)


def _compute(options: Options) -> None:
    import jax  # not for modes that read nothing: they are done at once

    from gradlog.cli.verbs import devices
    from gradlog.distributed import check_agreement

    with devices.memory_told():
        if options.hosts:
            options.hosts.join()
        if not MODES[options.mode].computes:
            jax.config.update("jax_platforms", "cpu")
        devices.check_devices()
        check_agreement({f"--{name}": getattr(options, name) for name in _SAME_ON_ALL})
        devices.keep_compilations(devices.COMPILATION_CACHE)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        verb(options.mode)(options)


def verb(mode: str) -> Callable[[Options], None]:
    """The function of a mode, imported by now."""
    return pkgutil.resolve_name(MODES[mode].verb)
