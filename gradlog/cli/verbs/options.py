"""What the command line asks for."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_collections import ConfigDict

from gradlog.cli.modes import MODES

if TYPE_CHECKING:
    from gradlog.distributed import Hosts  # which imports JAX


class UsageError(ValueError):
    """Flags that do not go together."""


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run.

    Attributes:
      file: that has its ``sweep()``; '' for other modes.
      jobs: runs at once; 0 for as many as there are GPUs, at least one.
      launcher: 'local' or 'slurm'.
      dry_run: whether it is only shown.
    """

    file: str = ""
    jobs: int = 0
    launcher: str = "local"
    dry_run: bool = False


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
      mode: a key of ``modes.MODES``.
      workdir: the run's folder.
      config: the whole configuration, overrides applied; None for modes that read none.
      steps: which checkpoints, for modes that read them.
      against: another run's folder, for 'compare'; '' for checkpoints of one run.
      source: another code's checkpoint, for 'import'.
      summary: a file for all that 'eval' finds; '' for none.
      sweep: how a sweep is run, for 'sweep'.
      hosts: which other hosts take part; None where there is only this one.
      overridden: dotted keys given on the command line, which must be read by something.
    """

    mode: str
    workdir: str
    config: ConfigDict | None = None
    steps: str = ""
    against: str = ""
    source: str = ""
    summary: str = ""
    sweep: SweepOptions = field(default_factory=SweepOptions)
    hosts: "Hosts | None" = None
    overridden: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises UsageError for flags that do not go together."""
        if self.against and self.mode != "compare":
            raise UsageError(f"--against goes with --mode=compare, not with --mode={self.mode}")
        if bool(self.source) != (self.mode == "import"):
            raise UsageError("--mode=import and --source=FILE go together")
        if self.summary and self.mode != "eval":
            raise UsageError(f"--summary goes with --mode=eval, not with --mode={self.mode}")
        self._check_sweep()
        if self.hosts and self.hosts.asked_for and not MODES[self.mode].several_hosts:
            raise UsageError(f"--mode={self.mode} is done by one host: start it without the others")

    def _check_sweep(self) -> None:
        asked = self.mode == "sweep"
        if not self.sweep.file if asked else self.sweep != SweepOptions():
            raise UsageError(
                "--mode=sweep and --sweep=FILE go together; --jobs, --launcher and --dry_run go "
                "with them"
            )
        if self.sweep.jobs < 0:
            raise UsageError(f"--jobs={self.sweep.jobs}: say how many runs at once, or 0")
