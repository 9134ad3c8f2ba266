"""Samples, their quality, and latents."""

from gradlog.cli.verbs.opening import opened
from gradlog.cli.verbs.options import Options, UsageError
from gradlog.evaluation import tables
from gradlog.experiment.build import data_or_shape
from gradlog.run.encoding import EncodingRun
from gradlog.run.quality import QualityRun


def sample(options: Options) -> None:
    """Samples of the checkpoints, as arrays and as pictures."""
    run = opened(options, data_or_shape)
    run.at_steps(options.steps, run.samples.save, run.samples.check)


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
