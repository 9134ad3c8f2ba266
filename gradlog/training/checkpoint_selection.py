"""Selection of checkpoints: the newest sound one, all sound ones, or those of the user."""

from collections.abc import Callable
from typing import TypeVar

from gradlog import terminal
from gradlog.distributed import broadcast, is_multihost, is_writer
from gradlog.storage import CheckpointError, Checkpoints, DamagedError, MissingError

Done = TypeVar("Done")


def select_checkpoints(checkpoints: Checkpoints, which: str = "") -> list[int]:
    """Return steps of checkpoints: the newest for '', every one for 'all', or a list like '1,2'.

    A damaged checkpoint is skipped with a warning, unless the user names it.

    Raises:
      CheckpointError: there is none, none is sound, a named one is missing, or the list cannot be
        read.
      DamagedError: a named checkpoint is damaged.
    """
    known = checkpoints.steps()
    if not known:
        raise CheckpointError(
            f"no checkpoint in {checkpoints.directory}; train first, with --mode=train"
        )
    if which == "":
        return [_newest_sound(checkpoints)]
    if which == "all":
        newest = _newest_sound(checkpoints)
        older = [step for step in checkpoints.steps() if step < newest]
        return [*(step for step in older if _is_sound(checkpoints, step)), newest]
    try:
        wanted = [int(step) for step in which.split(",")]
    except ValueError:
        raise CheckpointError(
            f"--steps={which}: give numbers, such as 100,200, or all; there are {known}"
        ) from None
    for step in wanted:
        if step not in known:
            raise CheckpointError(f"--steps: no checkpoint of step {step}; there are {known}")
        if complaint := _complaint(checkpoints, step):
            raise DamagedError(f"--steps: {complaint}")
    return list(dict.fromkeys(wanted))


def for_each_checkpoint(
    checkpoints: Checkpoints,
    which: str,
    do: Callable[[int], Done],
    check: Callable[[list[int]], object] = lambda steps: None,
) -> list[Done]:
    """Call ``do`` at each step of `select_checkpoints`, while a training may go on beside it.

    The training may delete a selected checkpoint before its turn. Of 'all' it is skipped with a
    note, and the newest one is selected again, once. Several hosts cannot skip independently of
    each other, so for them it is an error.

    Args:
      checkpoints: of the run.
      which: see `select_checkpoints`.
      do: is called with a step.
      check: is called with all steps first; it raises if they cannot be done.

    Raises:
      CheckpointError: see `select_checkpoints`; or a named checkpoint was deleted.
    """
    steps = select_checkpoints(checkpoints, which)
    check(steps)
    if is_multihost() or which not in ("", "all"):
        return [do(step) for step in steps]
    done = []
    for step in steps:
        try:
            done.append(do(step))
        except MissingError:
            _note_deleted(step)
    return done or [do(_newest_sound(checkpoints))]


def newest_to_train_from(checkpoints: Checkpoints) -> int | None:
    """Return the newest sound step, or None if there is no checkpoint.

    Damaged checkpoints that are newer are set aside, so that their steps can be written again.

    Raises:
      CheckpointError: there are checkpoints, and none is sound.
    """
    if broadcast(len(checkpoints.steps())) == 0:
        return None
    step = broadcast(_newest_sound(checkpoints))
    if is_writer():
        for damaged in [each for each in checkpoints.steps() if each > step]:
            terminal.say(f"set aside: {checkpoints.set_aside(damaged)}")
    return step


def _newest_sound(checkpoints: Checkpoints) -> int:
    """Return the newest sound step; warn of damaged ones that are newer."""
    damaged = []
    steps = checkpoints.steps()
    for step in reversed(steps):
        try:
            complaint = _complaint(checkpoints, step)
        except MissingError:
            continue
        if complaint is None:
            _warn(damaged, f"step {step} is used instead")
            return step
        damaged.append(complaint)
    if any(step > max(steps, default=-1) for step in checkpoints.steps()):
        return _newest_sound(checkpoints)  # a training beside this process has gone on
    raise CheckpointError(
        f"no checkpoint in {checkpoints.directory} is sound: "
        f"{'; '.join(damaged) or 'they were deleted'}; replace one by a copy, or move "
        "them elsewhere to train from the beginning"
    )


def _is_sound(checkpoints: Checkpoints, step: int) -> bool:
    try:
        complaint = _complaint(checkpoints, step)
    except MissingError:
        _note_deleted(step)
        return False
    _warn([complaint] if complaint else [], "it is skipped")
    return complaint is None


def _complaint(checkpoints: Checkpoints, step: int) -> str | None:
    """Return what is wrong with a checkpoint, or None."""
    with terminal.working(f"verifying the checkpoint of step {step}"):
        complaints = checkpoints.verify(step)
    if not complaints:
        return None
    more = f", and {len(complaints) - 1} more" if len(complaints) > 1 else ""
    return f"the checkpoint of step {step} is damaged: {complaints[0]}{more}"


def _note_deleted(step: int) -> None:
    terminal.say(f"note: the checkpoint of step {step} was deleted meanwhile; it is skipped")


def _warn(damaged: list[str], instead: str) -> None:
    for complaint in damaged:
        terminal.say(f"warning: {complaint}; {instead}")
