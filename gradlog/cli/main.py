"""Train a score model, evaluate its bits per dimension, draw samples, show what theory claims.

python main.py --config=configs/digits.py --workdir=runs/digits --mode=train
python main.py --workdir=runs/digits --mode=eval --config.eval.estimators=ode,bound
python main.py --workdir=runs/digits --mode=compare --steps=1000,2000
python main.py --workdir=runs/digits --mode=sample --config.sampling.num_samples=100
python main.py --workdir=runs/digits --mode=quality --config.quality.num_samples=297
python main.py --workdir=runs/cifar10 --mode=import --source=checkpoint_26
python main.py --config=configs/toy/manifold.py --workdir=runs/manifold --mode=study
python main.py --workdir=runs/digits --mode=export
python main.py --workdir=runs/digits --mode=verify
python main.py --mode=sweep --sweep=configs/sweeps/digits_weighting_sde.py --workdir=runs/sweep

Exit status: 0 when it is done; 2 for a mistake, a damaged file or a number that is not finite, told
in one line; 130 after SIGINT (Ctrl-C) and 143 after SIGTERM, when training has written a checkpoint
and everything else has left in order. A second such signal leaves at once, with the same status.
With several hosts 75 where another one was lost: the same command on all of them goes on.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from absl import app, flags
from ml_collections import ConfigDict

from gradlog import supervisor
from gradlog.cli import command_line
from gradlog.cli.modes import MODES, NOTHING

if TYPE_CHECKING:
    from gradlog.cli.verbs import Options
    from gradlog.distributed import Hosts


def parse(argv: list[str]) -> list[str]:
    """Reads the flags."""
    return command_line.parse(argv, _experiments_of)


def _experiments_of(source: str, configs: dict[str, ConfigDict]) -> list[str]:
    from gradlog.run.published import experiments_of  # builds networks: not for reading flags alone

    return experiments_of(source, configs)


def main(argv: list[str]) -> None:
    """Runs the mode that was asked for."""
    if len(argv) > 1:
        command_line.fail(f"{argv[1]!r} is not a flag; flags begin with --")
    os.environ.setdefault("EQX_ON_ERROR", "nan")  # as in run/__init__.py, which may come too late
    given = flags.FLAGS
    mode = MODES[given.mode]
    _say_first(given)
    from gradlog.cli.verbs import run_verb

    try:
        with contextlib.nullcontext() if mode.reads == NOTHING else _unwinding():
            run_verb(_options(given))
    except KeyboardInterrupt as error:
        signum = getattr(error, "signum", signal.SIGINT)
        print(f"{str(error) or 'interrupted'}; {mode.goes_on}", file=sys.stderr)
        raise SystemExit(128 + signum) from None
    except _user_errors() as error:
        command_line.fail(str(error) or type(error).__name__)


def _options(given: flags.FlagValues) -> "Options":
    from gradlog.cli.verbs import Options, SweepOptions

    return Options(
        given.mode,
        given.workdir,
        command_line.CONFIG.value,
        given.steps,
        given.against,
        given.source,
        given.summary,
        SweepOptions(given.sweep, given.jobs, given.launcher, given.dry_run),
        None if MODES[given.mode].reads == NOTHING else _hosts(given),
        tuple(command_line.overridden(sys.argv[1:])),
    )


def _hosts(given: flags.FlagValues) -> "Hosts":
    from gradlog.distributed import Hosts  # which imports JAX

    return Hosts(
        given.distributed,
        given.coordinator,
        given.num_hosts,
        given.host,
        given.join_seconds,
        given.heartbeat_seconds,
    )


def _unwinding() -> contextlib.AbstractContextManager[None]:
    from gradlog.training import unwinding  # likewise

    return unwinding()


def _say_first(given: flags.FlagValues) -> None:
    """What is about to be done; several hosts would say it all at once."""
    if command_line.CONFIG.value is None or command_line.several_hosts(sys.argv):
        return
    from gradlog.cli.guide.first_line import say_first

    say_first(given.mode, given.workdir, command_line.CONFIG.value, given.steps)


def _user_errors() -> tuple[type[Exception], ...]:
    """Mistakes that are told in one line: asked for where something was raised."""
    from gradlog.cli.verbs.errors import USER_ERRORS

    return USER_ERRORS


def leave_at_once(signum: int, frame: object) -> None:
    """Ends the process on a signal that comes before anything was begun."""
    os._exit(128 + signum)


def place(argv: list[str]) -> supervisor.Place | None:
    """Where this host works, if there are several."""
    workdir = command_line.value(argv, "workdir")
    if workdir is None or not command_line.several_hosts(argv):
        return None
    return supervisor.Place(Path(workdir).expanduser())


def run() -> None:
    """Run the command line, in a child process that a supervisor watches."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave_at_once)
    supervisor.supervised(lambda: app.run(main, flags_parser=parse), place(sys.argv))
