"""All numbers of one set of samples."""

from typing import Any

import numpy as np
from jaxtyping import Num

from gradlog.evaluation.quality.frechet import frechet
from gradlog.evaluation.quality.kernel import kernel_distance
from gradlog.evaluation.quality.neighbors import precision_recall


def compare_features(
    x: Num[np.ndarray, "n k"],
    y: Num[np.ndarray, "m k"],
    *,
    neighbors: int = 3,
    fid_groups: int = 10,
    kid_subsets: int = 100,
    kid_subset_size: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return FID, KID, precision and recall of samples x against y, with their standard errors.

    Few samples are cut into fewer groups and smaller subsets; the numbers say how many.

    Args:
      x: features of samples.
      y: features of the reference set.
      neighbors: see `precision_recall`.
      fid_groups: see `frechet`.
      kid_subsets: see `kernel_distance`.
      kid_subset_size: see `kernel_distance`.
      seed: of the subsets.

    Raises:
      QualityError: the two sets cannot be compared.
    """
    inside = precision_recall(x, y, neighbors)
    groups = min(fid_groups, len(x) // 2)
    distance = frechet(x, y, groups)
    kernel = kernel_distance(x, y, kid_subsets, kid_subset_size, seed)
    return {
        "fid": distance.value,
        "fid_standard_error": distance.standard_error,
        "fid_extrapolated": distance.extrapolated,
        "kid": kernel.value,
        "kid_standard_error": kernel.standard_error,
        "precision": inside.precision,
        "recall": inside.recall,
        "count": len(x),
        "reference_count": len(y),
        "num_features": x.shape[1],
        "fid_groups": groups,
        "kid_subset_size": kernel.subset_size,
    }
