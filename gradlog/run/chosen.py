"""Which checkpoints are meant: the newest sound one, all that are, or those that are named."""

from collections.abc import Callable
from typing import TypeVar

from gradlog import terminal
from gradlog.distributed import agreed, several, writes
from gradlog.storage import CheckpointError, Checkpoints, DamagedError, MissingError

Done = TypeVar("Done")
Check = Callable[[list[int]], object]


def any_step(steps: list[int]) -> None:
    """Finds nothing against any of them."""
    del steps


def chosen_steps(checkpoints: Checkpoints, which: str = "") -> list[int]:
    """Steps of checkpoints: the newest for '', every one for 'all', or a list such as '1,2'.

    One that is damaged is passed over with a warning, unless it is named.

    Raises:
      CheckpointError: there is none, none that is sound, not the one asked for, or the list cannot
        be read.
      DamagedError: one that is named is damaged.
    """
    known = checkpoints.steps()
    if not known:
        raise CheckpointError(
            f"no checkpoint in {checkpoints.directory}; train first, with --mode=train"
        )
    if which == "":
        return [_newest_sound(checkpoints)]
    if which == "all":
        return _all_sound(checkpoints)
    return _named(checkpoints, which, known)


def at_chosen(
    checkpoints: Checkpoints,
    which: str,
    do: Callable[[int], Done],
    check: Check = any_step,
) -> list[Done]:
    """What is done at each of the ``chosen_steps``, while a training may go on beside.

    That deletes some which were there when they were chosen: of all they are passed over with a
    note, and the newest is taken again, once. Several hosts cannot each pass over what it misses.

    Args:
      checkpoints: of the run.
      which: see ``chosen_steps``.
      do: what is done.
      check: raises, before anything is done, where it could not be done at all these steps.

    Raises:
      CheckpointError: see ``chosen_steps``; one that is named is no longer there.
    """
    steps = chosen_steps(checkpoints, which)
    check(steps)
    if several() or which not in ("", "all"):
        return [do(step) for step in steps]
    done = [each for step in steps for each in _unless_deleted(do, step)]
    return done or [do(_newest_sound(checkpoints))]


def _unless_deleted(do: Callable[[int], Done], step: int) -> list[Done]:
    try:
        return [do(step)]
    except MissingError:
        _pass_over(step)
        return []


def _pass_over(step: int) -> None:
    terminal.say(f"note: the checkpoint of step {step} was deleted meanwhile; it is passed over")


def newest_to_train_from(checkpoints: Checkpoints) -> int | None:
    """The newest sound step; None where there is no checkpoint.

    Damaged ones that are newer are set aside, so that their steps can be written again.

    Raises:
      CheckpointError: there are checkpoints, and none is sound.
    """
    if agreed(len(checkpoints.steps())) == 0:
        return None
    step = agreed(_newest_sound(checkpoints))
    if writes():
        for damaged in [each for each in checkpoints.steps() if each > step]:
            terminal.say(f"set aside: {checkpoints.set_aside(damaged)}")
    return step


def _newest_sound(checkpoints: Checkpoints) -> int:
    """Warns of those that are newer."""
    damaged = []
    steps = checkpoints.steps()
    for step in reversed(steps):
        try:
            complaint = _complaint(checkpoints, step)
        except MissingError:
            continue
        if complaint is None:
            _warn(damaged, f"step {step} is taken")
            return step
        damaged.append(complaint)
    if any(step > max(steps, default=-1) for step in checkpoints.steps()):
        return _newest_sound(checkpoints)  # a training beside has gone on
    raise CheckpointError(
        f"no checkpoint in {checkpoints.directory} is sound: "
        f"{'; '.join(damaged) or 'they were deleted'}; put a copy in the place of one, or move "
        "them elsewhere to begin again"
    )


def _all_sound(checkpoints: Checkpoints) -> list[int]:
    newest = _newest_sound(checkpoints)
    older = [step for step in checkpoints.steps() if step < newest]
    return [*(step for step in older if _is_taken(checkpoints, step)), newest]


def _is_taken(checkpoints: Checkpoints, step: int) -> bool:
    """Whether it is there and sound; else it is told."""
    try:
        complaint = _complaint(checkpoints, step)
    except MissingError:
        _pass_over(step)
        return False
    _warn([complaint] if complaint else [], "it is passed over")
    return complaint is None


def _named(checkpoints: Checkpoints, which: str, known: list[int]) -> list[int]:
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


def _complaint(checkpoints: Checkpoints, step: int) -> str | None:
    """What is wrong with a checkpoint, if anything is."""
    with terminal.working(f"verifying the checkpoint of step {step}"):
        complaints = checkpoints.verify(step)
    if not complaints:
        return None
    more = f", and {len(complaints) - 1} more" if len(complaints) > 1 else ""
    return f"the checkpoint of step {step} is damaged: {complaints[0]}{more}"


def _warn(damaged: list[str], instead: str) -> None:
    for complaint in damaged:
        terminal.say(f"warning: {complaint}; {instead}")
