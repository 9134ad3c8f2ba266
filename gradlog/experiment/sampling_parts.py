"""Build the sampler, the encoding, and conditional sampling from ``config.sampling``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradlog.config_error import ConfigError
from gradlog.data import DataError, Dataset, find_classes, names_of_classes, read_array
from gradlog.experiment.reader import Reader, check_accepts
from gradlog.experiment.training_parts import training_draw
from gradlog.ode import FLOWS, Adaptive
from gradlog.sampling import (
    CORRECTORS,
    GUIDANCES,
    MASKS,
    PREDICTORS,
    SAMPLERS_BY_KIND,
    STARTS,
    TIME_SCHEDULES,
    ClassifierFree,
    Encoding,
    Gray,
    Guidance,
    KnownPixels,
    NoGuidance,
    PredictorCorrector,
    Projection,
    ReverseChain,
    Sampler,
)
from gradlog.sampling.grid import GridSampler
from gradlog.sde_lib import Absorbing, Discrete, Process

# The mapped axes of the program that draws a batch of samples: samples, then devices.
_UNEVEN = 2.0  # the longest step of log rho beside another for an integral over both
BATCH_AXES = ("batch", "devices")


@dataclass(frozen=True)
class ConditionalSampling:
    """The facts of samples that are known before they are drawn.

    Attributes:
      classes: samples have these classes in turn; () for no class.
      guidance: how the score is changed for a class.
      projection: the part of a test datum that each sample is given; None for no part.
      particles: candidates from which each sample with a known part is chosen.
    """

    classes: tuple[int, ...]
    guidance: Guidance
    projection: Projection | None
    particles: int


def build_sampler(reader: Reader, process: Process, dataset: Dataset | None) -> Sampler:
    """Build the sampler, with its predictor and corrector or its solver.

    Without the data set chains that start at data have none: only the configuration is checked.
    """
    member = reader.pick_for("sampling.name", process, SAMPLERS_BY_KIND)
    if process.kind != "gaussian":
        sampler = reader.make("sampling", member)
        check_accepts("sampling.name", reader.get("sampling.name"), sampler, process)
        return sampler
    eps = reader.eps("sampling", process)

    def part(key: str, registry: Mapping[str, Any]) -> Callable[[], Any]:
        return lambda: reader.make("sampling", reader.pick(f"sampling.{key}", registry))

    sampler = reader.make(
        "sampling",
        member,
        eps=lambda: eps,
        num_scales=lambda: reader.get("sampling.num_scales") or reader.get("model.num_scales"),
        predictor=part("predictor", PREDICTORS),
        corrector=lambda: reader.make(
            "sampling",
            reader.pick("sampling.corrector", CORRECTORS),
            norm_axes=lambda: BATCH_AXES if reader.get("sampling.batch_norms") else (),
        ),
        schedule=part("schedule", TIME_SCHEDULES),
        start=lambda: reader.make(
            "sampling",
            reader.pick("sampling.start", STARTS),
            draw=lambda: dataset and training_draw(reader, dataset),
        ),
        **_solver_parts(reader),
    )
    name = reader.get("sampling.name")
    check_accepts("sampling.name", name, sampler, process)
    if reader.get("sampling.log_prob"):
        return with_log_prob(sampler, name, process)
    return sampler


def with_log_prob(sampler: Sampler, name: str, process: Process) -> Sampler:
    """Return the sampler that also returns the density of each sample.

    Raises:
      ConfigError: it has none, or not with its other settings.
    """
    if not (is_dataclass(sampler) and "log_prob" in {field.name for field in fields(sampler)}):
        raise ConfigError(
            f"config.sampling.log_prob = True needs a sampler of the flow; {name!r} has none: "
            "choose 'dpm_2m', 'dpm_3m', 'heun', 'ddim' or 'probability_flow'"
        )
    if isinstance(sampler, GridSampler):
        sde: Any = process.initial()
        times = sampler.schedule(sde, sampler.eps, sampler.num_steps)
        steps = np.abs(np.diff(jax.vmap(sde.log_rho)(times)))
        ratios = steps[1:] / steps[:-1]
        if np.max(np.maximum(ratios, 1 / ratios)) > _UNEVEN:
            raise ConfigError(
                "config.sampling.schedule has steps of log rho more than twice as long as their "
                "neighbors, and config.sampling.log_prob = True integrates over them: choose "
                "'log_snr' or 'karras', or more steps"
            )
    try:
        return replace(sampler, log_prob=True)  # pyright: ignore[reportReturnType]
    except ValueError as error:
        raise ConfigError(f"config.sampling: {error}") from error


def build_encoding(reader: Reader, process: Process) -> Encoding:
    """Build the map between data and latents, with the solver and eps of ``config.sampling``.

    Raises:
      ConfigError: the process has no probability flow here.
    """
    if process.kind != "gaussian":
        raise ConfigError(
            f"config.sde.name = {reader.get('sde.name')!r} has no probability flow, and so no "
            "latents to encode to"
        )
    eps = reader.eps("sampling", process)
    encoding = reader.make("sampling", Encoding, eps=lambda: eps, **_solver_parts(reader))
    check_accepts("sampling.variable", reader.get("sampling.variable"), encoding, process)
    return encoding


def build_conditional_sampling(
    reader: Reader, num_classes: int, sampler: Sampler, dataset: Dataset | None
) -> ConditionalSampling:
    """Build the guidance to classes and the known part of the samples.

    Without the data set only the configuration is checked.

    Args:
      reader: of the configuration.
      num_classes: the number of classes that the network knows; 0 for an unconditional network.
      sampler: the one that draws the samples.
      dataset: whose classes and test data are used.

    Raises:
      ConfigError: they do not go together, or not with the model, the sampler or the data.
    """
    guidance: Guidance = reader.make("sampling", reader.pick("sampling.guidance", GUIDANCES))
    asked = reader.get("sampling.classes")
    if not isinstance(guidance, NoGuidance) and not asked:
        raise ConfigError(
            f"config.sampling.guidance = {reader.get('sampling.guidance')!r} needs classes to "
            "guide to: config.sampling.classes = 'all', or such as '3,5'"
        )
    if isinstance(guidance, ClassifierFree) and not num_classes:
        raise ConfigError(
            "config.sampling.guidance = 'classifier_free' needs a class-conditional model: "
            "config.model.num_classes is 0"
        )
    if isinstance(guidance, NoGuidance) and asked and not num_classes:
        raise ConfigError(
            f"config.sampling.classes = {asked!r} needs a class-conditional model, or "
            "config.sampling.guidance = 'classifier': config.model.num_classes is 0"
        )
    task = reader.pick("sampling.task", TASKS)
    of_tokens = issubclass(sampler.accepts, Discrete)
    if of_tokens and guidance.needs_classifier:
        raise ConfigError(
            f"config.sampling.guidance = {reader.get('sampling.guidance')!r} needs a continuous "
            "process, whose noisy data have a gradient; choose 'classifier_free'"
        )
    if of_tokens and task is colorize:
        raise ConfigError(
            "config.sampling.task = 'colorize' needs a continuous process: a mean over channels is "
            "no token; choose 'inpaint'"
        )
    if task is not generate and not (of_tokens or isinstance(sampler, PredictorCorrector)):
        raise ConfigError(
            f"config.sampling.task = {reader.get('sampling.task')!r} needs "
            "config.sampling.name = 'predictor_corrector', got "
            f"{reader.get('sampling.name')!r}"
        )
    if task is not generate and of_tokens and not issubclass(sampler.accepts, Absorbing):
        raise ConfigError(
            f"config.sampling.task = {reader.get('sampling.task')!r} needs masks that are drawn "
            f"whatever the tokens are; config.sde.name = {reader.get('sde.name')!r} has none, but "
            "'masking' has"
        )
    projection = task(reader, dataset)
    if isinstance(sampler, ReverseChain) and isinstance(projection, KnownPixels):
        steps, hidden = reader.get("sde.num_steps"), int(jnp.sum(~projection.known))
        if steps < hidden:
            raise ConfigError(
                f"config.sde.num_steps = {steps}: its steps fill one position each at most, and "
                f"config.sampling.mask hides {hidden}; choose config.sampling.name = "
                "'first_hitting', or hide fewer"
            )
    return ConditionalSampling(
        _read_classes(asked, num_classes, dataset),
        guidance,
        projection,
        1 if of_tokens else reader.get("sampling.particles"),
    )


def _read_classes(asked: str, num_classes: int, dataset: Dataset | None) -> tuple[int, ...]:
    """Return the classes of ``config.sampling.classes``, checked if their number is known."""
    if not asked:
        return ()
    count = num_classes or (dataset and dataset.num_classes) or 0
    if dataset is not None and not count:
        raise ConfigError(f"config.sampling.classes = {asked!r}: {dataset.name} has no classes")
    if dataset is None:
        return ()
    if asked == "all":  # without those that the model has never seen
        trained = dataset.classes.values() if dataset.classes else [1] * count
        return tuple(number for number, examples in enumerate(trained) if examples)
    try:
        names = names_of_classes(dataset, count)
        listed = [name.strip() for name in asked.split(",")]
        found = tuple(find_classes([asked] if asked in names else listed, names))
        counts = list(dataset.classes.values()) if dataset.classes else []
        if unseen := [names[number] for number in found if counts and not counts[number]]:
            raise DataError(f"no training example has the class {unseen[0]!r}")
        return found
    except DataError as error:
        raise ConfigError(
            f"config.sampling.classes = {asked!r} must be 'all', or classes with commas between "
            f"them: {error}"
        ) from None


def generate(reader: Reader, dataset: Dataset | None) -> None:
    """Draw samples of which nothing is known."""
    del reader, dataset


def inpaint(reader: Reader, dataset: Dataset | None) -> Projection | None:
    """Keep all of an image but the part that ``config.sampling.mask`` hides."""
    name = reader.get("sampling.mask")
    if name not in MASKS and not str(name).endswith(".npy"):
        raise ConfigError(
            f"config.sampling.mask = {name!r} is unknown; choose one of {sorted(MASKS)}, or an "
            ".npy file that is true where the image is hidden"
        )
    if dataset is None:
        return None
    shape = dataset.shape
    if name not in MASKS:
        try:
            hidden = read_array(name)
        except DataError as error:
            raise ConfigError(f"config.sampling.mask: {error}") from error
        values = np.unique(hidden)
        if not np.all((values == 0) | (values == values[-1:])):
            raise ConfigError(
                f"config.sampling.mask = {name!r} holds {len(values)} different numbers from "
                f"{values[0]:g} to {values[-1]:g}; 0 where the image is known and one other number "
                "where it is hidden are expected"
            )
        hidden = hidden.astype(bool)
    elif len(shape) != 3:
        raise ConfigError(
            f"config.sampling.mask = {name!r} hides a part of an image; {dataset.name} has the "
            f"shape {shape}: give an .npy file"
        )
    else:
        hidden = MASKS[name](*shape[:2])
    if len(shape) == 3 and hidden.shape == shape[:2]:
        hidden = hidden[..., None]  # a mask of pixels hides all their channels
    if hidden.ndim != len(shape) or hidden.shape not in (shape, (*shape[:-1], 1)):
        raise ConfigError(
            f"config.sampling.mask = {name!r} has the shape {hidden.shape}, the data {shape}"
        )
    hidden = np.broadcast_to(hidden, shape)
    if hidden.all() or not hidden.any():
        raise ConfigError(f"config.sampling.mask = {name!r} hides all of it, or nothing")
    return KnownPixels(jnp.asarray(~hidden))


def colorize(reader: Reader, dataset: Dataset | None) -> Projection:
    """Keep the mean over the channels of each pixel."""
    del reader
    if dataset is not None and (len(dataset.shape) != 3 or dataset.shape[-1] != 3):
        raise ConfigError(
            "config.sampling.task = 'colorize' needs images of 3 channels; "
            f"{dataset.name} has the shape {dataset.shape}"
        )
    return Gray()


TASKS: dict[str, Callable[[Reader, Dataset | None], Projection | None]] = {
    "colorize": colorize,
    "generate": generate,
    "inpaint": inpaint,
}


def _solver_parts(reader: Reader) -> dict[str, Callable[[], Any]]:
    return {
        "solver": lambda: reader.make("sampling", Adaptive),
        "flow": lambda: reader.pick("sampling.variable", FLOWS)(),
    }
