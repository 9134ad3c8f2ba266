"""Two sets of features that can be compared."""

import numpy as np
from jaxtyping import Float, Num


class QualityError(ValueError):
    """Samples or features that cannot be compared: one line that says why."""


def checked(
    x: Num[np.ndarray, "n k"], y: Num[np.ndarray, "m k"], least: int = 2
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "m k"]]:
    """Both sets in double precision.

    Raises:
      QualityError: not tables of finite numbers with equally many columns, or fewer rows than
        ``least`` in one of them.
    """
    for features in (x, y):
        if features.ndim != 2:
            raise QualityError(f"features are tables (n, k), got shape {features.shape}")
        if len(features) < least:
            raise QualityError(f"at least {least} examples are needed, got {len(features)}")
        if bad := int((~np.isfinite(features).all(axis=1)).sum()):
            raise QualityError(
                f"{bad} of {len(features)} examples have features that are not finite"
            )
    if x.shape[1] != y.shape[1]:
        raise QualityError(f"one set has {x.shape[1]} features, the other {y.shape[1]}")
    return x.astype(np.float64), y.astype(np.float64)
