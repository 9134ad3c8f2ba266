"""What the command line can do, each a short use of ``RunDirectory``."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
from ml_collections import ConfigDict

from build import data_or_shape, load_dataset, notes, shape_of_data
from data import DataError
from evaluation import tables, terminal
from evaluation.differences import IncomparableError
from evaluation.quality import QualityError
from run import RunDirectory
from run.comparison import compare_runs, compare_steps, save_comparison, save_differences
from run.encoding import EncodingRun
from run.importing import import_official
from run.quality import QualityRun
from storage import CheckpointError, WorkdirError
from studies import STUDIES, Study
from training import NonFiniteError
from wiring.compat import compat_notes
from wiring.reader import ConfigError, Reader

COMPILATION_CACHE = Path("~/.cache/gradlog/jax").expanduser()


class UsageError(ValueError):
    """Flags that do not go together, or a host that cannot be joined."""


class NoImageError(ValueError):
    """An estimator that succeeded on no image."""


USER_ERRORS = (
    UsageError,
    ConfigError,
    DataError,
    WorkdirError,
    CheckpointError,
    IncomparableError,
    QualityError,
    NoImageError,
    NonFiniteError,
    OSError,  # a full or read-only disk, a file in the way: its text names the file
    MemoryError,
)


@dataclass(frozen=True)
class Hosts:
    """The hosts of a run: one, those that a cluster's environment names, or those given by hand."""

    from_environment: bool = False
    coordinator: str | None = None
    count: int | None = None
    index: int | None = None

    def join(self) -> None:
        """Connects to the other hosts; does nothing where there is only this one."""
        if not (self.from_environment or self.coordinator):
            if self.count is not None or self.index is not None:
                raise UsageError("--num_hosts and --host need --coordinator=HOST:PORT")
            return
        if self.coordinator and (self.count is None or self.index is None):
            raise UsageError("--coordinator needs --num_hosts and --host")
        try:
            jax.distributed.initialize(self.coordinator, self.count, self.index)
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"cannot join the other hosts: {error}") from error


def run_verb(
    mode: str,
    *,
    workdir: str,
    config: ConfigDict,
    steps: str,
    against: str,
    source: str,
    hosts: Hosts,
    overridden: list[str],
) -> None:
    """Opens the workdir and does what the mode says.

    Args:
      mode: a key of ``VERBS``.
      workdir: the run's folder.
      config: the whole configuration, overrides applied.
      steps: which checkpoints, for modes that read them.
      against: another run's folder, for 'compare'; '' for checkpoints of one run.
      source: another code's checkpoint, for 'import'.
      hosts: which other hosts take part.
      overridden: dotted keys given on the command line, which must be read by something.
    """
    if against and mode != "compare":
        raise UsageError(f"--against goes with --mode=compare, not with --mode={mode}")
    if bool(source) != (mode == "import"):
        raise UsageError("--mode=import and --source=FILE go together")
    hosts.join()
    keep_compilations(COMPILATION_CACHE)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    run = RunDirectory.open(workdir, config, kept=overridden, load=LOADERS.get(mode, load_dataset))
    own = study_of(run.config)[1] if mode == "study" else set()
    own |= EncodingRun(run).keys_read if mode == "encode" else set()
    found = notes(run.experiment, run.config, [key for key in overridden if key not in own])
    for note in compat_notes(config, run.config) + found:
        terminal.say(f"note: {note}")
    if against:
        _show_comparison(run, compare_runs(run, run.open_like(against), steps))
    elif source:
        import_official(run, source)
    else:
        VERBS[mode](run, steps)


def keep_compilations(folder: Path) -> None:
    """Compiled programs outlive the process: the next one with the same shapes starts at once."""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def train(run: RunDirectory, steps: str) -> None:
    """Trains, from where the workdir is."""
    del steps
    run.train()


def evaluate(run: RunDirectory, steps: str) -> None:
    """Bits per dimension of the checkpoints, as files and as a table.

    Raises:
      NoImageError: after all that, where a result is of no image at all.
    """
    found = run.results(run.steps(steps))
    tables.show_results([result.summary for result in found])
    tables.show_differences(save_differences(run.workdir, found))
    empty = [
        f"{r.summary['estimator']} at step {r.summary['step']}" for r in found if not any(r.ok)
    ]
    if empty:
        raise NoImageError(
            f"no image succeeded with {', '.join(empty)}: there is no mean; loosen its tolerances "
            "or raise config.likelihood.max_steps"
        )


def compare(run: RunDirectory, steps: str) -> None:
    """Paired differences between checkpoints, evaluated first where that is not yet done."""
    _show_comparison(run, compare_steps(run, run.steps(steps)))


def _show_comparison(run: RunDirectory, rows: list[tables.Row]) -> None:
    save_comparison(run.workdir, rows)
    tables.show_comparison(rows)


def sample(run: RunDirectory, steps: str) -> None:
    """Samples of the checkpoints, as arrays and as pictures."""
    for step in run.steps(steps):
        run.save_samples(step)


def classify(run: RunDirectory, steps: str) -> None:
    """Which class each test image has, by the likelihoods of all, as files and as a table."""
    tables.show_classifications([row for step in run.steps(steps) for row in run.classify(step)])


def classifier(run: RunDirectory, steps: str) -> None:
    """Trains the classifier of noisy data in the workdir, from where it is."""
    del steps
    run.classifier.train()


def quality(run: RunDirectory, steps: str) -> None:
    """Distances between samples of the checkpoints, or of a file, and data: files and a table."""
    own = run.experiment.quality.samples
    if own and steps:
        raise UsageError("--steps: the samples of config.quality.samples are of no checkpoint")
    measured = QualityRun(run)
    found = [measured.given()] if own else [measured(step) for step in run.steps(steps)]
    tables.show_quality(found)


def encode(run: RunDirectory, steps: str) -> None:
    """Latents of the first test data and their reconstructions, as arrays and as pictures."""
    for step in run.steps(steps):
        run.save_encodings(step)


def study(run: RunDirectory, steps: str) -> None:
    """Makes the pictures of ``config.study``, trained for if need be."""
    del steps
    study_of(run.config)[0](run)


def study_of(config: ConfigDict) -> tuple[Study, set[str]]:
    """The study that ``config.study`` names, and the keys that it is made of.

    Raises:
      ConfigError: there is none of that name.
    """
    reader = Reader(config)
    return reader.choose("study", STUDIES), reader.keys_read


# Modes that can do without the examples of the data.
LOADERS = {"import": shape_of_data, "sample": data_or_shape}
VERBS: dict[str, Callable[[RunDirectory, str], None]] = {
    "train": train,
    "eval": evaluate,
    "compare": compare,
    "classify": classify,
    "classifier": classifier,
    "sample": sample,
    "encode": encode,
    "quality": quality,
    "study": study,
}
