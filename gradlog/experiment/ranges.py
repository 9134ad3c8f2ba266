"""The intervals in which the numbers of a configuration must lie."""

import math
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from gradlog.experiment.reader import ConfigError
from gradlog.experiment.schema import complaint

# Intervals that numbers must lie in, whoever reads them; ``(`` and ``)`` leave their end out. The
# data room checks its own.
RANGES = {
    "[0, 4294967296)": ("seed",),
    "[2, inf)": (
        "model.embedding",
        "sde.num_steps",
        *(f"study.{name}" for name in ("samples", "times", "frames", "points", "gains")),
        "study.noise_levels",
        *(f"quality.{name}" for name in ("fid_groups", "kid_subsets", "kid_subset_size")),
    ),
    "[4, inf)": ("model.nf", "classifier.nf", "classifier.hidden", "study.cells", "study.draws"),
    "[1, inf)": (
        "quality.neighbors",
        *(f"model.{name}" for name in ("ch_mult", "hidden")),
        "model.backbone",
        "optimizer.accumulate",
        *(f"training.{name}" for name in ("steps", "batch_size", "log_every")),
        "eval.batch_size",
        *(f"classifier.{name}" for name in ("steps", "batch_size")),
        *(
            f"likelihood.{name}"
            for name in ("max_steps", "probes", "chunk", "samples", "vlb_steps")
        ),
        "likelihood.importance_samples",
        *(f"likelihood.{name}" for name in ("intervals", "node_chunk", "node_probes")),
        *(f"likelihood.{name}" for name in ("colors", "rank")),
        *(f"objective.{name}" for name in ("chunk", "slices")),
        *(f"sampling.{name}" for name in ("num_samples", "batch_size", "num_steps", "max_steps")),
        "sampling.particles",
        *(f"sampling.{name}" for name in ("corrector_steps", "langevin_steps", "steps_per_level")),
        *(f"study.{name}" for name in ("window", "chains", "generator_steps", "inner_steps")),
        *(f"study.{name}" for name in ("generator_batch", "measurements")),
    ),
    "[0, inf)": (
        *(f"quality.{name}" for name in ("num_samples", "num_reference")),
        *(f"model.{name}" for name in ("init_scale", "num_classes", "fir_kernel")),
        *(f"optimizer.{name}" for name in ("learning_rate", "decay_steps", "warmup", "adam_eps")),
        *(f"optimizer.{name}" for name in ("weight_decay", "grad_clip")),
        *(f"training.{name}" for name in ("checkpoint_every", "keep", "eval_every")),
        *(f"training.{name}" for name in ("keep_every", "keep_best", "sample_every", "max_skips")),
        "classifier.learning_rate",
        *(f"eval.{name}" for name in ("num_images", "second_look", "convergence_images")),
        *(f"likelihood.{name}" for name in ("rtol", "rounds", "standard_error")),
        *(f"objective.{name}" for name in ("trace_weight", "jacobian_weight")),
        *(f"sampling.{name}" for name in ("rtol", "num_scales", "eta")),
        *(f"sampling.{name}" for name in ("churn", "churn_min", "churn_max")),
    ),
    "(0, inf)": (
        *(f"sde.{name}" for name in ("beta_min", "beta_max", "sigma_min", "sigma_max")),
        *(f"model.{name}" for name in ("sigma_data", "fourier_scale")),
        *(f"objective.{name}" for name in ("log_rho_std", "fd_step")),
        "likelihood.atol",
        *(f"sampling.{name}" for name in ("snr", "atol", "step_size")),
        *(f"sampling.{name}" for name in ("karras_exponent", "churn_noise")),
        *(f"study.{name}" for name in ("extent", "near", "half_width")),
        *(f"study.{name}" for name in ("generator_rate", "estimator_rate")),
    ),
    "[0, 1)": (
        "objective.class_dropout",
        "model.dropout",
        *(f"optimizer.{name}" for name in ("beta1", "beta2", "ema_decay")),
    ),
    # Each is traced by itself: more would be traced for hours.
    "[0, 1000)": ("model.num_layers",),
    "[1, 1000)": ("model.num_res_blocks",),
    "[1, 10000000)": ("model.num_scales",),  # of which there are arrays
    "(0, 1)": ("sde.t_max",),
    "(-inf, inf)": ("sampling.guidance_weight", "sde.gamma_min", "sde.gamma_max"),
}


def check_keys(config: ConfigDict) -> None:
    """Raises ConfigError for a key that is missing, unknown or of another type."""
    if said := complaint(config):
        raise ConfigError(said)


def check_ranges(config: ConfigDict) -> None:
    """Raises ConfigError for a number outside its interval, or a tuple of something else."""
    values: dict[str, Any] = flatten_dict(config.to_dict(), sep=".")
    for key, value in values.items():
        # A tuple is all that the command line's own check of types does not look into.
        numbers = value if key.startswith("model.") and isinstance(value, tuple) else ()
        if not all(type(number) is int for number in numbers):
            raise ConfigError(f"config.{key} = {value} must be whole numbers, such as 1,2")
    for interval, keys in RANGES.items():
        for key in values.keys() & set(keys):
            if not _lies_in(interval, values[key]):
                raise ConfigError(f"config.{key} = {values[key]} must lie in {interval}")
    low, high = values.get("sde.sigma_min", 0), values.get("sde.sigma_max", float("inf"))
    if low >= high:
        raise ConfigError(
            f"config.sde.sigma_min = {low} must be below config.sde.sigma_max = {high}"
        )


def _lies_in(interval: str, value: Any) -> bool:
    """Whether a number, or each of a tuple that is not empty, lies in an interval."""
    numbers = value if isinstance(value, tuple) else (value,)
    low, high = (float(end) for end in interval[1:-1].split(","))
    least = low if interval.startswith("[") else math.nextafter(low, high)
    return bool(numbers) and all(least <= number < high for number in numbers)
