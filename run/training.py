"""Training in a workdir: logs, pictures and checkpoints on the way."""

from collections.abc import Callable
from typing import Any

import jax

from data import BatchStream
from evaluation import pictures, terminal
from run.drivers import held_out_loss, sample_driver, training_source, writes
from storage import Checkpoints, MetricsLog, Workdir, read_metrics
from training import Every, ParallelStep, TrainState, replicate, train
from wiring.experiment import Experiment

_PREVIEW_SAMPLES = 16


def train_in(
    workdir: Workdir,
    experiment: Experiment,
    checkpoints: Checkpoints,
    step_fn: ParallelStep,
    state: TrainState,
) -> None:
    """Trains from a state to ``config.training.steps``.

    Whatever ends the training, what was logged and saved until then is on disk.

    Raises:
      NonFiniteError: a metric is not finite; the checkpoints before it stay.
    """
    settings = experiment.training
    start = int(state.step)
    log = MetricsLog(workdir.root, start) if writes() else None
    try:
        with terminal.progress("training", start, settings.steps) as update:

            def record(step: int, metrics: dict[str, float]) -> None:
                update(step, f"loss {metrics['loss']:.4f}")
                if log:
                    log.write(step, metrics)

            train(
                step_fn,
                replicate(state),
                BatchStream(
                    training_source(experiment), settings.batch_size, experiment.identity["seed"]
                ),
                steps=settings.steps,
                log_every=settings.log_every,
                log=record,
                measures=[Every(settings.eval_every, _held_out(experiment))],
                callbacks=[
                    Every(settings.sample_every, _preview(workdir, experiment)),
                    Every(settings.checkpoint_every or settings.steps, checkpoints.save),
                ],
            )
    finally:
        checkpoints.finish()
        if log:
            log.close()
    if writes():
        _report(workdir, settings.steps)


def _held_out(experiment: Experiment) -> Callable[[int, TrainState], dict[str, float]]:
    loss = held_out_loss(experiment)
    return lambda step, state: {"held_out_loss": loss(_average(state))}


def _preview(workdir: Workdir, experiment: Experiment) -> Callable[[int, TrainState], None]:
    draw = sample_driver(experiment, _PREVIEW_SAMPLES)

    def preview(step: int, state: TrainState) -> None:
        samples = draw(_average(state), _PREVIEW_SAMPLES, experiment.streams["sample"])
        if writes():
            path = workdir.root / "previews" / f"{step:08d}.png"
            pictures.save_samples(path, samples.x, experiment.dataset.levels)

    return preview


def _average(state: TrainState) -> Any:
    return jax.device_get(state.ema_params)


def _report(workdir: Workdir, steps: int) -> None:
    records = read_metrics(workdir.metrics)
    pictures.save_curves(workdir.root / "curves.png", records)
    losses = ", ".join(
        f"{name} {records[-1][name]:.4f}"
        for name in ("loss", "held_out_loss")
        if name in records[-1]
    )
    terminal.say(f"trained {steps} steps in {workdir.root}: {losses} nats/dim")
