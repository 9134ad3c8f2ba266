"""Check continuous data: whether they can have a density, and a scale that noise suits."""

import numpy as np

from gradlog.data.dataset import DataError

NUMBERS = 100_000  # how many floats are examined for levels ...
ROWS = 1024  # ... and how many of each column or channel at least: four times 8 bits' levels
REPEATED = 2  # floats that repeat this often on average are levels
# Bounds on mean and std of continuous data, so that noise of unit size suits them.
LARGEST_MEAN, STDS = 10.0, (0.1, 10.0)
BITS8 = 256
# How 8-bit images become floats; after a resize to the same size, or in float16, they are no longer
# equal to levels, but nearly.
_NEARLY_LEVELS = {
    "x": lambda x: x,
    "255 * x": lambda x: 255 * x,
    "127.5 * (x + 1)": lambda x: 127.5 * (x + 1),
}
NEARLY = 0.05  # continuous numbers lie farther from a whole one, but for one in ten
# Bits of a float16's or a bfloat16's fraction, at most: such numbers repeat without being levels.
HALF_BITS = 11


def check_density(array: np.ndarray, path: str) -> None:
    """Check that continuous data can have a finite density.

    Raises:
      DataError: the numbers are levels, or nearly; or a column or a channel is constant.
    """
    if len(array) == 1:
        raise DataError(f"{path} holds one example alone; if its rows are examples, transpose it")
    # 255 times a float16, or the difference of two, may be infinite.
    array = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
    columns = array.reshape(-1, array.shape[-1])  # of points; the channels of images
    columns = columns[: max(NUMBERS // columns.shape[1], ROWS)]
    (distinct,) = _count_distinct(columns.reshape(-1, 1))
    if distinct <= _most_levels(columns.ravel()):
        raise DataError(
            f"{path} holds floats with only {distinct} different values. They are levels, whose "
            "density is infinite: save the levels themselves as integers from 0, such as "
            "np.rint(255 * x).astype('uint8') for 8-bit images that were divided by 255"
        )
    what = "column" if array.ndim == 2 else "channel"
    whole = array.reshape(-1, array.shape[-1])
    if constant := np.flatnonzero(np.ptp(whole, axis=0) == 0).tolist():
        raise DataError(
            f"{path} holds one number in all rows of {what}s {constant[:10]}, so that its density "
            f"is infinite: leave out {len(constant)} of {len(whole[0])} {what}s, with "
            "x[..., np.ptp(x.reshape(-1, x.shape[-1]), axis=0) > 0]"
        )
    nearly = (name for name, levels in _NEARLY_LEVELS.items() if _is_nearly_whole(levels(columns)))
    if name := next(nearly, ""):
        raise DataError(
            f"{path} holds floats that are nearly levels: {name} differs from whole numbers by "
            f"less than {NEARLY}. Their density is nearly infinite: save np.rint({name}) as "
            "integers"
        )
    counts = _count_distinct(columns)
    for number, (column, distinct) in enumerate(zip(columns.T, counts, strict=True)):
        if distinct <= _most_levels(column):
            raise DataError(
                f"{path} holds floats with only {distinct} different values in {what} {number}. "
                "They are levels, whose density is infinite: save all as integers from 0, or "
                f"leave out that {what}, or add uniform noise as wide as the levels to it"
            )


def check_scale(array: np.ndarray, path: str) -> None:
    """Check that noise of unit size suits continuous data.

    Raises:
      DataError: a mean or a standard deviation is far from 0 and 1.
    """
    axes = 0 if array.ndim == 2 else None
    mean, std = np.abs(array.mean(axes, np.float64)), array.std(axes, np.float64)
    if mean.max() > LARGEST_MEAN or std.min() < STDS[0] or std.max() > STDS[1]:
        what = "columns" if array.ndim == 2 else "numbers"
        raise DataError(
            f"{path} holds {what} with means up to {mean.max():.3g} and standard deviations from "
            f"{std.min():.3g} to {std.max():.3g}; save x = (x - x.mean(0)) / x.std(0), and add "
            "the mean of log2(std) to the bits/dim (of images, one mean and one std for all)"
        )


def _is_nearly_whole(numbers: np.ndarray) -> bool:
    """Return whether all numbers lie near whole ones, of which there are several."""
    levels = np.rint(numbers)
    return bool(np.ptp(levels) > 1 and np.abs(numbers - levels).max() < NEARLY)


def _count_distinct(columns: np.ndarray) -> np.ndarray:
    """Return how many different values each column holds."""
    return 1 + np.count_nonzero(np.diff(np.sort(columns, axis=0), axis=0), axis=0)


def _most_levels(numbers: np.ndarray) -> int:
    """Return up to how many different values these numbers are repeated levels."""
    repeated, scaled = len(numbers) // REPEATED, np.frexp(numbers)[0] * 2**HALF_BITS
    half_precision = np.all(scaled == np.rint(scaled))
    return min(BITS8, repeated) if half_precision else repeated
