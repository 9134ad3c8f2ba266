"""8-bit color patches of the two photographs that come with scikit-learn: no download."""

import numpy as np
from jaxtyping import Bool, Int, UInt8

from gradlog.data.dataset import DataError, Dataset, from_arrays, permutation

BLOCK_SIZE = 64
NUM_TRAIN = 4_000
IMAGE_SIZES = (16, 32)


def load_photos(
    *, image_size: int = 0, num_train: int = 0, num_test: int = 0, seed: int = 0
) -> Dataset:
    """RGB patches (image_size, image_size, 3) of china.jpg and flower.jpg, 256 levels.

    Every fifth block of 64 x 64 pixels belongs to the test set, the rest to the training set.
    Test patches do not overlap each other; training patches may, and share no pixel with a test
    block. Scattered blocks, not one half of each photograph, so that both sets see the sky.

    Args:
      image_size: 16 or 32; 0 means 16.
      num_train: 0 means 4,000.
      num_test: 0 means all there are: 384 of 16 x 16 or 96 of 32 x 32.
      seed: which training patches, and the order of both sets.

    Raises:
      DataError: another size, more patches than there are, or a negative count or seed.
    """
    size = image_size or IMAGE_SIZES[0]
    if size not in IMAGE_SIZES:
        raise DataError(f"config.data.image_size = {size}: photos come in {IMAGE_SIZES} (0: 16)")
    pixels = _photographs()
    is_test = _test_blocks(pixels.shape[:3])
    train_corners = _corners_without(is_test, size)
    test_corners = _grid_corners(is_test, size)
    train = _choose(train_corners, num_train or NUM_TRAIN, seed, "train")
    test = _choose(test_corners, num_test or len(test_corners), seed, "test")
    return from_arrays("photos", _cut(pixels, train, size), _cut(pixels, test, size), levels=256)


def _photographs() -> UInt8[np.ndarray, "2 H W 3"]:
    from sklearn.datasets import load_sample_images

    return np.stack(load_sample_images().images)


def _test_blocks(shape: tuple[int, ...]) -> Bool[np.ndarray, "2 H W"]:
    photo, row, column = (
        np.indices(shape) // np.array([1, BLOCK_SIZE, BLOCK_SIZE])[:, None, None, None]
    )
    whole = [(extent // BLOCK_SIZE) for extent in shape[1:]]
    inside = (row < whole[0]) & (column < whole[1])
    # A knight's move apart: no two test blocks share an edge or a corner.
    return inside & ((column + 2 * row + photo) % 5 == 0)


def _corners_without(is_test: Bool[np.ndarray, "2 H W"], size: int) -> Int[np.ndarray, "n 3"]:
    windows = np.lib.stride_tricks.sliding_window_view(is_test, (size, size), axis=(1, 2))
    return np.argwhere(~windows.any(axis=(3, 4)))


def _grid_corners(is_test: Bool[np.ndarray, "2 H W"], size: int) -> Int[np.ndarray, "n 3"]:
    corners = np.argwhere(is_test)
    return corners[(corners[:, 1] % size == 0) & (corners[:, 2] % size == 0)]


def _choose(corners: Int[np.ndarray, "n 3"], count: int, seed: int, split: str) -> np.ndarray:
    if not 0 < count <= len(corners):
        raise DataError(
            f"config.data.num_{split} = {count}: there are 1 to {len(corners)} {split} patches"
        )
    return corners[permutation(len(corners), seed, 0)[:count]]


def _cut(
    pixels: UInt8[np.ndarray, "2 H W 3"], corners: Int[np.ndarray, "n 3"], size: int
) -> UInt8[np.ndarray, "n size size 3"]:
    return np.stack([pixels[p, i : i + size, j : j + size] for p, i, j in corners])
