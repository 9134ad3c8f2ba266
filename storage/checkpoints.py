"""Checkpoints of training states, by Orbax."""

from pathlib import Path
from typing import Any

import jax
import numpy as np


class CheckpointError(ValueError):
    """A checkpoint that was asked for is not there, or does not fit."""


class Checkpoints:
    """The checkpoints of one run, by step, in ``directory``.

    Arrays are stored as they are and come back bit for bit, as NumPy arrays, whatever devices they
    were on. The newest ``keep`` are kept; all for 0.
    """

    def __init__(self, directory: Path, keep: int = 0):
        import orbax.checkpoint as ocp

        self._directory = directory
        self._args = ocp.args
        options = ocp.CheckpointManagerOptions(max_to_keep=keep or None, create=True)
        self._manager = ocp.CheckpointManager(
            directory.absolute(), options=options, item_handlers=ocp.StandardCheckpointHandler()
        )

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, in order."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The newest step, if there is any."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Starts writing the state; a step that is already there is left as it is."""
        if step not in self._manager.all_steps():
            arrays = jax.tree.map(np.asarray, jax.device_get(state))
            self._manager.save(step, args=self._args.StandardSave(arrays))

    def restore(self, step: int, like: Any) -> Any:
        """The state of a step, with the structure, shapes and types of ``like``.

        Raises:
          CheckpointError: there is no such step, or its arrays are others.
        """
        if step not in self._manager.all_steps():
            raise CheckpointError(
                f"no checkpoint of step {step} in {self._directory}; there are {self.steps()}"
            )
        try:
            self._check(step, like)
            template = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
            return self._manager.restore(step, args=self._args.StandardRestore(template))
        except (ValueError, KeyError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(
                f"the checkpoint of step {step} in {self._directory} does not fit this model: "
                f"{reason}"
            ) from error

    def _check(self, step: int, like: Any) -> None:
        """Orbax casts another type and returns another shape, both without a word."""
        metadata = self._manager.item_metadata(step)
        if metadata is None or metadata.tree is None:
            raise ValueError("it is damaged, or half deleted")
        found, wanted = _layout(metadata.tree), _layout(like)
        for name in sorted(found.keys() | wanted.keys()):
            there, here = found.get(name, "nothing"), wanted.get(name, "nothing")
            if there != here:
                raise ValueError(f"{name} is {there} there, {here} here")

    def finish(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, and releases what the manager holds."""
        self._manager.close()


def _layout(tree: Any) -> dict[str, str]:
    """Type and shape of every array by the name of its place."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{leaf.dtype} {tuple(leaf.shape)}"
        for path, leaf in leaves
    }
