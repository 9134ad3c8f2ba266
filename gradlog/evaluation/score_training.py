"""The training of a score model in its workdir, with held-out losses, previews and curves."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.config_error import ConfigError
from gradlog.data import BatchStream, DatasetSpec, Source, labeled_test, labeled_train, split_label
from gradlog.distributed import is_writer
from gradlog.evaluation import pictures
from gradlog.evaluation.devices import BatchProgram, Indices, key_data_by_index
from gradlog.evaluation.samples import sample_driver
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.training_parts import ladder_notes, schedule_notes, share_of_peak
from gradlog.losses import Objective, ScoreMatching, example_keys, stratified
from gradlog.models import DiffusionModel
from gradlog.sde_lib import SDE, GaussianPath, LatentPath
from gradlog.storage import Retention, Workdir, find_missing_package, read_json, read_metrics
from gradlog.training import (
    MAPPINGS,
    Every,
    ParallelStep,
    ScoreModelTraining,
    TrainState,
    TrainStep,
    init_state,
)
from gradlog.training.workdir_training import WorkdirTraining

_PREVIEW_SAMPLES = 16
_HELD_OUT_EXAMPLES = 1024
_SHARES = 8  # of the noise levels of training
_CURVES = "curves.png"


def score_model_training(
    workdir: Workdir,
    config: dict[str, Any],
    experiment: Experiment,
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
) -> WorkdirTraining:
    """Return the training of an experiment's score model to ``config.training.steps``.

    Args:
      workdir: the folder of the run.
      config: the whole configuration.
      experiment: built from it.
      defaults: values, by dotted key, of settings that are younger than the folder.
      given: parameters by group that a new training begins with; other groups are drawn.

    Raises:
      ConfigError: the batch does not divide over the devices, or the package of the tracker is not
        installed.
    """
    settings, dataset = experiment.training, experiment.dataset
    if package := find_missing_package(settings.tracker):
        raise ConfigError(
            f"config.training.tracker = {settings.tracker!r} needs a package that is not "
            f"installed: pip install {package}"
        )
    step_fn = parallel_step(experiment)
    stream = BatchStream(training_source(experiment), settings.batch_size, experiment.seed)
    held_out_loss = HeldOutLoss(
        experiment.model,
        experiment.objective,
        labeled_test(dataset) if experiment.model.num_classes else dataset.test,
        experiment.streams["held_out"],
        count=_HELD_OUT_EXAMPLES,
        batch_size=experiment.eval.batch_size,
    )
    driver = sample_driver(experiment, _PREVIEW_SAMPLES)

    def measure(step: int, state: TrainState) -> dict[str, float]:
        each = held_out_loss(step_fn.fetch(state.ema))
        means = {"held_out_loss": float(np.mean(each, dtype=np.float64))}
        return means | loss_by_level(experiment, each)

    def preview(step: int, state: TrainState) -> None:
        average = step_fn.fetch(state.ema)
        samples = driver(average, _PREVIEW_SAMPLES, experiment.streams["sample"])
        if is_writer():
            path = workdir.own("previews", f"{step:08d}.png")
            pictures.save_samples(path, samples.x, dataset.levels)

    def draw_maps(step: int, state: TrainState) -> None:
        average = step_fn.fetch(state.ema)
        process = experiment.model.bind(average).process
        # With latents it is the path that they change.
        path = process.path if isinstance(process, LatentPath) else process
        if is_writer():
            figure = pictures.draw_schedule_maps(path)
            pictures.save_figure(workdir.own("schedules", f"{step:08d}.png"), figure)

    has_maps = isinstance(experiment.initial_process, GaussianPath) and not isinstance(
        experiment.initial_process, SDE
    )
    draws_maps = has_maps and experiment.process.learns and len(dataset.shape) == 3

    def report() -> None:
        if not is_writer():
            return
        records = read_metrics(workdir.metrics)
        pictures.save_figure(workdir.root / _CURVES, pictures.curves(records))
        last = records[-1] if records else {}
        losses = ", ".join(
            f"{name} {last[name]:.4f}" for name in ("loss", "held_out_loss") if name in last
        )
        # Losses under two weightings are not comparable, so the line names the weighting.
        under = "of the bound"
        if isinstance(experiment.objective, ScoreMatching):
            under = f"under the weighting {config['objective']['weighting']!r}"
        terminal.say(f"trained {settings.steps} steps in {workdir.root}: {losses} nats/dim {under}")

    return WorkdirTraining(
        "training",
        workdir,
        retention_of(settings),
        config,
        experiment.identity,
        defaults,
        DatasetSpec.of(dataset).facts(),
        step_fn,
        lambda: initial_state(experiment),
        stream,
        settings.steps,
        settings.log_every,
        settings.checkpoint_every or settings.steps,
        report=report,
        is_reported=(workdir.root / _CURVES).is_file,
        measures=[Every(settings.eval_every, measure)],
        callbacks=[
            Every(settings.sample_every, preview),
            Every(draws_maps * (settings.checkpoint_every or settings.steps), draw_maps),
        ],
        untrained_steps=experiment.config.optimizer.accumulate
        * bool(experiment.config.optimizer.warmup),
        on_start=lambda step: _say_notes(workdir, experiment, step),
        suspects=lambda step: _suspects(experiment, stream[step - 1]),
        tracker=settings.tracker,
        given=given,
    )


def training_source(experiment: Experiment) -> Source:
    """Return the training examples, with their classes if the model is class-conditional."""
    dataset = experiment.dataset
    return labeled_train(dataset) if experiment.model.num_classes else dataset.train


def score_training(experiment: Experiment) -> ScoreModelTraining:
    """Return the loss of an example by the score model's parameters."""
    return ScoreModelTraining(
        experiment.model,
        experiment.objective,
        experiment.dataset.shape,
        experiment.augmentation,
        experiment.class_dropout,
    )


