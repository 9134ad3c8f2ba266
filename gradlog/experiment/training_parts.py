"""Build what is trained: the model, its objective, the optimizer and the augmentation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from gradlog.config_error import ConfigError
from gradlog.data import Dataset
from gradlog.distributions import Distribution, Empirical
from gradlog.experiment.reader import Reader, check_accepts
from gradlog.losses import (
    ELBO_FORMS,
    INTEGRANDS,
    KERNELS,
    LEVELS,
    OBJECTIVES,
    SCALINGS,
    SLICE_LAWS,
    WEIGHTINGS,
    EvidenceBound,
    GaussianKernel,
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
    Energy,
    LevelLogits,
    Logits,
    Noise,
    NoLabel,
    Scaled,
    ScaledTime,
    Tokens,
    Variational,
    Velocity,
)
from gradlog.models.networks import MapNetwork, TokenNetwork
from gradlog.sde_lib import (
    BY_DIMENSION,
    DISCRETE_PROCESSES,
    LEARNED,
    MASK_SCHEDULES,
    SDES,
    Absorbing,
    Discrete,
    LearnedMasking,
    Pixels,
    Process,
)
from gradlog.theory.ladders import MOST_POINTS, advise_ladder
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
# Of sde.neural_network: the default of the process, or the network of config.model.
FORWARD_NETWORKS = {
    "perceptron": lambda reader: None,
    "model": lambda reader: reader.choose("model", NETWORKS),
}
_OF_PIXELS = (Energy, LevelLogits, Velocity)  # parametrizations that need the data's own entries
_LEVEL_LABELS = ("gamma", "log_rho", "sigma")  # labels of the noise level itself
CONTINUOUS = "continuous"  # of objective.levels: all noise levels


def build_process(reader: Reader, dataset: Dataset | None) -> Process:
    """Build the forward process. It may have the shape of the data, or their levels as its tokens.

    Without the data set neither is known: only the configuration is checked.

    Raises:
      ConfigError: the process is discrete, and the data are continuous.
    """
    name = reader.get("sde.name")
    known = {**SDES, **BY_DIMENSION, **LEARNED, **DISCRETE_PROCESSES}
    member = reader.pick("sde.name", known)
    if name not in DISCRETE_PROCESSES:
        return reader.make(
            "sde",
            member,
            shape=lambda: (1,) if dataset is None else tuple(dataset.shape),
            forward_network=lambda: reader.pick("sde.neural_network", FORWARD_NETWORKS)(reader),
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
    rows = "config.model.embedding_type = 'table'" if embedding == "table" else ""
    rows = "config.model.name = 'ncsn'" if reader.get("model.name") == "ncsn" else rows
    if rows and label != "ladder":
        raise ConfigError(
            f"{rows} has a row for each level of the ladder: it needs config.model.label = "
            f"'ladder', got {label!r}"
        )
    if process.kind == "gaussian" and process.learns and label not in _LEVEL_LABELS:
        raise ConfigError(
            f"config.model.label = {label!r} is a time, whose noise level is learned: "
            f"config.sde.name = {reader.get('sde.name')!r} needs one of {list(_LEVEL_LABELS)}"
        )
    dequantizer = _build_dequantizer(reader, dataset)
    if process.kind != "gaussian":  # the network is told the time
        network = reader.choose("model", NETWORKS, **ladder)
        # That of a path of NFDM estimates the datum.
        output = reader.make("model", Datum if process.kind == "neural" else Noise)
        return DiffusionModel(process, network, output, ScaledTime(), dequantizer)
    parametrization = reader.pick("model.parametrization", PARAMETRIZATIONS)
    levels = (dataset and dataset.levels) or 2  # without data the configuration is only checked
    if parametrization is LevelLogits:
        _check_levels(reader, dataset)
        network = _network_with_logits(reader, levels)
    else:
        network = reader.choose("model", NETWORKS, **ladder)
    if process.has_map:
        network = MapNetwork(network)
    rotated = not isinstance(process.initial().basis, Pixels)
    if parametrization in (_OF_PIXELS if rotated else (Energy, LevelLogits) * process.has_map):
        raise ConfigError(
            f"config.model.parametrization = {reader.get('model.parametrization')!r} does not fit "
            f"the noise levels of config.sde.name = {reader.get('sde.name')!r}; choose 'noise' or "
            "'preconditioned'"
        )
    return DiffusionModel(
        process=process,
        network=network,
        parametrization=reader.make("model", parametrization, levels=lambda: levels),
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
    """Build a network of tokens. Where masks say how noisy a datum is, it sees no noise label."""
    if isinstance(process, Absorbing):
        network = _network_with_logits(reader, process.levels, conditional=lambda: False)
        return DiffusionModel(process, network, Logits(), NoLabel(), Tokens(process.levels))
    network, label = _network_with_logits(reader, process.levels), ScaledTime()
    return DiffusionModel(process, network, Logits(), label, Tokens(process.levels))


def _network_with_logits(reader: Reader, levels: int, **parts: Callable[[], bool]) -> TokenNetwork:
    """Build a network between an embedding and logits. What it sees are features, not data."""
    inner = reader.choose(
        "model", NETWORKS, scale_by_sigma=lambda: False, centered=lambda: True, **parts
    )
    return reader.make("model", TokenNetwork, network=lambda: inner, levels=lambda: levels)


def _check_levels(reader: Reader, dataset: Dataset | None) -> None:
    """Check that a model with logits of levels sees the centers of levels.

    Raises:
      ConfigError: it does not.
    """
    _check_choice(
        reader, "objective.dequantization", ("centers",), "model.parametrization", "levels"
    )
    if dataset is not None and dataset.levels is None:
        raise ConfigError(
            "config.model.parametrization = 'levels' needs data with levels; "
            f"{dataset.name} is continuous: choose 'preconditioned'"
        )


def build_objective(reader: Reader, process: Process, dataset: Dataset | None) -> Objective:
    """Build the objective: score matching, the whole bound, or that of a discrete process.

    Raises:
      ConfigError: the process is of another kind than the objective.
    """
    member = reader.pick_for("objective.name", process, OBJECTIVES)
    if process.kind in ("neural", "chain"):
        possible = ("uniform", "variational")
        _check_choice(
            reader, "objective.dequantization", possible, "sde.name", reader.get("sde.name")
        )
    if process.kind != "gaussian":
        objective = reader.make("objective", member)
        check_accepts("objective.name", reader.get("objective.name"), objective, process)
        return objective
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
            dequantizer = _build_dequantizer(reader, dataset)
            if reader.get("model.num_classes"):
                raise ConfigError(
                    "that of the data has all classes together: set config.model.num_classes = 0"
                )
            return None if dataset is None else law_of(dataset, dequantizer)
        except ConfigError as error:
            raise ConfigError(
                f"config.objective.name = 'esm' needs the true score; {error}; or take 'dsm'"
            ) from error

    def reference_draw() -> Callable[[jax.Array], Any] | None:
        if dataset is None or reader.get("objective.reference") == 1:
            return None
        if reader.get("model.num_classes"):
            raise ConfigError(
                "config.objective.reference > 1 has targets of all classes together: set "
                "config.model.num_classes = 0, or config.objective.reference = 1"
            )
        if reader.get("data.random_flip"):
            raise ConfigError(
                "config.objective.reference > 1 draws images as they are stored: set "
                "config.data.random_flip = False"
            )
        return training_draw(reader, dataset)

    objective = ScoreMatching(
        integrand=reader.choose(
            "objective",
            INTEGRANDS,
            distribution=law_for_training,
            draw=reference_draw,
            kernel=lambda: reader.make("objective", reader.pick("objective.kernel", KERNELS)),
            slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        ),
        weighting=weighting,
        proposal=proposal,
        eps=reader.eps("objective", process),
        scaling=reader.make("objective", scaling),
    )
    check_accepts("objective.name", name, objective, process)
    return objective


def _build_elbo(reader: Reader, process: Process) -> EvidenceBound:
    _check_choice(reader, "objective.levels", (CONTINUOUS,), "objective.name", ELBO)
    possible = ("uniform", "centers", "variational")
    if not isinstance(process.initial().basis, Pixels):  # a decoder treats entries one by one
        possible = ("uniform", "variational")
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
    bound = EvidenceBound(
        integrand=reader.make(
            "objective",
            integrand,
            reference=lambda: 1,
            kernel=GaussianKernel,
            slice_law=lambda: reader.pick("objective.slice_law", SLICE_LAWS),
        ),
        offset=offset,
        proposal=proposal,
        eps=eps,
        variance_training=shapes_levels and reader.get("objective.variance_training"),
    )
    importance = reader.get("objective.importance_sampling")
    check_accepts("objective.importance_sampling", importance, bound, process)
    return bound


def law_of(dataset: Dataset, dequantizer: Dequantizer) -> Distribution:
    """Return the law that the data were drawn from, or else the empirical law of the training set.

    The empirical law is that of the points that training sees. It is not the law of held-out data.

    Args:
      dataset: the data.
      dequantizer: of training.

    Raises:
      ConfigError: the dequantization is random, so that training sees other points at every step.
    """
    if dataset.law is not None:
        return dataset.law
    if not isinstance(dequantizer, Continuous | Scaled | Centers):
        raise ConfigError(
            f"{dataset.name} has levels that are dequantized at random: set "
            "config.objective.dequantization = 'centers' or 'scaled'"
        )
    stored = jnp.asarray(dataset.train[np.arange(len(dataset.train))])
    return Empirical(dequantizer(jax.random.key(0), stored)[0])


def training_draw(reader: Reader, dataset: Dataset) -> Callable[[jax.Array], Any]:
    """Return a function of a key that draws one training example, dequantized.

    It holds the whole training set in the memory of the device.
    """
    dequantizer = _build_dequantizer(reader, dataset)
    stored = jnp.asarray(dataset.train[np.arange(len(dataset.train))])

    def draw(key: jax.Array):
        index_key, key = jax.random.split(key)
        return dequantizer(key, stored[jax.random.randint(index_key, (), 0, len(stored))])[0]

    return draw


def trained_groups(reader: Reader, process: Process) -> list[str]:
    """Return the groups of parameters that are trained.

    Raises:
      ConfigError: ``config.optimizer.frozen`` names an unknown group, or all of them.
    """
    groups = all_groups(reader, process)
    if groups == [NETWORK]:
        return groups
    # A comma-separated list on the command line arrives as one string.
    names = [name for each in reader.get("optimizer.frozen") for name in str(each).split(",")]
    listed = [name.strip() for name in names if name.strip()]
    trained = [name for name in groups if name not in listed]
    if not trained or not set(listed) <= set(groups):
        raise ConfigError(
            f"config.optimizer.frozen = {tuple(listed)} must name groups of {groups}, and not all"
        )
    return trained


def all_groups(reader: Reader, process: Process) -> list[str]:
    """Return the groups of parameters that a model with this process has."""
    if isinstance(process, Discrete):
        return [NETWORK] + [PROCESS] * isinstance(process, LearnedMasking)
    learns = reader.get("objective.dequantization") == "variational"
    return [NETWORK] + [PROCESS] * process.learns + [DEQUANTIZER] * learns


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


def ladder_notes(config: ConfigDict, dataset: Dataset) -> list[str]:
    """Return a note with the ladder of noise that the data need.

    Equal data have none, and neither have tokens.
    """
    if config.sde.name in DISCRETE_PROCESSES:
        return []
    width = None
    if dataset.levels is not None:
        width = (2 if config.model.centered else 1) / dataset.levels
    stored = dataset.train[np.arange(min(len(dataset.train), MOST_POINTS))]
    try:
        advice = advise_ladder(np.asarray(stored, float) * (width or 1), width)
    except ValueError:
        return []
    note = (
        f"for config.sde.name = 've' these data suggest config.sde.sigma_max = "
        f"{advice.sigma_max:.3g}, sigma_min = {advice.sigma_min:.2g} and config.model.num_scales = "
        f"{advice.num_scales} (Song & Ermon 2020); for annealed_langevin "
        f"config.sampling.steps_per_level = {advice.steps_per_level}, step_size = "
        f"{advice.step_size:.2g} at that sigma_min"
    )
    if config.sde.name == "ve":
        sde, scales = config.sde, config.model.num_scales
        note += f"; this training has {sde.sigma_max:g}, {sde.sigma_min:g} and {scales}"
    return [note]


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
