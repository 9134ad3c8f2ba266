"""The modes of the command line: what each is, reads and says, and the function that does it.

A function imports what it needs when it is called, so that ``--help`` imports none of it.
"""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlog import terminal
from gradlog.config_error import UsageError, UserError

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from gradlog.cli.flags import Options
    from gradlog.experiment.run import Run
    from gradlog.studies import Study

# What a mode reads before it begins.
RUN = "run"  # the workdir and its configuration
WORKDIR = "workdir"  # the workdir alone
NOTHING = "nothing"
_TRAINING_RESUMES = "the same command resumes from the newest checkpoint"
_BATCHES_RESUME = "finished batches are stored, and the same command resumes from them"
_UNCHANGED = "nothing was changed"
# Parts of an experiment. Every mode that reads checkpoints needs "training": what to keep.
_TRAINING = ("training", "eval", "sampler")
_LIKELIHOOD = ("training", "estimators", "eval")
_SAMPLES = ("training", "sampler", "conditional_sampling", "sampling", "classifier")


@dataclass(frozen=True)
class Mode:
    """One of the values of ``--mode``.

    Attributes:
      run: does it; None for what `main` prints about the command line itself.
      summary: what it does, for ``--help``.
      examples: command lines, without ``python main.py``.
      resumes: what the same command does after an interruption.
      keys: keys and sections of the configuration that belong to this mode, for ``--help``.
      parts: names of the parts of an `Experiment` that it uses, beside those that identify a run;
        None for all.
      flags: names of flags that no other mode has.
      reads_steps: whether ``--steps`` selects its checkpoints.
      note: what else ``--help`` says.
      announce: returns the first line from the options and the steps of the checkpoints.
      reads: RUN, WORKDIR or NOTHING.
      several_hosts: whether several hosts can do it together.
      computes: whether it needs the devices; otherwise other processes can have them.
    """

    run: Callable[["Options"], None] | None
    summary: str
    examples: tuple[str, ...]
    resumes: str
    keys: tuple[str, ...] = ()
    parts: tuple[str, ...] | None = None
    flags: tuple[str, ...] = ()
    reads_steps: bool = False
    note: str = ""
    announce: Callable[["Options", list[int]], str] | None = None
    reads: str = RUN
    several_hosts: bool = True
    computes: bool = True


MODES: dict[str, Mode] = {}  # in the order in which ``--help`` shows them


def _mode(name: str, summary: str, *examples: str, **about: Any) -> Callable[[Any], Any]:
    """Register a function as a mode."""

    def register(run: Any) -> Any:
        MODES[name] = Mode(run, summary, examples, **about)
        return run

    return register


def announce(options: "Options") -> None:
    """Print what is about to be done, in modes that take a while.

    Raises:
      ConfigError: ``config.compat`` is unknown.
    """
    mode = MODES[options.mode]
    if mode.announce is None or options.config is None:
        return
    folder = Path(options.workdir).expanduser() / "checkpoints"
    found = folder.iterdir() if folder.is_dir() else ()
    steps = sorted(int(path.name) for path in found if path.name.isdecimal())
    if options.config.compat:
        # It imports JAX, which takes a second.
        from gradlog.experiment.compat import resolve_compat

        config = resolve_compat(options.config, options.overridden)
        options = dataclasses.replace(options, config=config)
    terminal.say(f"{options.mode} {options.workdir}: {mode.announce(options, steps)}")


def _config(options: "Options"):
    assert options.config is not None
    return options.config


def _training(options: "Options", steps: list[int]) -> str:
    last = _config(options).training.steps
    if steps and steps[-1] >= last:
        return f"at step {steps[-1]} already, of {last}"
    begin = f"from step {steps[-1]}" if steps else "from the beginning"
    return f"{begin} to step {last}"


def _differences(options: "Options", steps: list[int]) -> str:
    found = _estimates(options, steps)
    return f"{found}, minus {options.against}" if options.against else found


def _estimates(options: "Options", steps: list[int]) -> str:
    config = _config(options)
    names = config.eval.estimators or (config.likelihood.name,)
    # --config.eval.estimators=ode,bound is one text, and =1 a number, which is refused later.
    separate = ",".join(map(str, names)).split(",")
    return f"{_checkpoints(options, steps)}, by {', '.join(separate)}"


def _samples(options: "Options", steps: list[int]) -> str:
    sampling = _config(options).sampling
    return f"{_checkpoints(options, steps)}, {sampling.num_samples} samples by {sampling.name}"


