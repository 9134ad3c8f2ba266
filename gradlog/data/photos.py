"""8-bit color patches of the two photographs that come with scikit-learn, without a download."""

import numpy as np
from jaxtyping import UInt8

from gradlog.data.dataset import DataError, Dataset, from_arrays, permutation

BLOCK_SIZE = 64
NUM_TRAIN = 4_000
IMAGE_SIZES = (16, 32)


def load_photos(
    *, image_size: int = 0, num_train: int = 0, num_test: int = 0, seed: int = 0
) -> Dataset:
    """Load RGB patches (image_size, image_size, 3) of china.jpg and flower.jpg, with 256 levels.

    Every fifth block of 64 x 64 pixels belongs to the test set, the rest to the training set.
    Test patches do not overlap each other. Training patches may, but they share no pixel with a
    test block. Blocks are scattered, unlike the two halves of each photograph, so that both sets
    contain the sky.

    There are 4,000 training patches and all test patches, unless the arguments ask for others: 384
    of 16 x 16 or 96 of 32 x 32. The seed determines the training patches and the order of both.

    Raises:
      DataError: another size, more patches than exist, or a negative count or seed.
    """
    size = image_size or IMAGE_SIZES[0]
    if size not in IMAGE_SIZES:
        raise DataError(f"config.data.image_size = {size}: photos come in {IMAGE_SIZES} (0: 16)")
    pixels = _photographs()
    photo, row, column = np.indices(pixels.shape[:3])
    row, column = row // BLOCK_SIZE, column // BLOCK_SIZE
    is_whole = (row < pixels.shape[1] // BLOCK_SIZE) & (column < pixels.shape[2] // BLOCK_SIZE)
    # A knight's move apart: no two test blocks share an edge or a corner.
    is_test = is_whole & ((column + 2 * row + photo) % 5 == 0)
    # Corners (photo, row, column) of training patches at any place without a test pixel ...
    windows = np.lib.stride_tricks.sliding_window_view(is_test, (size, size), axis=(1, 2))
    train_corners = np.argwhere(~windows.any(axis=(3, 4)))
    # ... and of test patches on a grid.
    test_corners = np.argwhere(is_test)
    test_corners = test_corners[(test_corners[:, 1:] % size == 0).all(axis=1)]
    sets = []
    for split, corners, count in (
        ("train", train_corners, num_train or NUM_TRAIN),
        ("test", test_corners, num_test or len(test_corners)),
    ):
        if not 0 < count <= len(corners):
            raise DataError(
                f"config.data.num_{split} = {count}: there are 1 to {len(corners)} {split} patches"
            )
        chosen = corners[permutation(len(corners), seed, 0)[:count]]
        sets.append(np.stack([pixels[p, i : i + size, j : j + size] for p, i, j in chosen]))
    return from_arrays("photos", *sets, levels=256)


def _photographs() -> UInt8[np.ndarray, "2 H W 3"]:
    from sklearn.datasets import load_sample_images

    return np.stack(load_sample_images().images)
