"""Draw docs/figures/path.png: the path of a likelihood, with the lines of the account on it."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

INK, SOFT, ACCENT = "#1c2733", "#7d8b99", "#1f6fb2"


def draw() -> Figure:
    """Return the figure: noise level from left to right, values of x from bottom to top."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axes = figure.add_subplot()
    t = np.linspace(0, 1, 300)
    blend = 1 / (1 + np.exp(-14 * (t - 0.45)))
    for start, end in ((1.1, 1.7), (0.9, 0.55), (-0.9, -0.5), (-1.1, -1.6)):
        x = 4 + 6 * t
        axes.plot(x, start + (end - start) * blend, color=SOFT, linewidth=1)
    axes.plot(4 + 6 * t, 1.0 + 0.1 * blend, color=ACCENT, linewidth=2.5)
    axes.plot([2, 4], [1.0, 1.0], color=ACCENT, linewidth=2.5, linestyle=":")
    axes.plot([0, 2], [1.0, 1.0], color=ACCENT, linewidth=2.5, linestyle=(0, (1, 2)))
    for x, name, below in (
        (0, "stored datum", "whole numbers"),
        (2, "$x_0$", "a point of the\nmodel's space"),
        (4, "$x_\\epsilon$", "time eps: the\nsmallest noise"),
        (10, "$x_T$", "time t_max:\nthe prior"),
    ):
        axes.plot([x, x], [-2.2, 2.6], color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
        axes.text(x, 2.75, name, ha="center", va="bottom", color=INK, fontsize=11)
        axes.text(x, -2.35, below, ha="center", va="top", color=SOFT, fontsize=9)
    for left, right, name, text in (
        (0, 2, "dequantization + units", "from levels to numbers"),
        (2, 4, "eps", "the first noise"),
        (4, 10, "divergence + volume", "integral of the divergence, and change of coordinates"),
    ):
        axes.annotate(
            "",
            (left + 0.04, 2.1),
            (right - 0.04, 2.1),
            arrowprops={"arrowstyle": "<->", "color": ACCENT},
        )
        middle = (left + right) / 2
        axes.text(middle, 2.2, name, ha="center", va="bottom", color=ACCENT, fontsize=10)
        axes.text(middle, 1.98, text, ha="center", va="top", color=SOFT, fontsize=9)
    values = np.linspace(-2, 2, 200)
    axes.plot(10 + 0.9 * np.exp(-(values**2) / 2), values, color=INK, linewidth=1.2)
    axes.text(10.98, 0.0, "prior", ha="left", va="center", color=ACCENT, fontsize=10)
    axes.set_xlim(-0.9, 11.7)
    axes.set_ylim(-3.1, 3.2)
    axes.axis("off")
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).with_name("path.png"), dpi=150)