def _quality(options: "Options", steps: list[int]) -> str:
    quality = _config(options).quality
    what = f"samples of {quality.samples}" if quality.samples else _checkpoints(options, steps)
    return f"{what}, by the features of {quality.features}"


def _encodings(options: "Options", steps: list[int]) -> str:
    count = _config(options).sampling.num_samples
    return f"{_checkpoints(options, steps)}, at most {count} test data"


def _checkpoints(options: "Options", steps: list[int]) -> str:
    if not steps:
        return "no checkpoint yet"
    if options.steps == "all":
        return f"all {len(steps)} checkpoints"
    named = options.steps.replace(",", ", ") or str(steps[-1])
    return f"step{'s' * (',' in options.steps)} {named}"


def open_run(
    options: "Options",
    load: Callable[..., Any] | None = None,
    keys_of_mode: Callable[["Run"], set[str]] = lambda run: set(),
) -> "Run":
    """Open the run, and print notes on its configuration.

    Args:
      options: the folder and the configuration.
      load: loads the data of a configuration; the whole data set by default.
      keys_of_mode: returns the keys that the mode itself reads.
    """
    from gradlog.experiment.compat import compat_notes
    from gradlog.experiment.experiment import ALL_PARTS
    from gradlog.experiment.keys import identifies_workdir
    from gradlog.experiment.notes import not_read, notes
    from gradlog.experiment.run import Run

    mode = MODES[options.mode]
    parts = mode.parts or ALL_PARTS
    with terminal.working("loading the data, building the model"):
        run = Run.open(options.workdir, options.config, options.overridden, load, parts)
        run.check_hosts_agree()
    unread = [key for key in options.overridden if key not in keys_of_mode(run)]
    # The loss matters to a mode that trains. What is trained is built in all modes.
    trains = mode.parts is None or "objective" in mode.keys
    read = run.experiment.keys_read if trains else run.experiment.settings(*parts)
    found = compat_notes(options.config, run.config, read) if options.config else []
    found += notes(run.experiment, unread)
    if not (mode.parts is None or mode.resumes == _TRAINING_RESUMES):
        # They are built in all modes, to know the run and its checkpoints.
        of_training = [key for key in unread if key.startswith(("training.", "optimizer."))]
        found += [
            not_read(key)
            for key in of_training
            if key in run.experiment.keys_read and not identifies_workdir(key)
        ]
    for note in [*options.notes, *found]:
        terminal.say(f"note: {note}")
    return run


@_mode(
    "train",
    "trains a score model, from the newest checkpoint of the workdir",
    "--config=configs/digits.py --workdir=runs/digits --mode=train",
    resumes=_TRAINING_RESUMES,
    keys=("data", "sde", "model", "objective", "optimizer", "training"),
    parts=_TRAINING,
    announce=_training,
)
def train(options: "Options") -> None:
    open_run(options).train()


@_mode(
    "eval",
    "bits per dimension of checkpoints on the test set, with their account and error",
    "--workdir=runs/digits --mode=eval --config.eval.estimators=ode,bound",
    resumes=_BATCHES_RESUME,
    keys=("eval", "likelihood"),
    parts=_LIKELIHOOD,
    flags=("summary",),
    announce=_estimates,
    reads_steps=True,
)
def evaluate(options: "Options") -> None:
    """Compute bits per dimension of the checkpoints; write files and print tables.

    Raises:
      UsageError: the summary cannot be written.
      WorkdirError: a link has its name.
      UserError: a result has no image at all. It is raised after everything else.
    """
    from gradlog.distributed import is_writer
    from gradlog.evaluation import tables
    from gradlog.evaluation.comparison import save_differences
    from gradlog.evaluation.over_training import save_over_training
    from gradlog.storage import check_plain, write_json

    summary = Path(options.summary).expanduser().absolute() if options.summary else None
    if summary:  # checked before hours of evaluation
        folder = next(each for each in summary.parents if each.exists())
        is_writable = folder.is_dir() and os.access(folder, os.W_OK)
        if not is_writable or (summary.exists() and not summary.is_file()):
            raise UsageError(f"--summary={options.summary}: no file can be written there")
        check_plain(summary)
    run = open_run(options)
    found = run.results(options.steps)
    tables.show_results([result.summary for result in found])
    tables.show_differences(save_differences(run.workdir, found))
    if options.steps == "all" or "," in options.steps:
        tables.show_over_training(save_over_training(run.workdir, found))
    if summary and is_writer():
        root = run.workdir.root
        rows = [{"folder": str(r.folder.relative_to(root)), **r.summary} for r in found]
        write_json(summary, rows)
    empty = [
        f"{r.summary['estimator']} at step {r.summary['step']}" for r in found if not any(r.ok)
    ]
    if empty:
        raise UserError(
            f"no image succeeded with {', '.join(empty)}: there is no mean; loosen its tolerances "
            "or raise config.likelihood.max_steps"
        )


