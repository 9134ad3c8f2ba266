"""Do what a ``--mode`` says: a function of the options for each.

A function imports what it needs when it is called, so that ``--help`` imports none of it.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlog import terminal
from gradlog.cli.errors import UsageError
from gradlog.cli.modes import MODES
from gradlog.config_error import UserError

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from gradlog.cli.flags import Options
    from gradlog.experiment.run import Run
    from gradlog.storage import Workdir
    from gradlog.studies import Study


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
    from gradlog.experiment.build import load_dataset
    from gradlog.experiment.compat import compat_notes
    from gradlog.experiment.experiment import ALL_PARTS
    from gradlog.experiment.notes import notes
    from gradlog.experiment.run import Run

    mode = MODES[options.mode]
    parts = mode.parts or ALL_PARTS
    with terminal.working("loading the data, building the model"):
        run = Run.open(
            options.workdir,
            options.config,
            options.overridden,
            load or load_dataset,
            parts,
        )
        run.check_hosts_agree()
    unread = [key for key in options.overridden if key not in keys_of_mode(run)]
    # The loss matters to a mode that trains. What is trained is built in all modes.
    trains = mode.parts is None or "objective" in mode.keys
    read = run.experiment.keys_read if trains else run.experiment.settings(*parts)
    found = compat_notes(options.config, run.config, read) if options.config else []
    for note in [*options.notes, *found, *notes(run.experiment, unread)]:
        terminal.say(f"note: {note}")
    return run


def train(options: "Options") -> None:
    """Train from the newest checkpoint, or from the beginning."""
    open_run(options).train()


def train_classifier(options: "Options") -> None:
    """Train the classifier of noisy data in the workdir."""
    open_run(options).classifier.train()


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


def compare(options: "Options") -> None:
    """Compute paired differences between checkpoints, or between two runs."""
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


def classify(options: "Options") -> None:
    """Compute the class of each test image from the likelihoods of all classes."""
    from gradlog.evaluation import tables

    run = open_run(options)
    found = run.at_steps(options.steps, run.classify)
    tables.show_classifications([row for rows in found for row in rows])


def sample(options: "Options") -> None:
    """Draw samples of the checkpoints, as arrays and as pictures."""
    from gradlog.experiment.build import load_data_or_shape

    run = open_run(options, partial(load_data_or_shape, workdir=_workdir(options)))
    run.at_steps(options.steps, run.save_samples, run.samples.check)


def measure_quality(options: "Options") -> None:
    """Measure distances between samples and data.

    Raises:
      UsageError: ``--steps`` is set, and the samples are those of a file.
    """
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


def encode(options: "Options") -> None:
    """Compute latents of the first test data, and their reconstructions."""
    run = open_run(options)
    run.at_steps(options.steps, run.save_encodings)


def export(options: "Options") -> None:
    """Export the score and the log density of the checkpoints, a file for each."""
    from gradlog.experiment.build import load_data_or_shape

    run = open_run(options, partial(load_data_or_shape, workdir=_workdir(options)))
    own = run.workdir.own
    run.at_steps(options.steps, lambda step: run.export(own("export", f"{step}.zip"), step))


def compress(options: "Options") -> None:
    """Write the test set, or images of the user, as a file of the length of their likelihood.

    Raises:
      UsageError: ``--steps`` names several checkpoints, or ``--output`` exists.
    """
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
    tables.show_compressed(output, found)


def decompress(options: "Options") -> None:
    """Write the images of a compressed file.

    Raises:
      UsageError: ``--source`` cannot be read, or ``--output`` exists or cannot hold the images.
      CodeError: the file is damaged or does not fit. What is left of it is written before.
    """
    import numpy as np

    from gradlog.codec import CodeError
    from gradlog.evaluation.compression import check_output, write_images
    from gradlog.experiment.build import load_data_or_shape
    from gradlog.storage.files import read_bytes

    source, output = Path(options.source).expanduser(), Path(options.output).expanduser()
    run = open_run(options, partial(load_data_or_shape, workdir=_workdir(options)))
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


def import_checkpoint(options: "Options") -> None:
    """Make a workdir of a checkpoint of score_sde or score_flow."""
    from gradlog.evaluation import import_checkpoint
    from gradlog.experiment.build import load_shape

    run = open_run(options, load_shape)
    import_checkpoint.import_checkpoint(run.workdir, run.config, run.experiment, options.source)


def study(options: "Options") -> None:
    """Draw the pictures of ``config.study``, and train what they need."""
    run = open_run(options, keys_of_mode=lambda run: choose_study(run.config)[1])
    run.workdir.own("study")  # checked before hours of training
    with terminal.working(f"study {run.config.study.name}"):
        choose_study(run.config)[0](run)


def _workdir(options: "Options") -> "Workdir":
    from gradlog.storage import Workdir

    return Workdir(Path(options.workdir).expanduser())


def choose_study(config: "ConfigDict") -> tuple["Study", set[str]]:
    """Return the study that ``config.study`` names, and the keys that it reads.

    Raises:
      ConfigError: there is no study of that name, or the process is learned or discrete.
    """
    from gradlog.config_error import ConfigError
    from gradlog.experiment.reader import Reader
    from gradlog.sde_lib import SDES
    from gradlog.studies import STUDIES

    if config.sde.name not in SDES:
        raise ConfigError(
            f"config.sde.name = {config.sde.name!r}: studies need a process with a score and no "
            f"trained numbers: one of {sorted(SDES)}"
        )
    reader = Reader(config)
    return reader.choose("study", STUDIES), reader.keys_read


def sweep(options: "Options") -> None:
    """Run all runs of a sweep's file in a folder, or show them."""
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


def report(options: "Options") -> None:
    """Write ``report.html`` of a run or of a sweep."""
    from gradlog.report import write_report

    with terminal.working("writing the page"):
        path = write_report(Path(options.workdir).expanduser())
    terminal.say(f"wrote {path}")


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
