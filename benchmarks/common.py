"""The flags, the clock, the table, the file of figures and the model that benchmarks share."""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradlog.experiment.loading import load_config, load_saved_config
from gradlog.experiment.run import Run
from gradlog.storage import write_json
from gradlog.terminal import Column, say, show_rows


def read_flags(about: str, arguments: list[str] | None = None, **defaults: Any):
    """Return the flags of a benchmark, which have the types of their defaults, and ``json``.

    A tuple is written with commas. ``json`` is the file for the figures; '' for none.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {**defaults, "json": ""}.items():
        if isinstance(default, bool):
            parser.add_argument(f"--{name}", action="store_true")
            continue
        kind: Any = type(default)
        if isinstance(default, tuple):
            one = type(default[0])
            kind = lambda text, one=one: tuple(one(part) for part in text.split(",") if part)  # noqa: E731
        parser.add_argument(f"--{name}", type=kind, default=default)
    return parser.parse_args(arguments)


def seconds_of(do: Callable[[], Any], repeats: int = 1) -> float:
    """Return the median time of some calls in a row, until their results are there."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(do())
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def take_turns(
    runs: Mapping[Any, Callable[[], Any]], blocks: int, steps: int = 1
) -> dict[Any, np.ndarray]:
    """Return the seconds of a step of each run in every block: (blocks, 2), time and CPU time.

    A block before the first one warms up.
    """
    seconds: dict[Any, list[np.ndarray]] = {name: [] for name in runs}
    now = lambda: np.array([time.perf_counter(), time.process_time()])  # noqa: E731
    for _ in range(blocks + 1):
        for name, run in runs.items():
            started = now()
            for _ in range(steps):  # the result may be given up to the next step:
                done = run()
            jax.block_until_ready(done)  # only the last is waited for
            seconds[name].append((now() - started) / steps)
    return {name: np.stack(each[1:]) for name, each in seconds.items()}


def show(title: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a table. Each column has a format of a row, such as '{seconds:.1f}'."""

    def cell(form: str) -> Callable[[Mapping[str, Any]], str]:
        return lambda row: form.format_map(row)

    show_rows(title, {Column(name): cell(form) for name, form in columns.items()}, rows)


def save(file: str, figures: Mapping[str, Any]) -> None:
    """Write the figures of a benchmark, with the device, if a file is named."""
    if file:
        device = jax.devices()[0].device_kind
        write_json(Path(file), {"device": device, **figures})
        say(f"wrote {file}")


def load_or_train(file: str, workdir: str) -> Run:
    """Return the run in a workdir. One without a model is trained by the config in ``file``."""
    if not Path(workdir, "checkpoints").is_dir():
        Run.open(workdir, load_config(file)).train()
    return Run.open(workdir, load_saved_config(Path(workdir, "config.json")))