@_mode(
    "compare",
    "differences in bits, image by image, between checkpoints or between two runs",
    "--workdir=runs/digits --mode=compare --steps=1000,2000",
    "--workdir=runs/digits --mode=compare --against=runs/other",
    resumes=_BATCHES_RESUME,
    keys=("eval.estimators", "eval.num_images", "likelihood.name"),
    parts=_LIKELIHOOD,
    flags=("against",),
    note=(
        "Both sides are evaluated with the same settings and the same random draws. With "
        "--against the difference is one between two networks. For a difference between "
        "two settings, train several seeds of each: see --help=sweep. The keys of the "
        "estimators are those of --help=eval."
    ),
    reads_steps=True,
    announce=_differences,
)
def compare(options: "Options") -> None:
    from gradlog.evaluation import tables
    from gradlog.evaluation.comparison import compare_runs, compare_steps, save_comparison

    run = open_run(options)
    run.workdir.own("compare")  # checked before hours of evaluation
    if options.against:
        rows = compare_runs(run, run.open_like(options.against), options.steps)
    else:
        rows = compare_steps(run, run.steps(options.steps))
    save_comparison(run.workdir, rows)
    tables.show_comparison(rows)


@_mode(
    "classify",
    "the class of each test image, by the likelihoods of all classes",
    "--workdir=runs/classes --mode=classify",
    resumes=_BATCHES_RESUME,
    keys=("eval", "likelihood"),
    parts=_LIKELIHOOD,
    announce=_estimates,
    reads_steps=True,
)
def classify(options: "Options") -> None:
    from gradlog.evaluation import tables

    run = open_run(options)
    found = run.at_steps(options.steps, run.classify)
    tables.show_classifications([row for rows in found for row in rows])


@_mode(
    "classifier",
    "trains a classifier of noisy data in the workdir, for guidance and features",
    "--workdir=runs/digits --mode=classifier",
    resumes=_TRAINING_RESUMES,
    keys=("classifier",),
    parts=("training", "classifier", "eval"),
)
def train_classifier(options: "Options") -> None:
    open_run(options).classifier.train()


@_mode(
    "sample",
    "samples of checkpoints, as arrays and as a picture",
    "--workdir=runs/digits --mode=sample --config.sampling.num_samples=100",
    resumes="the same command draws the samples again",
    keys=("sampling",),
    parts=_SAMPLES,
    announce=_samples,
    reads_steps=True,
)
def sample(options: "Options") -> None:
    run = open_run(options, _load_or_shape(options))
    run.at_steps(options.steps, run.save_samples, run.samples.check)


@_mode(
    "quality",
    "FID, KID, precision and recall of samples, compared with the data",
    "--workdir=runs/digits --mode=quality --config.quality.num_samples=297",
    resumes="finished samples and features are stored, and the same command resumes from them",
    keys=("quality", "sampling"),
    parts=(*_SAMPLES, "quality", "eval"),
    announce=_quality,
    reads_steps=True,
)
def measure_quality(options: "Options") -> None:
    from gradlog.evaluation import tables
    from gradlog.evaluation.quality.quality_run import QualityRun

    run = open_run(options)
    from_file = run.experiment.quality.samples
    if from_file and options.steps:
        raise UsageError("--steps: the samples of config.quality.samples are of no checkpoint")
    measured = QualityRun(run.workdir, run.experiment, run.samples, run.classifier)
    measure = lambda step: measured(step, run.params(step))  # noqa: E731
    found = [measured.from_file()] if from_file else run.at_steps(options.steps, measure)
    tables.show_quality(found)


@_mode(
    "import",
    "makes a workdir from a checkpoint of score_sde or score_flow",
    "--workdir=runs/cifar10 --mode=import --source=checkpoint_26",
    resumes="the same command reads it again",
    flags=("source",),
    several_hosts=False,
)
def import_checkpoint(options: "Options") -> None:
    from gradlog.evaluation import import_checkpoint
    from gradlog.experiment.build import load_shape

    run = open_run(options, load_shape)
    import_checkpoint.import_checkpoint(run.workdir, run.config, run.experiment, options.source)


