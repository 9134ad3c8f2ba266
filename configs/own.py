"""Your own data: `configs/own.py:PATH`, a folder of images, or an .npy or .npz file of arrays.

It looks at them and chooses size, levels, network and steps so that a first result is there soon:
on a CPU in about five minutes, on an accelerator in about an hour. Every key can be overridden.

Command: python main.py --config=configs/own.py:~/pictures --workdir=runs/own
Figure: none to expect: that is yours to find; log2(levels) is what a model that knows nothing has.
Time: five minutes of training on two CPU cores for images of 16x16, one of evaluation.
"""

import importlib.util
import math
import os
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.configs import default
from gradlog.data import DataError, Look, look_at
from gradlog.experiment.schema import ConfigFileError

# Where an accelerator shows itself: NVIDIA's, AMD's, Google's.
DEVICES = ("nvidia[0-9]*", "kfd", "accel[0-9]*")
PLUGINS = ("jax_plugins", "libtpu")  # what JAX needs to use them, beside itself
# Sides of images that are cut and resized, and of those that are all alike and stay as they are.
RESIZED, KEPT = {"cpu": 16, "accelerator": 64}, {"cpu": 32, "accelerator": 128}
# On a CPU: training steps for images of so many pixels at most.
CPU_STEPS = {8 * 8: 2000, 16 * 16: 1000, 32 * 32: 500}
COARSEST = 4  # pixels: of a side, at the network's lowest resolution
SIDE_OF = 4  # sides are whole multiples of it, so that the network can halve them twice
FEW = 200  # test examples that a CPU evaluates


def get_config(path: str = "") -> ConfigDict:
    """An experiment for the data at a path.

    Raises:
      ConfigFileError: there is nothing, or nothing to learn from; one line says what to do.
    """
    if not path:
        raise ConfigFileError(
            "configs/own.py needs your data: --config=configs/own.py:PATH, a folder of images or "
            "an .npy or .npz file"
        )
    try:
        look = look_at(path)
    except DataError as error:
        raise ConfigFileError(str(error)) from error
    return for_data(look, "accelerator" if _has_accelerator() else "cpu")


def for_data(look: Look, device: str) -> ConfigDict:
    """An experiment for what was found, on 'cpu' or 'accelerator'."""
    config = default.get_config()
    config.data.update(name=look.loader, path=look.path)
    if look.loader == "files" and look.levels:
        config.data.levels = look.levels
    if len(look.shape) == 1:
        _points(config, look)
    else:
        shape = _as_loaded(config, look, device)
        (_small if device == "cpu" else _large)(config, shape)
        config.eval.num_images = FEW if device == "cpu" else 0
    return config


def _has_accelerator() -> bool:
    """Whether JAX is likely to find one; asked of the system, since JAX is slow to come."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return False
    if not any(importlib.util.find_spec(package) for package in PLUGINS):
        return False
    return any(found for pattern in DEVICES for found in Path("/dev").glob(pattern))


def _as_loaded(config: ConfigDict, look: Look, device: str) -> tuple[int, ...]:
    """The shape of an image; those of a folder become squares."""
    height, width, channels = look.shape
    if look.loader == "files":
        return look.shape
    kept = look.alike and height == width <= KEPT[device]
    side = height if kept else _rounded(min(height, width, RESIZED[device]))
    config.data.update(image_size=side, channels=channels)
    return side, side, channels


def _rounded(side: int) -> int:
    return side - side % SIDE_OF or side


def _halvings(shape: tuple[int, ...], most: int) -> int:
    """How often an image can be halved to no less than the coarsest resolution."""
    common, count = math.gcd(*shape[:2]), 0
    while count < most and common % 2 == 0 and common // 2 >= COARSEST:
        common, count = common // 2, count + 1
    return count


def _images(config: ConfigDict) -> None:
    config.model.update(
        parametrization="preconditioned",
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
    )
    config.objective.eps = 1e-4
    config.likelihood.update(eps=1e-4, rtol=1e-4, atol=1e-4, probes=2)
    config.sampling.update(name="dpm_2m", num_steps=40, schedule="log_snr", eps=1e-3)


def _small(config: ConfigDict, shape: tuple[int, ...]) -> None:
    """Of 200,000 parameters, as configs/digits.py and configs/photos16.py."""
    _images(config)
    halvings = _halvings(shape, most=2)
    pixels = shape[0] * shape[1]
    steps = next((n for size, n in CPU_STEPS.items() if pixels <= size), min(CPU_STEPS.values()))
    config.model.update(nf=16, ch_mult=(1, 2, 2)[: halvings + 1], num_res_blocks=1, dropout=0.0)
    config.model.attn_resolutions = (shape[0] >> halvings,) if halvings else ()
    _trained(config, steps, batch_size=64, learning_rate=4e-3, ema_decay=0.995)


def _large(config: ConfigDict, shape: tuple[int, ...]) -> None:
    """Of about 35 million parameters: the width of the published CIFAR-10 models, half as deep."""
    _images(config)
    halvings = _halvings(shape, most=3)
    config.model.update(nf=128, ch_mult=(1, 2, 2, 2)[: halvings + 1], num_res_blocks=2)
    config.model.attn_resolutions = (shape[0] >> 1,) if halvings and shape[0] <= 64 else ()
    _trained(config, 50_000, batch_size=128, learning_rate=2e-4, ema_decay=0.9999)


def _points(config: ConfigDict, look: Look) -> None:
    """An MLP, as configs/toy/mixture.py."""
    config.model.update(
        name="mlp",
        hidden=256,
        parametrization="preconditioned",
        sigma_data=look.std or config.model.sigma_data,
        label="log_rho",
        embedding_type="fourier_linear",
        fourier_scale=0.5,
        dropout=0.0,
    )
    config.objective.eps = 1e-4
    config.likelihood.update(eps=1e-4)
    if look.shape[0] <= config.likelihood.chunk:
        config.likelihood.divergence = "exact"
    config.sampling.update(name="dpm_2m", num_steps=40, schedule="log_snr", eps=1e-4)
    config.sampling.update(num_samples=1000, batch_size=1000)
    config.eval.batch_size = 256
    _trained(config, 5000, batch_size=256, learning_rate=2e-3, ema_decay=0.999)


def _trained(
    config: ConfigDict, steps: int, *, batch_size: int, learning_rate: float, ema_decay: float
) -> None:
    """Down to no learning rate, with five looks at held-out data and samples on the way.

    All of it follows ``training.steps`` where that is overridden.
    """
    config.training.update(steps=steps, batch_size=batch_size)
    total = config.training.get_ref("steps")
    config.optimizer.update(learning_rate=learning_rate, schedule="cosine", decay_steps=total)
    config.optimizer.update(warmup=total // 20, ema_decay=ema_decay, grad_clip=10.0)
    for key, share in (("log", 100), ("checkpoint", 5), ("eval", 5), ("sample", 5)):
        config.training[f"{key}_every"] = (total + share - 1) // share  # never 0