def initial_state(experiment: Experiment) -> TrainState:
    """Return the state before the first step."""
    trainable = score_training(experiment)
    make = jax.jit(lambda key: init_state(trainable.init(key), experiment.groups))
    return make(experiment.streams["init"])


def state_spec(experiment: Experiment) -> TrainState:
    """Return the shapes of a state, as `jax.eval_shape` of `initial_state` does."""
    return jax.eval_shape(
        lambda params: init_state(params, experiment.groups), experiment.params_spec
    )


def parallel_step(experiment: Experiment) -> ParallelStep:
    """Return the training step, mapped over the devices.

    Raises:
      ConfigError: the batch does not divide over them.
    """
    settings = experiment.training
    step = TrainStep(
        score_training(experiment), experiment.groups, settings.batch_size, settings.max_skips
    )
    try:
        return ParallelStep(step, experiment.streams["train"], MAPPINGS[settings.parallel]())
    except ValueError as error:
        raise ConfigError(f"config.training.{error}") from error


def retention_of(settings: Any) -> Retention:
    """Return which checkpoints of a run are kept."""
    return Retention(settings.keep, settings.keep_every, settings.keep_best)


def _say_notes(workdir: Workdir, experiment: Experiment, step: int | None) -> None:
    """Say how the learning rate will go, and what differs from the training until this step."""
    config = experiment.config
    notes = schedule_notes(config)
    if step is None and (config.sde.name == "ve" or config.data.name in ("files", "folder")):
        notes += ladder_notes(config, experiment.dataset)
    if step is not None:
        notes = [*_changes(workdir, config, step), *notes]
    for note in notes:
        terminal.say(f"note: {note}")


def _changes(workdir: Workdir, config: ConfigDict, step: int) -> list[str]:
    """Return notes on keys that may change in a workdir, and that change the steps from here on."""
    if not workdir.exists():
        return [
            f"{workdir.config} was lost and is written again; config.training.batch_size until "
            f"step {step} is not known"
        ]
    rate = share_of_peak(config, step // config.optimizer.accumulate)
    of_rate = f"the learning rate goes on at {rate:.2g} of its peak"
    effects = {
        "training.batch_size": "the order of the data resumes at another place",
        "optimizer.decay_steps": of_rate,
        "optimizer.warmup": of_rate,
    }
    stored, notes = read_json(workdir.config), []
    for key, effect in effects.items():
        section, name = key.split(".")
        now = config[section][name]
        before = stored.get(section, {}).get(name, now)
        if before != now:
            notes.append(f"config.{key} was {before} until step {step}; with {now} {effect}")
    return notes


def _suspects(experiment: Experiment, batch: Any) -> str:
    """Return what can make the loss of an untrained model not finite."""
    if not isinstance(experiment.objective, ScoreMatching):
        return "config.model has to change in another workdir"
    eps = experiment.objective.eps
    largest = np.max(np.abs(split_label(batch)[0].astype(np.float64)))
    return (
        f"config.objective.eps = {eps:g}, and the largest number of this batch is "
        f"{largest:g}; one of them, or config.model, has to change in another workdir"
    )


def loss_by_level(experiment: Experiment, losses: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Return the mean loss of examples of similar noise, by the name ``loss_at_rho_RHO``.

    The levels are those of training in equal shares: the loss is the mean over them.

    Args:
      experiment: whose objective draws the levels; one that is no score matching has none.
      losses: of single examples, in the order of their u.
    """
    objective = experiment.objective
    if not isinstance(objective, ScoreMatching):
        return {}
    process, means, count = experiment.initial_process, {}, min(_SHARES, len(losses))
    for i, share in enumerate(np.array_split(losses, count)):
        t, _ = objective.proposal(process, objective.eps, jnp.asarray((i + 0.5) / count))
        rho = float(jnp.exp(process.log_rho(t)))
        means[f"loss_at_rho_{rho:.3g}"] = float(np.mean(share, dtype=np.float64))
    return means if len(means) > 1 else {}


class HeldOutLoss:
    """The losses of the first test examples, with the same times and noises at every call."""

    def __init__(
        self,
        model: DiffusionModel,
        objective: Objective,
        source: Source,
        stream: jax.Array,
        *,
        count: int,
        batch_size: int,
    ):
        self._count = min(count, len(source))
        self._source, self._stream = source, stream
        self._known: dict[int, Any] = {}

        def one(params, row, key, position):
            x, label = split_label(row)
            u = stratified(position, self._count, example_keys(key).time)
            return objective(model.bind(params), x, u, key, label).value

        def batch(params, rows):
            x, key_data, positions = rows
            keys = jax.random.wrap_key_data(key_data)
            return {"loss": jax.vmap(one, (None, 0, 0, 0))(params, x, keys, positions)}

        self._program = BatchProgram(batch, batch_size)

    def __call__(self, params: Any) -> Float[np.ndarray, " n"]:
        """Return the loss of each example in nats per dimension, in the order of their u."""
        return self._program(params, self._rows, self._count)["loss"]

    def _rows(self, indices: Indices) -> Any:
        first = int(indices[0])
        if first not in self._known:  # they are read once
            keys = key_data_by_index(self._stream, indices)
            self._known[first] = self._source[indices], keys, jnp.asarray(indices)
        return self._known[first]
