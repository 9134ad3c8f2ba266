"""Choose an experiment for a user's own data: see ``configs/own.py``."""

import importlib.util
import math
import os
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.configs import default
from gradlog.data import DataError, Inspection, inspect_data
from gradlog.experiment.schema import ConfigFileError

# Where the driver of an accelerator shows itself: NVIDIA's, AMD's, Google's.
DEVICES = ("nvidia[0-9]*", "kfd", "accel[0-9]*")
PLUGINS = ("jax_plugins", "libtpu")  # what JAX needs besides to use them
# Largest side of images that are cut and resized, and of square ones that stay as they are.
RESIZED, UNCHANGED = {"cpu": 16, "accelerator": 64}, {"cpu": 32, "accelerator": 128}
CPU_STEPS = {8 * 8: 2000, 16 * 16: 1000, 32 * 32: 500}  # training steps by pixels, at most
COARSEST = 4  # pixels: of a side, at the network's lowest resolution
SIDE_MULTIPLE = 4  # sides are multiples of it, so that the network can halve them twice
CPU_TEST_IMAGES = 200


def own_data_config(path: str) -> ConfigDict:
    """Return an experiment for the data at a path, on the device of this machine.

    Raises:
      ConfigFileError: nothing is there, or a model cannot be trained on it.
    """
    if not path:
        raise ConfigFileError(
            "configs/own.py needs the path of your data: --config=configs/own.py:PATH, a folder of "
            "images or an .npy or .npz file"
        )
    try:
        found = inspect_data(path)
    except DataError as error:
        raise ConfigFileError(str(error)) from error
    return choose_config(found, "accelerator" if has_accelerator() else "cpu")


def has_accelerator() -> bool:
    """Return whether JAX is likely to find an accelerator. Importing JAX would take too long."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return False
    if not any(importlib.util.find_spec(package) for package in PLUGINS):
        return False
    return any(found for pattern in DEVICES for found in Path("/dev").glob(pattern))


def choose_config(found: Inspection, device: str) -> ConfigDict:
    """Return an experiment for inspected data, on 'cpu' or 'accelerator'."""
    config = default.get_config()
    config.data.update(name=found.loader, path=found.path)
    if found.loader == "files" and found.levels:
        config.data.levels = found.levels
    config.model.update(
        parametrization="preconditioned",
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
    )
    config.objective.eps = 1e-4
    config.sampling.update(name="dpm_2m", num_steps=40, schedule="log_snr")
    if len(found.shape) == 1:
        _choose_for_points(config, found)
        return config
    height, width, channels = found.shape
    if found.loader == "folder":  # a folder's images become squares
        if not (found.same_shape and height == width <= UNCHANGED[device]):
            side = min(height, width, RESIZED[device])
            height = width = side - side % SIDE_MULTIPLE or side
        config.data.update(image_size=height, channels=channels)
    config.likelihood.update(name="planned", target_of="mean", target=0.0008)
    config.likelihood.update(eps=1e-4, rtol=1e-4, atol=1e-4, probes=2)
    config.sampling.eps = 1e-3
    (_choose_for_cpu if device == "cpu" else _choose_for_accelerator)(config, height, width)
    return config


def _choose_for_points(config: ConfigDict, found: Inspection) -> None:
    """Choose an MLP, as in configs/toy/mixture.py."""
    config.model.update(
        name="mlp", hidden=256, dropout=0.0, sigma_data=found.std or config.model.sigma_data
    )
    config.likelihood.eps = 1e-4
    if found.shape[0] <= config.likelihood.chunk:
        config.likelihood.divergence = "exact"
    config.sampling.update(eps=1e-4, num_samples=1000, batch_size=1000)
    config.eval.batch_size = 256
    _choose_training(config, 5000, batch_size=256, learning_rate=2e-3, ema_decay=0.999)


def _choose_for_cpu(config: ConfigDict, height: int, width: int) -> None:
    """Choose a U-Net of 200,000 parameters, as in configs/digits.py and configs/photos16.py."""
    halvings = count_halvings(height, width, most=2)
    config.model.update(nf=16, ch_mult=(1, 2, 2)[: halvings + 1], num_res_blocks=1, dropout=0.0)
    config.model.attn_resolutions = (height >> halvings,) if halvings else ()
    config.eval.num_images = CPU_TEST_IMAGES
    enough = (steps for pixels, steps in CPU_STEPS.items() if height * width <= pixels)
    steps = next(enough, min(CPU_STEPS.values()))
    _choose_training(config, steps, batch_size=64, learning_rate=4e-3, ema_decay=0.995)


def _choose_for_accelerator(config: ConfigDict, height: int, width: int) -> None:
    """Choose a U-Net of about 35 million parameters.

    It is as wide as the published CIFAR-10 models, and half as deep.
    """
    halvings = count_halvings(height, width, most=3)
    config.model.update(nf=128, ch_mult=(1, 2, 2, 2)[: halvings + 1], num_res_blocks=2)
    config.model.attn_resolutions = (height >> 1,) if halvings and height <= 64 else ()
    config.eval.num_images = 0
    _choose_training(config, 50_000, batch_size=128, learning_rate=2e-4, ema_decay=0.9999)


def count_halvings(height: int, width: int, *, most: int) -> int:
    """Return how often an image can be halved without falling below the coarsest resolution."""
    common, count = math.gcd(height, width), 0
    while count < most and common % 2 == 0 and common // 2 >= COARSEST:
        common, count = common // 2, count + 1
    return count


def _choose_training(
    config: ConfigDict, steps: int, *, batch_size: int, learning_rate: float, ema_decay: float
) -> None:
    """Choose a learning rate that falls to zero, and five evaluations and samples on the way.

    They follow ``training.steps`` if it is overridden, the rate also ``optimizer.accumulate``.
    """
    config.training.update(steps=steps, batch_size=batch_size)
    total = config.training.get_ref("steps")
    updates = total // config.optimizer.get_ref("accumulate")
    config.optimizer.update(learning_rate=learning_rate, schedule="cosine", decay_steps=updates)
    config.optimizer.update(warmup=updates // 20, ema_decay=ema_decay, grad_clip=10.0)
    for key, times in (("log", 100), ("checkpoint", 5), ("eval", 5), ("sample", 5)):
        config.training[f"{key}_every"] = (total + times - 1) // times  # never 0
