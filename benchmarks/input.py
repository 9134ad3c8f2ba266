"""Measure how many images a second each source of data gives, alone and under training.

python benchmarks/input.py [--images=N] [--batch=N] [--json=FILE]

The images are smooth random colors, written to a temporary folder. Each source is read in batches,
in the order of training: an array in memory; a folder of PNG or JPEG files, decoded when they are
accessed; records of tensorflow-datasets. A folder of at most 4 GB is an array in memory instead,
once it is decoded.

- ``alone``: images/s of the batches alone.
- ``training``: images/s of a training whose step takes ``step ms`` for images that are in memory.
- ``overlap``: the time of reading and of the step, one after the other, divided by the time that
  the training takes. It is 1 if they take turns, and 2 at most.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import numpy as np
import optax
from PIL import Image

from benchmarks.common import read_flags, save, seconds_of, show
from gradlog.data import BatchStream, Source
from gradlog.data.folder import ImageFiles
from gradlog.data.image_files import read_image
from gradlog.data.prepare import Splits, prepare
from gradlog.data.records import open_records
from gradlog.losses import DenoisingScoreMatching, ScoreMatching, Sigma2, UniformTime
from gradlog.models import DiffusionModel, Noise, ScaledTime, Uniform
from gradlog.models.networks import MLP
from gradlog.sde_lib import VP
from gradlog.training import (
    MAPPINGS,
    ParallelStep,
    ParameterGroup,
    Plan,
    ScoreModelTraining,
    TrainStep,
    init_state,
    train,
)

SIZES = (32, 64, 256)
FORMATS = {"PNG": "png", "JPEG": "jpg"}


def make_images(count: int, size: int) -> np.ndarray:
    """Return smooth random colors: files of them are about as large as those of photographs."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, size // 4, size // 4, 3), np.uint8)
    large = [Image.fromarray(each).resize((size, size), Image.Resampling.BICUBIC) for each in small]
    return np.stack([np.asarray(each) for each in large])


def make_sources(folder: Path, images: np.ndarray) -> dict[str, Source]:
    """Return the sources by name, of images of one size."""
    size = images.shape[1]
    sources: dict[str, Source] = {"array": images}
    for name, suffix in FORMATS.items():
        place = folder / f"{suffix}{size}"
        place.mkdir()
        files = [place / f"{number:05d}.{suffix}" for number in range(len(images))]
        for file, image in zip(files, images, strict=True):
            Image.fromarray(image).save(file)
        read = partial(read_image, image_size=0, channels=0)
        sources[f"folder, {name}"] = ImageFiles(files, read, like=files[0])
    parts = {"train": images, "test": images[:1]}

    def make_splits() -> Splits:
        return {
            name: lambda part=part: ((image, 0) for image in part) for name, part in parts.items()
        }

    shape = images.shape[1:]
    written = prepare(f"images{size}", folder, make_splits, shape=shape, num_classes=1)
    sources["records"] = open_records(
        f"images{size}", written, train_split="train", test_split="test", read_labels=False
    ).train
    return sources


def seconds_alone(source: Source, batch: int, steps: int) -> float:
    """Return the seconds of a batch, the median of three passes."""
    stream = BatchStream(source, batch, 0)
    return seconds_of(lambda: [stream[step] for step in range(steps)] and None, repeats=3) / steps


def make_training(shape: tuple[int, ...], batch: int) -> Callable[[Source, int], float]:
    """Return a function of a source and a number of steps: the seconds of a step of training."""
    model = DiffusionModel(VP(), MLP(hidden=16, num_layers=1), Noise(), ScaledTime(), Uniform(256))
    objective = ScoreMatching(DenoisingScoreMatching(), Sigma2(), UniformTime(), 1e-5)
    trainable = ScoreModelTraining(model, objective, shape)
    groups = {"network": ParameterGroup(optax.adam(1e-4))}
    step = ParallelStep(TrainStep(trainable, groups, batch), jax.random.key(1), MAPPINGS["pmap"]())
    initial = lambda: init_state(trainable.init(jax.random.key(0)), groups)  # noqa: E731

    def seconds(source: Source, steps: int) -> float:
        plan = Plan(steps, steps, steps, log=lambda *_: None, save=lambda *_: None)
        stream = BatchStream(source, batch, 0)
        run = lambda: train(step, step.initialize(initial), stream, plan)  # noqa: E731
        seconds_of(run)  # it compiles
        return seconds_of(run, repeats=3) / steps

    return seconds


def main() -> None:
    # So many images of 32 x 32, and fewer of larger ones.
    options = read_flags(__doc__ or "", images=2048, batch=128)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            count = max(options.batch, options.images * SIZES[0] // size)
            images, steps = make_images(count, size), count // options.batch
            seconds = make_training(images.shape[1:], options.batch)
            in_memory = seconds(images, steps)
            for name, source in make_sources(Path(folder), images).items():
                alone, training = (
                    seconds_alone(source, options.batch, steps),
                    seconds(source, steps),
                )
                rows.append(
                    {
                        "source": name,
                        "size": size,
                        "images_per_second": options.batch / alone,
                        "training_images_per_second": options.batch / training,
                        "step_milliseconds": 1e3 * in_memory,
                        "overlap": (alone + in_memory) / training,
                    }
                )
    columns = {
        "source": "{source}",
        "size": "{size}",
        "alone": "{images_per_second:,.0f}",
        "training": "{training_images_per_second:,.0f}",
        "step ms": "{step_milliseconds:.1f}",
        "overlap": "{overlap:.2f}",
    }
    show("images a second", columns, rows)
    save(options.json, {"batch_size": options.batch, "rows": rows})


if __name__ == "__main__":
    main()