@_mode(
    "encode",
    "latents of test data by the probability flow, and their reconstructions",
    "--workdir=runs/digits --mode=encode",
    resumes="the same command begins again",
    keys=("sampling",),
    parts=("training", "encoding", "sampling"),
    announce=_encodings,
    reads_steps=True,
)
def encode(options: "Options") -> None:
    run = open_run(options)
    run.at_steps(options.steps, run.save_encodings)


@_mode(
    "compress",
    "a file of images, without loss, whose size is their bits/dim by the model",
    "--workdir=runs/masked --mode=compress --output=digits.glog",
    "--workdir=runs/digits --mode=compress --source=DIR --output=images.glog "
    "--config.likelihood.name=vlb --config.likelihood.vlb_steps=100",
    resumes="the same command begins again",
    keys=("codec", "eval.num_images", "likelihood.vlb_steps", "likelihood.variable"),
    parts=_LIKELIHOOD,
    flags=("source", "output"),
    several_hosts=False,
    reads_steps=True,
)
def compress(options: "Options") -> None:
    import numpy as np

    from gradlog.data import read_examples
    from gradlog.data.user_arrays import check_data
    from gradlog.evaluation import tables
    from gradlog.evaluation.likelihood import evaluated_source
    from gradlog.storage import atomic

    output = Path(options.output).expanduser()
    if output.exists():
        raise UsageError(f"--output={output} exists already: name a new file")
    reading = {"data.image_size", "data.channels", "data.axes"} if options.source else set()
    run = open_run(options, keys_of_mode=lambda run: run.compression.keys | reading)
    (step, *others) = run.steps(options.steps)
    if others:
        raise UsageError(f"--steps={options.steps}: a file is of one checkpoint")
    data, test = run.config.data, run.experiment.dataset
    if options.source:
        shape = {"image_size": data.image_size, "channels": data.channels, "axes": data.axes}
        x, account = read_examples(options.source, test.shape, **shape)
        terminal.say(f"source: {account}")
    else:
        source = evaluated_source(run.experiment)
        x = source[np.arange(len(source))]
    found = run.compression.compress(run.params(step), step, check_data(x, test))
    with atomic(output) as file:
        file.write(found.data)
    tables.show_compressed(output, found, test.unit)


@_mode(
    "decompress",
    "every image of a compressed file, bit for bit",
    "--workdir=runs/masked --mode=decompress --source=digits.glog --output=DIR",
    resumes="the same command begins again",
    parts=("training",),
    flags=("source", "output"),
    several_hosts=False,
)
def decompress(options: "Options") -> None:
    """Write the images of a compressed file.

    Raises:
      UsageError: ``--source`` cannot be read, or ``--output`` exists or cannot hold the images.
      CodeError: the file is damaged or does not fit. What is left of it is written before.
    """
    import numpy as np

    from gradlog.codec import CodeError
    from gradlog.evaluation.compression import check_output, write_images
    from gradlog.storage.files import read_bytes

    source, output = Path(options.source).expanduser(), Path(options.output).expanduser()
    run = open_run(options, _load_or_shape(options))
    check_output(output, run.experiment.dataset)
    data = read_bytes(source)
    try:
        images = run.decompress(data)
    except CodeError as error:
        if error.images is not None and np.any(error.recovered):
            write_images(output, error.images, error.recovered)
        raise CodeError(f"{source}: {error}") from error
    write_images(output, images)
    terminal.say(f"wrote {output}: {len(images)} images, each with the checksum of the original")


@_mode(
    "export",
    "a file of the score and the log density for JAX alone, without this repository",
    "--workdir=runs/digits --mode=export",
    resumes="the same command writes the file again",
    keys=("likelihood",),
    parts=_LIKELIHOOD,
    several_hosts=False,
    reads_steps=True,
)
def export(options: "Options") -> None:
    run = open_run(options, _load_or_shape(options))
    own = run.workdir.own
    run.at_steps(options.steps, lambda step: run.export(own("export", f"{step}.zip"), step))


@_mode(
    "study",
    "pictures of what theory claims, with the training that they need",
    "--config=configs/toy/manifold.py --workdir=runs/manifold --mode=study",
    resumes="the same command resumes from what has been trained",
    keys=("study",),
)
def study(options: "Options") -> None:
    run = open_run(options, keys_of_mode=lambda run: choose_study(run.config)[1])
    run.workdir.own("study")  # checked before hours of training
    with terminal.working(f"study {run.config.study.name}"):
        choose_study(run.config)[0](run)


