"""Records of a run as columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def columns(records: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """An array for each name, a row for each record: 'step' int64, the others float64.

    NaN where a record has no value of that name, or one that is not finite.
    """
    names = dict.fromkeys(name for record in records for name in record if name != "step")
    steps = np.array([record["step"] for record in records], np.int64)
    return {"step": steps} | {name: _column(records, name) for name in names}


def _column(records: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    # None becomes NaN, which is how a value that was not finite is kept in a file.
    return np.array([record.get(name) for record in records], np.float64)
