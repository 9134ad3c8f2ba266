"""All the numbers of one set of samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num

from gradlog.evaluation.quality.frechet import frechet
from gradlog.evaluation.quality.kernel import kernel_distance
from gradlog.evaluation.quality.neighbors import precision_recall


@dataclass(frozen=True)
class Comparison:
    """How features are compared: see the functions of this room for the numbers.

    Few samples are cut into fewer groups and smaller subsets; the summary says how many.
    """

    neighbors: int
    fid_groups: int
    kid_subsets: int
    kid_subset_size: int
    seed: int

    def __call__(self, x: Num[np.ndarray, "n k"], y: Num[np.ndarray, "m k"]) -> dict[str, Any]:
        """FID, KID, precision and recall of samples x against y, with their standard errors.

        Raises:
          QualityError: the two cannot be compared.
        """
        inside = precision_recall(x, y, self.neighbors)
        groups = min(self.fid_groups, len(x) // 2)
        distance = frechet(x, y, groups)
        kernel = kernel_distance(x, y, self.kid_subsets, self.kid_subset_size, self.seed)
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
