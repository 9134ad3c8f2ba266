"""Pictures of samples, curves of training, and moving pictures.

matplotlib is imported only if a figure is drawn.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Num
from PIL import Image

from gradlog.sde_lib import GaussianPath
from gradlog.storage.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMALLEST_SIDE = 480  # pixels: pictures of small images are enlarged to it
_GIF_COLORS = 64  # enough for a plot, and a third of the bytes
_MASK_COLOR = np.array([0, 114, 178], np.uint8)
_MASK_MILLISECONDS = 120  # a frame


def save_samples(path: Path, x: Num[np.ndarray, "n *D"], levels: int | None) -> None:
    """Save a square grid of images, a scatter of points in the plane, or histograms of vectors.

    Args:
      path: a PNG file.
      x: samples in the data's own units.
      levels: of quantized data; None for continuous data, which are scaled to their range.
    """
    if x.ndim == 4 and x.shape[-1] in (1, 3):
        _save_png(path, image_grid(to_bytes(x, levels)))
    elif x.ndim == 2 and x.shape[1] == 2:
        save_figure(path, _scatter(x))
    else:
        save_figure(path, _histograms(x.reshape(len(x), -1)))


def save_encodings(
    path: Path,
    x: Num[np.ndarray, "n *D"],
    latents: Num[np.ndarray, "n *D"],
    restored: Num[np.ndarray, "n *D"],
    levels: int | None,
) -> None:
    """Save originals, latents (scaled to their range) and reconstructions side by side.

    Data that are not images are points in the plane of their first and last coordinate.
    """
    if x.ndim == 4 and x.shape[-1] in (1, 3):
        scaled = (to_bytes(x, levels), to_bytes(latents, None), to_bytes(restored, levels))
        save_triples(path, *scaled, levels=256)
        return
    figure = _figure(12, 4)
    named = {"data": x, "latents": latents, "reconstructions": restored}
    for i, (name, points) in enumerate(named.items(), start=1):
        flat, axes = points.reshape(len(points), -1), figure.add_subplot(1, 3, i)
        axes.plot(flat[:, 0], flat[:, -1], ".", markersize=3)
        axes.set_title(name)
    save_figure(path, figure)


def save_triples(
    path: Path,
    known: Num[np.ndarray, "n h w c"],
    x: Num[np.ndarray, "n h w c"],
    originals: Num[np.ndarray, "n h w c"],
    levels: int | None,
) -> None:
    """Save images side by side: the known part, the sample, the original; several to a row.

    Args:
      path: a PNG file.
      known: the known part of each, in the units of the data, like the others.
      x: samples.
      originals: of the known parts.
      levels: of quantized data; None for continuous data, which are scaled to their range.
    """
    rows = np.stack([known, x, originals], axis=1).reshape(-1, *x.shape[1:])
    columns = 3 * int(np.ceil(np.sqrt(len(x) / 3)))
    _save_png(path, image_grid(to_bytes(rows, levels), columns))


def to_bytes(x: Num[np.ndarray, "*n"], levels: int | None) -> np.ndarray:
    """Return levels, or the range of continuous data, spread over 0 .. 255."""
    low, high = (0, levels - 1) if levels else (float(np.min(x)), float(np.max(x)))
    scaled = (x.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def image_grid(images: np.ndarray, columns: int = 0) -> np.ndarray:
    """Return ``(n, H, W, C)`` bytes as one picture, as square as n allows, with thin lines between.

    A row has ``columns`` images; 0 stands for as many as there are rows.
    """
    n, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    zoom = max(1, -(-_SMALLEST_SIDE // (columns * width)))
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    gap = max(1, zoom // 3)
    cell = np.full(
        (rows * columns, height * zoom + gap, width * zoom + gap, channels), 96, np.uint8
    )
    cell[:n, gap:, gap:] = images
    cell = cell.reshape(rows, columns, *cell.shape[1:]).swapaxes(1, 2)
    grid = cell.reshape(rows * cell.shape[1], columns * cell.shape[3], channels)
    return np.pad(grid, ((0, gap), (0, gap), (0, 0)), constant_values=96)


def curves(records: list[dict[str, Any]]) -> "Figure":
    """Draw training and held-out loss over steps, from the records of ``metrics.jsonl``."""
    figure = _figure(7, 4)
    axes = figure.add_subplot()
    for name, label in (("loss", "training"), ("held_out_loss", "held out")):
        points = [(r["step"], r[name]) for r in records if r.get(name) is not None]
        if points:
            axes.plot(
                *zip(*points, strict=True), label=label, marker="." if len(points) < 40 else ""
            )
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats / dimension)")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
        highest = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
        axes.set_ylim(top=np.quantile(highest, 0.97) * 1.05)
    return figure


def draw_schedule_maps(process: GaussianPath) -> "Figure":
    """Draw gamma, minus the log-SNR, of each dimension of images at five times.

    Maps show differences to the mean over dimensions; channels are averaged.
    """
    times = np.linspace(0, 1, 5)
    gamma = np.stack([np.asarray(2 * process.log_rho(t)) for t in times])
    means = gamma.mean(axis=(1, 2, 3))
    maps = gamma.mean(axis=3) - means[:, None, None]
    largest = max(np.abs(maps).max(), 1e-3)
    figure = _figure(11, 2.6)
    for i, t in enumerate(times):
        axes = figure.add_subplot(1, len(times), i + 1)
        image = axes.imshow(maps[i], cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_title(f"t = {t:g}: mean {means[i]:.2f}")
        axes.set_xticks([])
        axes.set_yticks([])
    figure.colorbar(image, ax=figure.axes, label="gamma - mean", shrink=0.8)
    return figure


def _figure(width: float, height: float) -> "Figure":
    """Return an empty figure; its size is in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _scatter(x: Num[np.ndarray, "n 2"]) -> "Figure":
    figure = _figure(5, 5)
    axes = figure.add_subplot(aspect="equal")
    axes.plot(*x.T, ".", markersize=2)
    axes.set_title(f"{len(x)} samples")
    return figure


