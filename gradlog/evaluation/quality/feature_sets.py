"""Checks of two sets of features before they are compared."""

import numpy as np
from jaxtyping import Float, Num

from gradlog.config_error import UserError


class QualityError(UserError, ValueError):
    """Samples or features cannot be compared; the message says why in one line."""


def check_features(
    x: Num[np.ndarray, "n k"], y: Num[np.ndarray, "m k"], least: int = 2
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "m k"]]:
    """Return both sets in double precision.

    Raises:
      QualityError: they are not tables of finite numbers with the same number of columns, or one
        has fewer rows than ``least``.
    """
    for features in (x, y):
        if features.ndim != 2:
            raise QualityError(f"features must be tables (n, k), got shape {features.shape}")
        if len(features) < least:
            raise QualityError(f"at least {least} examples are needed, got {len(features)}")
        if bad := int((~np.isfinite(features).all(axis=1)).sum()):
            raise QualityError(
                f"{bad} of {len(features)} examples have features that are not finite"
            )
    if x.shape[1] != y.shape[1]:
        raise QualityError(f"one set has {x.shape[1]} features, the other {y.shape[1]}")
    return x.astype(np.float64), y.astype(np.float64)