@_mode(
    "sweep",
    "trains and evaluates many overrides of a configuration, and compares them",
    "--mode=sweep --sweep=configs/sweeps/digits_weighting_sde.py --workdir=runs/sweep",
    resumes="the same command leaves finished runs alone and resumes the others",
    flags=("sweep", "jobs", "launcher", "dry_run"),
    several_hosts=False,
    computes=False,
)
def sweep(options: "Options") -> None:
    from gradlog.sweeps import SweepFolder, make_plan, run_sweep, show_sweep_plan
    from gradlog.sweeps.launchers import check_slurm, run_locally, run_on_slurm
    from gradlog.sweeps.plan import read_slurm_settings

    assert options.config is not None
    plan = make_plan(options.sweep, options.config, options.overridden)
    folder = SweepFolder(Path(options.workdir).expanduser().absolute())
    if options.dry_run:
        show_sweep_plan(folder, plan)
    elif options.launcher == "local":
        run_sweep(folder, plan, lambda tasks, on_end: run_locally(tasks, options.jobs, on_end))
    else:
        check_slurm()
        settings = read_slurm_settings(options.sweep)
        run_sweep(
            folder,
            plan,
            lambda tasks, on_end: run_on_slurm(tasks, options.jobs, on_end, settings),
        )


@_mode(
    "report",
    "one page of HTML about a run or a sweep, to be read without a network",
    "--workdir=runs/digits --mode=report",
    resumes="the same command writes it again",
    reads=WORKDIR,
    several_hosts=False,
    computes=False,
)
def report(options: "Options") -> None:
    from gradlog.report import write_report

    with terminal.working("writing the page"):
        path = write_report(Path(options.workdir).expanduser())
    terminal.say(f"wrote {path}")


@_mode(
    "verify",
    "checks all files of a workdir",
    "--workdir=runs/digits --mode=verify",
    resumes=_UNCHANGED,
    reads=WORKDIR,
    several_hosts=False,
)
def verify(options: "Options") -> None:
    """Check all files of a workdir.

    Raises:
      UserError: a file is damaged or cannot be read. It is raised after the table.
    """
    from gradlog.evaluation import tables
    from gradlog.evaluation.verify import DAMAGED, UNREADABLE, verify_workdir
    from gradlog.experiment.build import check_config
    from gradlog.experiment.loading import load_saved_config

    with terminal.working(f"reading all files of {options.workdir}"):
        root = Path(options.workdir).expanduser()
        found = verify_workdir(root, lambda path: check_config(load_saved_config(path)))
    tables.show_findings([vars(finding) for finding in found])
    for state, what in ((DAMAGED, "is damaged"), (UNREADABLE, "cannot be read")):
        if matching := [finding for finding in found if finding.state == state]:
            first, more = matching[0], f", and {len(matching) - 1} more" if matching[1:] else ""
            raise UserError(f"{options.workdir}: {first.path} {what}: {first.detail}{more}")


_PRINTS: dict[str, Any] = {"reads": NOTHING, "several_hosts": False, "computes": False}
_mode(
    "configs",
    "lists the experiments; with --config it says which ladder of noise the data need",
    "--mode=configs",
    "--mode=configs --config=configs/own.py:PATH",
    resumes=_UNCHANGED,
    **_PRINTS,
)(None)
_mode(
    "completion",
    "prints what bash and zsh need to complete flags, modes, files and keys",
    "--mode=completion",
    resumes=_UNCHANGED,
    **_PRINTS,
)(None)


def _load_or_shape(options: "Options") -> Callable[..., Any]:
    """Return a loader of data that gives their shape alone if they are not available."""
    from gradlog.experiment.build import load_data_or_shape
    from gradlog.storage import Workdir

    return partial(load_data_or_shape, workdir=Workdir(Path(options.workdir).expanduser()))


def choose_study(config: "ConfigDict") -> tuple["Study", set[str]]:
    """Return the study that ``config.study`` names, and the keys that it reads.

    Raises:
      ConfigError: there is no study of that name, or it does not take the process.
    """
    from gradlog.config_error import ConfigError
    from gradlog.experiment.reader import Reader
    from gradlog.sde_lib import DISCRETE_PROCESSES, SDE, SDES
    from gradlog.studies import STUDIES

    reader = Reader(config)
    study = reader.choose("study", STUDIES)
    needed = getattr(study, "accepts", SDE)
    fitting = [n for n, c in {**SDES, **DISCRETE_PROCESSES}.items() if issubclass(c, needed)]
    if config.sde.name not in fitting:
        raise ConfigError(
            f"config.sde.name = {config.sde.name!r}: the study {config.study.name!r} needs one of "
            f"{sorted(fitting)}"
        )
    return study, reader.keys_read
