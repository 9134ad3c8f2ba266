"""Weights for Inception-v3 that anyone can make again from names and shapes: no file of 90 MB.

Known to ``tests/golden/make_quality.py`` as well, so it knows NumPy alone.
"""

import math
import zlib

import numpy as np


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array of a name in PyTorch's layout, such that activations keep their size."""
    normal = np.random.Generator(np.random.Philox(zlib.crc32(name.encode()))).standard_normal(shape)
    kind = name.rpartition(".")[2]
    if kind in ("running_var",) or name.endswith("bn.weight"):
        return np.exp(0.2 * normal).astype(np.float32)
    if kind in ("bias", "running_mean"):
        return (0.2 * normal).astype(np.float32)
    return (normal * math.sqrt(2 / math.prod(shape[1:]))).astype(np.float32)


def images(count: int = 2, height: int = 24, width: int = 32) -> np.ndarray:
    """Smooth color images with a little noise, uint8."""
    generator = np.random.Generator(np.random.Philox(17))
    phase = generator.uniform(0, 2 * np.pi, (count, 1, 1, 3))
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    waves = np.sin(0.3 * rows[None, ..., None] + 0.2 * columns[None, ..., None] + phase)
    noise = generator.standard_normal((count, height, width, 3))
    return np.clip(128 + 90 * waves + 25 * noise, 0, 255).astype(np.uint8)
