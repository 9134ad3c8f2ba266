"""What samples are steered towards, from ``config.sampling``: classes, and known parts."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from gradlog.data import Dataset
from gradlog.experiment.experiment import SteeringSettings
from gradlog.experiment.reader import ConfigError, Reader
from gradlog.models import ScoreModel
from gradlog.sampling import (
    GUIDANCES,
    MASKS,
    ClassifierFree,
    Gray,
    Guidance,
    Kept,
    NoGuidance,
    PredictorCorrector,
    Projection,
    Sampler,
)
from gradlog.storage import ArrayFileError, read_array

_ALL = "all"


def build_steering(
    reader: Reader, model: ScoreModel, sampler: Sampler, dataset: Dataset | None
) -> SteeringSettings:
    """The classes to be drawn in turn, how samples are guided to them, and what is known of them.

    Without the data set it is not to be used: that only checks what needs no data.

    Raises:
      ConfigError: they do not go together, or not with the model, the sampler or the data.
    """
    guidance: Guidance = reader.make("sampling", reader.pick("sampling.guidance", GUIDANCES))
    asked = reader.get("sampling.classes")
    _check_guidance(reader, guidance, model, asked)
    task = reader.pick("sampling.task", TASKS)
    if task is not generate and not isinstance(sampler, PredictorCorrector):
        raise ConfigError(
            f"config.sampling.task = {reader.get('sampling.task')!r} needs "
            "config.sampling.name = 'predictor_corrector', got "
            f"{reader.get('sampling.name')!r}"
        )
    return SteeringSettings(
        _classes(asked, model, dataset),
        guidance,
        task(reader, dataset),
        reader.get("sampling.particles"),
    )


def _check_guidance(reader: Reader, guidance: Guidance, model: ScoreModel, classes: str) -> None:
    told = bool(model.num_classes)
    if not isinstance(guidance, NoGuidance) and not classes:
        raise ConfigError(
            f"config.sampling.guidance = {reader.get('sampling.guidance')!r} needs classes to "
            "guide to: config.sampling.classes = 'all', or such as '3,5'"
        )
    if isinstance(guidance, ClassifierFree) and not told:
        raise ConfigError(
            "config.sampling.guidance = 'classifier_free' needs a model that is told the class: "
            "config.model.num_classes is 0"
        )
    if isinstance(guidance, NoGuidance) and classes and not told:
        raise ConfigError(
            f"config.sampling.classes = {classes!r} needs a model that is told the class, or "
            "config.sampling.guidance = 'classifier': config.model.num_classes is 0"
        )


def _classes(asked: str, model: ScoreModel, dataset: Dataset | None) -> tuple[int, ...]:
    """The classes that are asked for, checked where it is known how many there are."""
    if not asked:
        return ()
    count = model.num_classes or (dataset and dataset.num_classes) or 0
    if dataset is not None and not count:
        raise ConfigError(f"config.sampling.classes = {asked!r}: {dataset.name} has no classes")
    if asked == _ALL:
        return tuple(range(count))
    try:
        wanted = tuple(int(label) for label in asked.split(","))
    except ValueError:
        raise ConfigError(
            f"config.sampling.classes = {asked!r} must be 'all', or numbers such as '3,5'"
        ) from None
    if count and not all(0 <= label < count for label in wanted):
        raise ConfigError(f"config.sampling.classes = {asked!r} must lie in 0 .. {count - 1}")
    return wanted


def generate(reader: Reader, dataset: Dataset | None) -> None:
    """Nothing is known."""
    del reader, dataset


def inpaint(reader: Reader, dataset: Dataset | None) -> Projection | None:
    """All but the part that ``config.sampling.mask`` hides is known."""
    name = reader.get("sampling.mask")
    if name not in MASKS and not str(name).endswith(".npy"):
        raise ConfigError(
            f"config.sampling.mask = {name!r} is unknown; choose one of {sorted(MASKS)}, or an "
            ".npy file that is true where the image is hidden"
        )
    if dataset is None:
        return None
    hidden = _hidden(name, dataset)
    if hidden.all() or not hidden.any():
        raise ConfigError(f"config.sampling.mask = {name!r} hides all of it, or nothing")
    return Kept(jnp.asarray(~hidden))


def _hidden(name: str, dataset: Dataset) -> np.ndarray:
    """True where a datum is hidden; a mask of pixels hides all their channels."""
    shape = dataset.shape
    if name in MASKS:
        if len(shape) != 3:
            raise ConfigError(
                f"config.sampling.mask = {name!r} hides a part of an image; {dataset.name} has the "
                f"shape {shape}: give an .npy file"
            )
        hidden = MASKS[name](*shape[:2])
    else:
        hidden = _read_mask(name)
    if len(shape) == 3 and hidden.shape == shape[:2]:
        hidden = hidden[..., None]
    if hidden.ndim != len(shape) or hidden.shape not in (shape, (*shape[:-1], 1)):
        raise ConfigError(
            f"config.sampling.mask = {name!r} has the shape {hidden.shape}, the data {shape}"
        )
    return np.broadcast_to(hidden, shape)


def _read_mask(name: str) -> np.ndarray:
    try:
        return read_array(name).astype(bool)
    except ArrayFileError as error:
        raise ConfigError(f"config.sampling.mask: {error}") from error


def colorize(reader: Reader, dataset: Dataset | None) -> Projection:
    """The mean over the channels of each pixel is known."""
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
