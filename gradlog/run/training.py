"""Training of a run's score model: held-out losses, previews, curves."""

from collections.abc import Callable

from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.data import BatchStream
from gradlog.distributed import writes
from gradlog.evaluation import pictures
from gradlog.experiment.experiment import Experiment, TrainingSettings
from gradlog.experiment.reader import ConfigError
from gradlog.experiment.saved import get_config
from gradlog.run.drivers import (
    held_out_loss,
    initial_state,
    parallel_step,
    sample_driver,
    training_source,
)
from gradlog.run.task import Task
from gradlog.storage import Retention, Workdir, missing_package, read_metrics
from gradlog.training import Every, ParallelStep, TrainState

_PREVIEW_SAMPLES = 16
_CURVES = "curves.png"


def score_task(workdir: Workdir, config: ConfigDict, experiment: Experiment) -> Task:
    """The training of an experiment's score model in its workdir.

    Raises:
      ConfigError: the batch does not divide over the devices, or the tracker's package is missing.
    """
    _check_tracker(experiment.training.tracker)
    settings, step_fn = experiment.training, parallel_step(experiment)
    seed, source = experiment.identity["seed"], training_source(experiment)
    return Task(
        "training",
        workdir,
        retention_of(settings),
        config.to_dict(),
        experiment.identity,
        step_fn,
        lambda: initial_state(experiment),
        BatchStream(source, settings.batch_size, seed),
        settings.steps,
        settings.log_every,
        settings.checkpoint_every or settings.steps,
        report=lambda: _report(workdir, settings.steps),
        reported=(workdir.root / _CURVES).is_file,
        measures=[Every(settings.eval_every, _held_out(experiment, step_fn))],
        callbacks=[Every(settings.sample_every, _preview(workdir, experiment, step_fn))],
        goes_on_from=lambda step: _note_other_batches(workdir, settings, step),
        tracker=settings.tracker,
    )


def _check_tracker(name: str) -> None:
    if package := missing_package(name):
        raise ConfigError(
            f"config.training.tracker = {name!r} needs a package that is not installed: "
            f"pip install {package}"
        )


def retention_of(settings: TrainingSettings) -> Retention:
    """Which checkpoints of a run are kept."""
    return Retention(settings.keep, settings.keep_every, settings.keep_best)


def _note_other_batches(workdir: Workdir, settings: TrainingSettings, step: int) -> None:
    if not workdir.exists():
        terminal.say(
            f"note: {workdir.config} is lost and written again; what config.training.batch_size "
            f"was until step {step} is not known"
        )
        return
    before = get_config(str(workdir.config)).to_dict()["training"]["batch_size"]
    if before != settings.batch_size:
        terminal.say(
            f"note: config.training.batch_size was {before} until step {step}; with another "
            "one the order of the data goes on from another place"
        )


def _held_out(
    experiment: Experiment, step_fn: ParallelStep
) -> Callable[[int, TrainState], dict[str, float]]:
    loss = held_out_loss(experiment)
    return lambda step, state: {"held_out_loss": loss(step_fn.fetch(state.ema_params))}


def _preview(
    workdir: Workdir, experiment: Experiment, step_fn: ParallelStep
) -> Callable[[int, TrainState], None]:
    draw = sample_driver(experiment, _PREVIEW_SAMPLES)

    def preview(step: int, state: TrainState) -> None:
        average = step_fn.fetch(state.ema_params)
        samples = draw(average, _PREVIEW_SAMPLES, experiment.streams["sample"])
        if writes():
            path = workdir.root / "previews" / f"{step:08d}.png"
            pictures.save_samples(path, samples.x, experiment.dataset.levels)

    return preview


def _report(workdir: Workdir, steps: int) -> None:
    if not writes():
        return
    records = read_metrics(workdir.metrics)
    pictures.save_curves(workdir.root / _CURVES, records)
    last = records[-1] if records else {}
    losses = ", ".join(
        f"{name} {last[name]:.4f}" for name in ("loss", "held_out_loss") if name in last
    )
    terminal.say(f"trained {steps} steps in {workdir.root}: {losses} nats/dim")
