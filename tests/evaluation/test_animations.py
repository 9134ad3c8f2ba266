"""A moving picture has its frames, its pace and its colors."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gradlog.evaluation.animations import save_gif


def squares(count):
    for i in range(count):
        figure = Figure(figsize=(1, 1), dpi=40, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(0, count), ylim=(0, 1))
        axes.fill_between([i, i + 1], 0, 1, color=(1, 0, 0))
        yield figure


def test_frames_are_shown_in_order_at_the_pace_asked_for(tmp_path):
    save_gif(tmp_path / "a.gif", squares(4), 120)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (4, (40, 40), 0)
        for i in range(4):
            gif.seek(i)
            assert gif.info["duration"] == 120
            red = np.asarray(gif.convert("RGB"))[20, :, 1] < 100
            assert np.flatnonzero(red).mean() == pytest.approx(10 * i + 4.5, abs=1)


def test_no_figure_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="at least one figure"):
        save_gif(tmp_path / "a.gif", [], 100)
    assert list(tmp_path.iterdir()) == []
