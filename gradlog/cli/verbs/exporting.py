"""Checkpoints as files for JAX alone."""

from gradlog.cli.verbs.opening import opened
from gradlog.cli.verbs.options import Options
from gradlog.experiment.build import data_or_shape


def export(options: Options) -> None:
    """The score and the log density of the checkpoints, each checkpoint in a file."""
    run = opened(options, data_or_shape)
    folder = run.workdir.root / "export"
    run.at_steps(options.steps, lambda step: run.export(folder / f"{step}.zip", step))
