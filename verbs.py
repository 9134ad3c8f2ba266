"""What the command line can do, each a short use of ``RunDirectory``."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jax
from ml_collections import ConfigDict

from build import data_or_shape, load_dataset, notes, shape_of_data
from configs.schema import ConfigFileError
from data import DataError, Dataset
from evaluation import tables, terminal
from evaluation.differences import IncomparableError
from evaluation.quality import QualityError
from hosts import HostError, Hosts, check_agreement
from run import RunDirectory
from run.agreement import check_one_experiment
from run.comparison import compare_runs, compare_steps, save_comparison, save_differences
from run.encoding import EncodingRun
from run.importing import import_official
from run.quality import QualityRun
from run.verification import DAMAGED, verify_workdir
from storage import CheckpointError, DamagedFileError, WorkdirError
from studies import STUDIES, Study
from training import NonFiniteError
from wiring.compat import compat_notes
from wiring.reader import ConfigError, Reader

COMPILATION_CACHE = Path("~/.cache/gradlog/jax").expanduser()


class UsageError(ValueError):
    """Flags that do not go together."""


class NoImageError(ValueError):
    """An estimator that succeeded on no image."""


class DamagedWorkdirError(ValueError):
    """A workdir in which not all is as it was written."""


USER_ERRORS = (
    UsageError,
    ConfigFileError,
    HostError,
    ConfigError,
    DataError,
    WorkdirError,
    DamagedFileError,
    CheckpointError,
    IncomparableError,
    QualityError,
    NoImageError,
    DamagedWorkdirError,
    NonFiniteError,
    OSError,  # a full or read-only disk, a file in the way: its text names the file
    MemoryError,
)


_OF_ONE_HOST = ("import", "verify")
_SAME_ON_ALL = ("mode", "steps", "against", "source")


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
      mode: a key of ``VERBS``.
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
        if self.hosts.asked_for and self.mode in _OF_ONE_HOST:
            raise UsageError(f"--mode={self.mode} is done by one host: start it without the others")


@contextlib.contextmanager
def _memory_told() -> Iterator[None]:
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


def _check_devices() -> None:
    """Raises UsageError where JAX has nothing to compute on."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        raise UsageError(
            f"JAX finds no device it can use (JAX_PLATFORMS={asked!r}): "
            f"{str(error).splitlines()[0] if str(error) else 'no such platform is installed'}"
        ) from error


@_memory_told()
def run_verb(options: Options) -> None:
    """Does what the mode says.

    Raises:
      UsageError: flags do not go together.
    """
    options.check()
    options.hosts.join()
    _check_devices()
    check_agreement({f"--{name}": getattr(options, name) for name in _SAME_ON_ALL})
    keep_compilations(COMPILATION_CACHE)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    VERBS[options.mode](options)


def opened(
    options: Options,
    load: Callable[[ConfigDict], Dataset] = load_dataset,
    own: Callable[[RunDirectory], set[str]] = lambda run: set(),
) -> RunDirectory:
    """The run, with notes on what its configuration says and nothing reads.

    Args:
      options: names folder and configuration.
      load: where the data come from.
      own: keys that the verb itself reads.
    """
    run = RunDirectory.open(options.workdir, options.config, options.overridden, load)
    check_one_experiment(run)
    unread = [key for key in options.overridden if key not in own(run)]
    found = compat_notes(options.config, run.config) if options.config else []
    for note in [*found, *notes(run.experiment, run.config, unread)]:
        terminal.say(f"note: {note}")
    return run


def keep_compilations(folder: Path) -> None:
    """Compiled programs outlive the process: the next one with the same shapes starts at once.

    They are kept in the folder unless JAX_COMPILATION_CACHE_DIR names another.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def train(options: Options) -> None:
    """Trains, from where the workdir is."""
    opened(options).train()


def evaluate(options: Options) -> None:
    """Bits per dimension of the checkpoints, as files and as a table.

    Raises:
      NoImageError: after all that, where a result is of no image at all.
    """
    run = opened(options)
    found = run.results(options.steps)
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


def compare(options: Options) -> None:
    """Paired differences between checkpoints or runs, evaluated first where not yet done."""
    run = opened(options)
    rows = (
        compare_runs(run, run.open_like(options.against), options.steps)
        if options.against
        else compare_steps(run, run.steps(options.steps))
    )
    save_comparison(run.workdir, rows)
    tables.show_comparison(rows)


def sample(options: Options) -> None:
    """Samples of the checkpoints, as arrays and as pictures."""
    run = opened(options, data_or_shape)
    run.at_steps(options.steps, run.samples.save)


def classify(options: Options) -> None:
    """Which class each test image has, by the likelihoods of all, as files and as a table."""
    run = opened(options)
    found = run.at_steps(options.steps, run.classify)
    tables.show_classifications([row for rows in found for row in rows])


def classifier(options: Options) -> None:
    """Trains the classifier of noisy data in the workdir, from where it is."""
    opened(options).classifier.train()


def quality(options: Options) -> None:
    """Distances between samples of the checkpoints, or of a file, and data: files and a table."""
    run = opened(options)
    own = run.experiment.quality.samples
    if own and options.steps:
        raise UsageError("--steps: the samples of config.quality.samples are of no checkpoint")
    measured = QualityRun(run)
    found = [measured.given()] if own else run.at_steps(options.steps, measured)
    tables.show_quality(found)


def encode(options: Options) -> None:
    """Latents of the first test data and their reconstructions, as arrays and as pictures."""
    run = opened(options, own=lambda run: EncodingRun(run).keys_read)
    run.at_steps(options.steps, run.encodings.save)


def study(options: Options) -> None:
    """Makes the pictures of ``config.study``, trained for if need be."""
    run = opened(options, own=lambda run: study_of(run.config)[1])
    study_of(run.config)[0](run)


def study_of(config: ConfigDict) -> tuple[Study, set[str]]:
    """The study that ``config.study`` names, and the keys that it is made of.

    Raises:
      ConfigError: there is none of that name.
    """
    reader = Reader(config)
    return reader.choose("study", STUDIES), reader.keys_read


def import_checkpoint(options: Options) -> None:
    """A checkpoint of score_sde or score_flow, made into a workdir."""
    import_official(opened(options, shape_of_data), options.source)


def verify(options: Options) -> None:
    """Checks all files of a workdir, from themselves alone.

    Raises:
      DamagedWorkdirError: some are damaged.
    """
    found = verify_workdir(Path(options.workdir).expanduser())
    tables.show_findings([vars(finding) for finding in found])
    damaged = [finding for finding in found if finding.state == DAMAGED]
    if damaged:
        first, more = damaged[0], f", and {len(damaged) - 1} more" if damaged[1:] else ""
        raise DamagedWorkdirError(
            f"{options.workdir}: {first.path} is damaged: {first.detail}{more}"
        )


VERBS: dict[str, Callable[[Options], None]] = {
    "train": train,
    "eval": evaluate,
    "compare": compare,
    "classify": classify,
    "classifier": classifier,
    "sample": sample,
    "encode": encode,
    "quality": quality,
    "import": import_checkpoint,
    "study": study,
    "verify": verify,
}