def _histograms(x: Num[np.ndarray, "n d"]) -> "Figure":
    shown = min(x.shape[1], 9)
    figure = _figure(8, 6)
    for i in range(shown):
        axes = figure.add_subplot(3, 3, i + 1)
        axes.hist(x[:, i], bins=50)
        axes.set_title(f"dimension {i}")
    return figure


def save_figure(path: Path, figure: "Figure") -> None:
    """Save a figure as a PNG file of 256 colors, a third of the bytes of all colors."""
    picture = render(figure).quantize(256, dither=Image.Dither.NONE)
    with atomic(path) as file:
        picture.save(file, "PNG", optimize=True)


def render(figure: "Figure") -> Image.Image:
    """Return the pixels of a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def save_unmasking(path: Path, states: Int[np.ndarray, "n frames h w c"], levels: int) -> None:
    """Save a GIF of images of tokens, in which masks are blue until they are filled."""
    frames = []
    for x in np.moveaxis(states, 1, 0):
        shown = np.where(x == levels, _MASK_COLOR, to_bytes(np.minimum(x, levels - 1), levels))
        frames.append(Image.fromarray(image_grid(shown)))
    save_gif(path, frames, _MASK_MILLISECONDS)


def save_gif(path: Path, frames: Iterable[Image.Image], milliseconds: int) -> None:
    """Save pictures of one size as a GIF that repeats, in the colors of the first and the last.

    Args:
      path: the file.
      frames: the pictures.
      milliseconds: the time of each picture.

    Raises:
      ValueError: there is no picture.
    """
    frames = list(frames)
    if not frames:
        raise ValueError("a moving picture needs at least one frame")
    ends = np.concatenate([np.asarray(frames[i]) for i in (0, -1)])
    palette = Image.fromarray(ends).quantize(_GIF_COLORS)
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    with atomic(path) as file:
        first.save(
            file,
            "GIF",
            save_all=True,
            append_images=others,
            duration=milliseconds,
            loop=0,
            optimize=True,
        )


def _save_png(path: Path, picture: np.ndarray) -> None:
    with atomic(path) as file:
        Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(
            file, "PNG"
        )
