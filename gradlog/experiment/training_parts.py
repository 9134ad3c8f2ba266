"""Build what is trained: the model, its objective, the optimizer and the augmentation."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.data import Dataset
from gradlog.distributions import Distribution, Empirical
from gradlog.experiment.reader import Reader
from gradlog.losses import (
    DISCRETE_OBJECTIVES,
    ELBO_FORMS,
    INTEGRANDS,
    LEVELS,
    NEURAL_OBJECTIVES,
    SCALINGS,
    SLICE_LAWS,
    WEIGHTINGS,
    EvidenceBound,
    Objective,
    ScoreFlow,
    ScoreMatching,
    UniformLogRho,
    UniformTime,
)
from gradlog.models import (
    NETWORKS,
    NOISE_LABELS,
    PARAMETRIZATIONS,
    TRAINING_DEQUANTIZERS,
    Centers,
    Continuous,
    Datum,
    Decoder,
    Dequantizer,
    DiffusionModel,
    Logits,
    NoLabel,
    ScaledTime,
    Tokens,
    Variational,
)
from gradlog.models.networks import TokenNetwork
from gradlog.sde_lib import (
    DISCRETE_PROCESSES,
    LEARNED,
    MASK_SCHEDULES,
    SDE,
    SDES,
    Discrete,
    Neural,
    Process,
)
from gradlog.training import (
    NETWORK,
    SCHEDULES,
    Augmentation,
    ParameterGroup,
    RandomFlip,
    Unchanged,
    adam,
    add_warmup,
)

OPTIMIZERS = {"adam": adam}
# Groups of parameters: of a learned process, and of a dequantizer that learns.
PROCESS, DEQUANTIZER = "process", "dequantizer"
ELBO = "elbo"  # of objective.name: the whole bound
_LEVEL_LABELS = ("gamma", "log_rho", "sigma")  # labels of the noise level itself
CONTINUOUS = "continuous"  # of objective.levels: all noise levels


def build_process(reader: Reader, dataset: Dataset | None) -> Process:
    """Build the forward process. A discrete one has the levels of the data as its tokens.

    Without the data set the number of tokens is not known: only the configuration is checked.

    Raises:
      ConfigError: the process is discrete, and the data are continuous.
    """
    name = reader.get("sde.name")
    member = reader.pick("sde.name", {**SDES, **LEARNED, **DISCRETE_PROCESSES})
    if name not in DISCRETE_PROCESSES:
        return reader.make(
            "sde", member, shape=lambda: (1,) if dataset is None else tuple(dataset.shape)
        )
    if dataset is not None and dataset.levels is None:
        raise ConfigError(
            f"config.sde.name = {name!r} needs data with levels; {dataset.name} is continuous: "
            "choose 'vp', or other data"
        )
    return reader.make(
        "sde",
        member,
        levels=lambda: 2 if dataset is None else dataset.levels,
        schedule=lambda: reader.make("sde", reader.pick("sde.mask_schedule", MASK_SCHEDULES)),
    )


def build_model(reader: Reader, process: Process, dataset: Dataset | None) -> DiffusionModel:
    """Build the network with its parametrization, noise label and dequantizer of training.

    Without the data set the model has no dequantizer: only the configuration is checked.
    """
    if isinstance(process, Discrete):
        return _build_token_model(reader, process)
    ladder = {}
    if reader.get("model.scale_by_sigma"):
        ladder = {
            "sigma_min": lambda: reader.get("sde.sigma_min"),
            "sigma_max": lambda: reader.get("sde.sigma_max"),
        }
    embedding, label = reader.get("model.embedding_type"), reader.get("model.label")
    if embedding == "table" and label != "ladder":
        raise ConfigError(
            "config.model.embedding_type = 'table' has a row for each level of the ladder: it "
            f"needs config.model.label = 'ladder', got {label!r}"
        )
    if not isinstance(process, SDE | Neural) and label not in _LEVEL_LABELS:
        raise ConfigError(
            f"config.model.label = {label!r} is a time, whose noise level is learned: "
            f"config.sde.name = {reader.get('sde.name')!r} needs one of {list(_LEVEL_LABELS)}"
        )
    network = reader.choose("model", NETWORKS, **ladder)
    dequantizer = _build_dequantizer(reader, dataset)
    if isinstance(process, Neural):  # the network estimates the datum, and is told the time
        return DiffusionModel(
            process, network, reader.make("model", Datum), ScaledTime(), dequantizer
        )
    return DiffusionModel(
        process=process,
        network=network,
        parametrization=reader.make(
            "model", reader.pick("model.parametrization", PARAMETRIZATIONS)
        ),
        noise_label=reader.make(
            "model",
            reader.pick("model.label", NOISE_LABELS),
            eps=lambda: reader.get("objective.eps"),
            num_steps=lambda: reader.get("sde.num_steps"),
            gamma_min=lambda: reader.get("sde.gamma_min"),
            gamma_max=lambda: reader.get("sde.gamma_max"),
        ),
        dequantizer=dequantizer,
    )


def _build_dequantizer(reader: Reader, dataset: Dataset | None) -> Dequantizer:
    """Build the map from stored data to the points of training.

    Raises:
      ConfigError: it would be trained, and the data are continuous.
    """
    key = "objective.dequantization"
    member = reader.pick(key, TRAINING_DEQUANTIZERS)
    if member is Centers and reader.get("objective.name") == ELBO:
        member = Decoder
    levels = 2 if dataset is None else dataset.levels
    if dataset is not None and levels is None and member is Variational:
        raise ConfigError(
            f"config.{key} = 'variational' needs data with levels; {dataset.name} is continuous: "
            "choose 'uniform', which leaves them as they are"
        )
    dequantizer = reader.make("model", member, levels=lambda: levels)
    # Continuous data are used as they are.
    return Continuous() if dataset is None or levels is None else dequantizer


def _build_token_model(reader: Reader, process: Discrete) -> DiffusionModel:
    """Build a network of tokens. The masks say how noisy a datum is: it sees no noise label."""
    inner = reader.choose(
        "model",
        NETWORKS,
        conditional=lambda: False,
        scale_by_sigma=lambda: False,
        centered=lambda: True,
    )
    network = reader.make(
        "model", TokenNetwork, network=lambda: inner, levels=lambda: process.levels
    )
    return DiffusionModel(process, network, Logits(), NoLabel(), Tokens(process.levels))


def build_objective(reader: Reader, process: Process, dataset: Dataset | None) -> Objective:
    """Build the objective: score matching, the whole bound, or that of a discrete process.

    Raises:
      ConfigError: the process is of another kind than the objective.
    """
    gaussian = {**INTEGRANDS, ELBO: EvidenceBound}
    registries = gaussian, DISCRETE_OBJECTIVES, NEURAL_OBJECTIVES
    member = reader.pick_for("objective.name", process, *registries)
    if isinstance(process, Neural):
        of_neural = ("uniform", "variational"), "sde.name", "neural"
        _check_choice(reader, "objective.dequantization", *of_neural)
    if isinstance(process, Discrete | Neural):
        return reader.make("objective", member)
    if member is EvidenceBound:
        return _build_elbo(reader, process)
    return _build_score_matching(reader, process, dataset)


def _build_score_matching(
    reader: Reader, process: Process, dataset: Dataset | None
) -> ScoreMatching:
    """Build the integrand, its weighting over time, and the draw of times.

    Without the data set explicit score matching has no law: only the configuration is checked.
    """
    name = reader.get("objective.name")
    if PROCESS in trained_groups(reader, process):
        raise ConfigError(
            f"config.objective.name = {name!r} trains the score alone; config.sde.name = "
            f"{reader.get('sde.name')!r} needs 'elbo', or config.optimizer.frozen = ('process',)"
        )
    if DEQUANTIZER in trained_groups(reader, process):
        raise ConfigError(
            f"config.objective.name = {name!r} trains the score alone; "
            "config.objective.dequantization = 'variational' needs 'elbo', or "
            "config.optimizer.frozen = ('dequantizer',)"
        )
    weighting = reader.make(
        "objective",
        reader.pick("objective.weighting", WEIGHTINGS),
        sigma_data=lambda: reader.get("model.sigma_data"),
    )
    levels = reader.pick("objective.levels", {CONTINUOUS: None, **LEVELS})
    if levels is not None:
        proposal = reader.make(
            "objective",
            levels,
            num_scales=lambda: reader.get("model.num_scales"),
            num_steps=lambda: reader.get("sde.num_steps"),
        )
    elif reader.get("objective.importance_sampling"):
        proposal = weighting.importance_proposal()
    else:
        proposal = UniformTime()

    scaling = reader.pick("objective.scaling", SCALINGS)
    if scaling is ScoreFlow:  # its loss has a scale for some levels and weightings only
        level, of_scaling = reader.get("objective.levels"), ("objective.scaling", "score_flow")
        _check_choice(reader, "objective.levels", tuple(ScoreFlow.WEIGHTINGS), *of_scaling)
        _check_choice(reader, "objective.weighting", ScoreFlow.WEIGHTINGS[level], *of_scaling)

    def law_for_training() -> Distribution | None:
        try:
            return None if dataset is None else law_of(dataset)
        except ConfigError as error:
            raise ConfigError(
                f"config.objective.name = 'esm' needs the true score; {error}; or take 'dsm'"
            ) from error

    return ScoreMatching(
        integrand=reader.choose(
            "objective",
            INTEGRANDS,
            distribution=law_for_training,
            slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        ),
        weighting=weighting,
        proposal=proposal,
        eps=reader.eps("objective", process),
        scaling=reader.make("objective", scaling),
    )


def _build_elbo(reader: Reader, process: Process) -> EvidenceBound:
    _check_choice(reader, "objective.levels", (CONTINUOUS,), "objective.name", ELBO)
    possible = ("uniform", "centers", "variational")
    _check_choice(reader, "objective.dequantization", possible, "objective.name", ELBO)
    integrand, offset = reader.pick("objective.form", ELBO_FORMS)
    proposal = UniformLogRho() if reader.get("objective.importance_sampling") else UniformTime()
    shapes_levels = bool(process.initial().INSIDE) and PROCESS in trained_groups(reader, process)
    if shapes_levels and isinstance(proposal, UniformLogRho):
        raise ConfigError(
            "config.objective.importance_sampling = True draws noise levels evenly, whatever the "
            f"schedule: config.sde.name = {reader.get('sde.name')!r} learns the density of its "
            "levels and needs False"
        )
    eps = reader.eps("objective", process)
    if shapes_levels and eps > 0:
        raise ConfigError(
            f"config.objective.eps = {eps}: from there on the bound depends on the whole schedule "
            f"of config.sde.name = {reader.get('sde.name')!r}; set config.objective.eps = 0"
        )
    return EvidenceBound(
        integrand=reader.make(
            "objective",
            integrand,
            slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        ),
        offset=offset,
        proposal=proposal,
        eps=eps,
        variance_training=shapes_levels and reader.get("objective.variance_training"),
    )


def law_of(dataset: Dataset) -> Distribution:
    """Return the law that the data were drawn from, or else the empirical law of the training set.

    The empirical law is not the law of held-out data.

    Raises:
      ConfigError: the data have levels: training sees random points around them.
    """
    if dataset.law is not None:
        return dataset.law
    if dataset.levels is not None:
        raise ConfigError(
            f"the score of {dataset.name} is not known: their levels are dequantized at random; "
            "take data with a known law, config.data.name = 'mixture', or continuous data"
        )
    return Empirical(jnp.asarray(dataset.train[np.arange(len(dataset.train))]))


def trained_groups(reader: Reader, process: Process) -> list[str]:
    """Return the groups of parameters that are trained.

    Raises:
      ConfigError: ``config.optimizer.frozen`` names an unknown group, or all of them.
    """
    groups = all_groups(reader, process)
    if groups == [NETWORK]:
        return groups
    # A comma-separated list on the command line arrives as one string.
    listed = [name for each in reader.get("optimizer.frozen") for name in str(each).split(",")]
    trained = [name for name in groups if name not in listed]
    if not trained or not set(listed) <= set(groups):
        raise ConfigError(
            f"config.optimizer.frozen = {tuple(listed)} must name groups of {groups}, and not all"
        )
    return trained


def all_groups(reader: Reader, process: Process) -> list[str]:
    """Return the groups of parameters that a model with this process has."""
    if isinstance(process, Discrete):
        return [NETWORK]
    learns = reader.get("objective.dequantization") == "variational"
    return [NETWORK] + [PROCESS] * (not isinstance(process, SDE)) + [DEQUANTIZER] * learns


def prepare_group(reader: Reader, process: Process) -> Callable[[str], ParameterGroup]:
    """Return a function that builds the optimizer and the average of a group of parameters.

    The settings are read and checked now. Only a training calls the function.
    """
    schedule = _learning_rate(reader)
    member = reader.pick("optimizer.name", OPTIMIZERS)
    arguments = reader.arguments("optimizer", member, schedule=lambda: schedule)
    ema_decay, ema_warmup = reader.get("optimizer.ema_decay"), reader.get("optimizer.ema_warmup")
    settings = {NETWORK: (arguments, ema_decay)}
    trained = trained_groups(reader, process)
    for name in all_groups(reader, process)[1:]:
        rate = reader.get(f"optimizer.{name}_rate")
        own = {"schedule": lambda count, rate=rate: rate * schedule(count), "weight_decay": 0.0}
        own_decay = reader.get(f"optimizer.{name}_ema_decay") or ema_decay
        settings[name] = (arguments | own, own_decay)

    def build(name: str) -> ParameterGroup:
        arguments, decay = settings[name]
        optimizer = member(**arguments) if name in trained else None
        return ParameterGroup(optimizer, decay, ema_warmup)

    return build


def share_of_peak(config: ConfigDict, update: int) -> float:
    """Return the learning rate of an update, from 0 on, as a share of the peak."""
    optimizer = config.optimizer
    if not optimizer.learning_rate:
        return 1.0
    rate: Any = add_warmup(_learning_rate(Reader(config)), optimizer.warmup)(update)
    return float(rate) / optimizer.learning_rate


def schedule_notes(config: ConfigDict) -> list[str]:
    """Return what a training should say of its updates and of the end of its learning rate."""
    steps, optimizer, found = config.training.steps, config.optimizer, []
    updates, left_over = divmod(steps, optimizer.accumulate)
    if optimizer.accumulate > 1:
        last = (
            f"; the last {left_over} make no update: config.training.steps = "
            f"{steps - left_over} or {steps - left_over + optimizer.accumulate} leaves none over"
        )
        found.append(
            f"config.optimizer.accumulate = {optimizer.accumulate}: {steps} batches make {updates} "
            "updates, the unit of config.optimizer.warmup, decay_steps and ema_decay"
            + last
            * bool(left_over)
        )
    falls = optimizer.schedule == "cosine"
    if falls and optimizer.decay_steps < updates:
        floor = max(optimizer.decay_steps, optimizer.warmup)
        found.append(
            f"the learning rate is at its floor, {share_of_peak(config, floor):.2g} of its peak, "
            f"from step {floor * optimizer.accumulate} to step {steps}: "
            f"--config.optimizer.decay_steps={updates} lets it fall until the end"
        )
    elif falls and optimizer.decay_steps > updates:
        found.append(
            f"the learning rate ends at {share_of_peak(config, updates):.2g} of its peak: "
            f"config.optimizer.decay_steps = {optimizer.decay_steps}, and the training has "
            f"{updates} updates"
        )
    if optimizer.warmup > updates:
        found.append(
            f"the learning rate never reaches its peak: config.optimizer.warmup = "
            f"{optimizer.warmup}, and the training has {updates} updates"
        )
    return found


def _learning_rate(reader: Reader) -> optax.Schedule:
    return reader.make("optimizer", reader.pick("optimizer.schedule", SCHEDULES))


def build_augmentation(reader: Reader, dataset: Dataset | None) -> Augmentation:
    """Build the random change of the training data.

    Raises:
      ConfigError: the data are no images, and cannot be mirrored.
    """
    if not reader.get("data.random_flip"):
        return Unchanged()
    if dataset is not None and len(dataset.shape) != 3:
        raise ConfigError(
            "config.data.random_flip = True mirrors images (height, width, channels); "
            f"{dataset.name} has the shape {dataset.shape}"
        )
    return RandomFlip()


def _check_choice(
    reader: Reader, key: str, possible: tuple[str, ...], needed_by: str, value: str
) -> None:
    if reader.get(key) not in possible:
        raise ConfigError(
            f"config.{needed_by} = {value!r} needs one of {possible}, got "
            f"config.{key} = {reader.get(key)!r}"
        )
