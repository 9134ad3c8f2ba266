"""Charts of results: each a function that gives a Matplotlib figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from gradlog.report.numbers import uncertain

_GAIN, _COST, _TOTAL = "C2", "C1", "C0"


def account(lines: Sequence[dict[str, Any]], total: float, error: float | None) -> Figure:
    """Every term of an account as a bar of bits/dim with its standard error, and their sum.

    Args:
      lines: of ``bits_per_dim.json``, each with ``term``, ``bits_per_dim``, ``standard_error``.
      total: their sum in bits/dim.
      error: its standard error.
    """
    names = [*(line["term"] for line in lines), "sum"]
    values = np.array([*(line["bits_per_dim"] for line in lines), total], float)
    errors = np.array([*(line["standard_error"] or 0.0 for line in lines), error or 0.0], float)
    figure = Figure(figsize=(4.6, 0.6 + 0.34 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(names))[::-1]
    colors = [_COST if value > 0 else _GAIN for value in values[:-1]]
    ink = axes.spines["left"].get_edgecolor()
    bars = {"color": [*colors, _TOTAL], "ecolor": ink, "capsize": 2}
    axes.barh(rows, values, xerr=errors, height=0.62, **bars)
    axes.axvline(0, linewidth=0.8, color=ink)
    for row, value, own in zip(rows, values, errors, strict=True):
        told = {"transform": axes.get_yaxis_transform(), "va": "center"}
        axes.text(1.02, row, uncertain(value, own, 3), **told)
    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("bits/dim (± standard error)")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    return figure


def histogram(bits: Float[np.ndarray, " n"]) -> Figure:
    """Bits/dim of single images, with their mean."""
    figure = Figure(figsize=(4.6, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(bits, bins=min(40, max(8, round(2 * len(bits) ** 0.5))), color=_TOTAL)
    axes.axvline(float(np.mean(bits)), color=_COST, label=f"mean {np.mean(bits):.3f}")
    axes.set_xlabel("bits/dim of one image")
    axes.set_ylabel("images")
    axes.legend()
    return figure


def points(x: Float[np.ndarray, "n 2"], bits: Float[np.ndarray, " n"]) -> Figure:
    """Points of the plane, colored by the bits that they take."""
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    drawn = axes.scatter(*x.T, c=bits, s=9, cmap="viridis")
    figure.colorbar(drawn, ax=axes, label="bits/dim", shrink=0.8)
    return figure
