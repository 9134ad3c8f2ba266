"""What a configuration becomes."""

from dataclasses import dataclass
from typing import Any

import jax
import optax

from gradlog.data import Dataset
from gradlog.likelihood import Dequantization, StoredLikelihood
from gradlog.losses import ScoreMatchingLoss
from gradlog.models import ScoreModel
from gradlog.sampling import Guidance, Projection, Sampler
from gradlog.sde_lib import SDE
from gradlog.training import Augmentation


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how to train; see ``configs/default.py``."""

    steps: int
    batch_size: int
    parallel: str
    log_every: int
    checkpoint_every: int
    keep: int
    keep_every: int
    keep_best: int
    eval_every: int
    sample_every: int
    max_skips: int
    tracker: str


@dataclass(frozen=True)
class SamplingSettings:
    """How many samples to draw, and how many at once."""

    num_samples: int
    batch_size: int


@dataclass(frozen=True)
class SteeringSettings:
    """Classes to be drawn in turn, how samples are guided to them, and what is known of them."""

    classes: tuple[int, ...]
    guidance: Guidance
    projection: Projection | None
    particles: int


@dataclass(frozen=True)
class ClassifierSettings:
    """Of the classifier of noisy data: how it is trained, and how large it is."""

    steps: int
    batch_size: int
    learning_rate: float
    nf: int
    hidden: int


@dataclass(frozen=True)
class QualitySettings:
    """How samples are compared with data; see ``configs/default.py``."""

    features: str
    inception: str
    convention: str
    num_samples: int
    num_reference: int
    against: str
    neighbors: int
    fid_groups: int
    kid_subsets: int
    kid_subset_size: int
    samples: str


@dataclass(frozen=True)
class EvalSettings:
    """How many images to evaluate (0 for all), how many at once, and how many once more."""

    batch_size: int
    num_images: int
    second_look: int
    convergence_images: int


@dataclass(frozen=True)
class Estimator:
    """A likelihood estimator, the points it stands on, the settings that decide its numbers."""

    likelihood: StoredLikelihood
    dequantization: Dequantization
    settings: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """Everything a run needs, wired."""

    dataset: Dataset
    sde: SDE
    model: ScoreModel
    loss: ScoreMatchingLoss
    dequantization: Dequantization  # of training and samples
    optimizer: optax.GradientTransformation
    ema_decay: float
    ema_warmup: bool
    augmentation: Augmentation
    estimators: dict[str, Estimator]
    sampler: Sampler
    sampler_settings: dict[str, Any]
    training: TrainingSettings
    eval: EvalSettings
    sampling: SamplingSettings
    steering: SteeringSettings
    classifier: ClassifierSettings
    quality: QualitySettings
    streams: dict[str, jax.Array]
    identity: dict[str, Any]
    keys_read: frozenset[str]
