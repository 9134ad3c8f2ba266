"""What the command line asks for."""

from dataclasses import dataclass, field

from ml_collections import ConfigDict

from hosts import Hosts
from modes import MODES


class UsageError(ValueError):
    """Flags that do not go together."""


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
      hosts: which other hosts take part.
      overridden: dotted keys given on the command line, which must be read by something.
    """

    mode: str
    workdir: str
    config: ConfigDict | None = None
    steps: str = ""
    against: str = ""
    source: str = ""
    hosts: Hosts = field(default_factory=Hosts)
    overridden: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises UsageError for flags that do not go together."""
        if self.against and self.mode != "compare":
            raise UsageError(f"--against goes with --mode=compare, not with --mode={self.mode}")
        if bool(self.source) != (self.mode == "import"):
            raise UsageError("--mode=import and --source=FILE go together")
        if self.hosts.asked_for and not MODES[self.mode].several_hosts:
            raise UsageError(f"--mode={self.mode} is done by one host: start it without the others")
