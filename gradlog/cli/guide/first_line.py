"""The first line of a command: what is about to be done, said before anything heavy is imported."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from gradlog.terminal import say


def say_first(mode: str, workdir: str, config: ConfigDict, which: str) -> None:
    """Says what is about to be done, in modes that take a while.

    Args:
      mode: one of ``modes.MODES``.
      workdir: the run's folder.
      config: its configuration.
      which: of the checkpoints; as ``--steps`` has it.
    """
    if mode in _DETAILS:
        folder = Path(workdir).expanduser() / "checkpoints"
        say(f"{mode} {workdir}: {_DETAILS[mode](config, _steps(folder), which)}")


def _steps(folder: Path) -> list[int]:
    """Of the checkpoints that are there, whether they are sound or not."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(path.name) for path in found if path.name.isdecimal())


def _training(config: ConfigDict, steps: list[int], which: str) -> str:
    del which
    begin = f"from step {steps[-1]}" if steps else "from the beginning"
    return f"{begin} to step {config.training.steps}"


def _estimates(config: ConfigDict, steps: list[int], which: str) -> str:
    names = config.eval.estimators or (config.likelihood.name,)
    return f"{_chosen(steps, which)}, by {', '.join(names)}"


def _samples(config: ConfigDict, steps: list[int], which: str) -> str:
    sampling = config.sampling
    return f"{_chosen(steps, which)}, {sampling.num_samples} samples by {sampling.name}"


def _quality(config: ConfigDict, steps: list[int], which: str) -> str:
    return f"{_chosen(steps, which)}, by the features of {config.quality.features}"


def _encodings(config: ConfigDict, steps: list[int], which: str) -> str:
    return f"{_chosen(steps, which)}, {config.sampling.num_samples} test data"


def _chosen(steps: list[int], which: str) -> str:
    if not steps:
        return "no checkpoint yet"
    if which == "all":
        return f"all {len(steps)} checkpoints"
    named = which.replace(",", ", ") or str(steps[-1])
    return f"step{'s' * (',' in which)} {named}"


_DETAILS: Mapping[str, Callable[[ConfigDict, list[int], str], str]] = {
    "train": _training,
    "eval": _estimates,
    "compare": _estimates,
    "classify": _estimates,
    "sample": _samples,
    "quality": _quality,
    "encode": _encodings,
}
