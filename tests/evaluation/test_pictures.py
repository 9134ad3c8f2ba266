"""Pictures show their data, and are pictures."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gradlog.evaluation.pictures import (
    curves,
    image_grid,
    render,
    save_figure,
    save_gif,
    save_samples,
    save_unmasking,
    to_bytes,
)


def test_levels_are_spread_over_bytes():
    got = to_bytes(np.arange(17, dtype=np.uint8), 17)
    assert got.dtype == np.uint8
    assert (got[0], got[8], got[16]) == (0, 128, 255)
    assert np.all(np.abs(np.diff(got.astype(int)) - 255 / 16) < 1)
    np.testing.assert_array_equal(to_bytes(np.arange(256, dtype=np.uint8), 256), np.arange(256))


def test_continuous_data_is_scaled_to_its_range():
    np.testing.assert_array_equal(to_bytes(np.array([-2.0, 0.5, 3.0]), None), [0, 128, 255])
    np.testing.assert_array_equal(to_bytes(np.array([1.0, 1.0]), None), [0, 0])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 13])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_of_a_grid_is_in_its_cell(n, channels):
    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, size=(n, 8, 6, channels)).astype(np.uint8)
    grid = image_grid(images)
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    # The picture is rows of cells, each a gap and an image enlarged by a whole number.
    zoom = max(1, -(-480 // (columns * 6)))
    gap = max(1, zoom // 3)
    height, width = 8 * zoom + gap, 6 * zoom + gap
    assert grid.shape == (rows * height + gap, columns * width + gap, channels)
    for i in range(n):
        top, left = i // columns * height + gap, i % columns * width + gap
        cell = grid[top : top + 8 * zoom : zoom, left : left + 6 * zoom : zoom]
        np.testing.assert_array_equal(cell, images[i])


def read(path):
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG"
        return picture


@pytest.mark.parametrize(
    ("shape", "levels"),
    [((5, 4, 4, 1), 17), ((5, 4, 4, 3), 256), ((50, 2), None), ((50, 12), None)],
)
def test_samples_of_every_kind_become_a_picture(tmp_path, shape, levels):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) if levels is None else rng.integers(0, levels, shape, np.uint16)
    save_samples(tmp_path / "samples.png", x, levels)
    picture = read(tmp_path / "samples.png")
    assert min(picture.size) >= 320
    assert np.ptp(np.asarray(picture)) > 100


def test_a_saved_grid_is_the_grid(tmp_path):
    x = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1)
    save_samples(tmp_path / "samples.png", x, 32)
    want = image_grid(to_bytes(x, 32))[..., 0]
    np.testing.assert_array_equal(np.asarray(read(tmp_path / "samples.png")), want)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"step": 1, "loss": 2.0}],
        [{"step": i, "loss": 2.0 / i, "held_out_loss": None} for i in range(1, 60)],
        [{"step": 1, "loss": 2.0, "held_out_loss": 2.5}, {"step": 2, "held_out_loss": 2.0}],
    ],
)
def test_curves_become_a_picture(tmp_path, records):
    save_figure(tmp_path / "curves.png", curves(records))
    assert min(read(tmp_path / "curves.png").size) >= 320


def squares(count):
    for i in range(count):
        figure = Figure(figsize=(1, 1), dpi=40, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(0, count), ylim=(0, 1))
        axes.fill_between([i, i + 1], 0, 1, color=(1, 0, 0))
        yield figure


def test_frames_are_shown_in_order_at_the_pace_asked_for(tmp_path):
    save_gif(tmp_path / "a.gif", map(render, squares(4)), 120)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (4, (40, 40), 0)
        for i in range(4):
            gif.seek(i)
            assert gif.info["duration"] == 120
            red = np.asarray(gif.convert("RGB"))[20, :, 1] < 100
            assert np.flatnonzero(red).mean() == pytest.approx(10 * i + 4.5, abs=1)


def test_masks_are_blue_until_they_are_filled(tmp_path):
    states = np.full((1, 3, 2, 1, 1), 5)  # a column of two pixels, with 5 levels
    states[:, 1:, 0] = 4
    states[:, 2, 1] = 0
    save_unmasking(tmp_path / "a.gif", states, levels=5)
    with Image.open(tmp_path / "a.gif") as gif:
        width, height = gif.size
        for i, colors in enumerate([("blue", "blue"), ("white", "blue"), ("white", "black")]):
            gif.seek(i)
            for j, name in enumerate(colors):
                place = width // 2, height // 4 + j * height // 2
                expected = {"blue": (0, 114, 178), "white": (255,) * 3, "black": (0,) * 3}[name]
                assert np.abs(np.subtract(gif.convert("RGB").getpixel(place), expected)).max() < 8


def test_no_frame_is_an_error_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        save_gif(tmp_path / "a.gif", [], 100)
    assert list(tmp_path.iterdir()) == []
