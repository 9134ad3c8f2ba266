"""Which checkpoints are meant: the newest sound one, all that are, or those that are named."""

from evaluation import terminal
from hosts import agreed, writes
from storage import CheckpointError, Checkpoints, DamagedError


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
    for step in reversed(checkpoints.steps()):
        complaint = _complaint(checkpoints, step)
        if complaint is None:
            _warn(damaged, f"step {step} is taken")
            return step
        damaged.append(complaint)
    raise CheckpointError(
        f"no checkpoint in {checkpoints.directory} is sound: {'; '.join(damaged)}; put a copy in "
        "the place of one, or move them elsewhere to begin again"
    )


def _all_sound(checkpoints: Checkpoints) -> list[int]:
    newest = _newest_sound(checkpoints)
    older = {step: _complaint(checkpoints, step) for step in checkpoints.steps() if step < newest}
    _warn([complaint for complaint in older.values() if complaint], "it is passed over")
    return [*(step for step, complaint in older.items() if complaint is None), newest]


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
    complaints = checkpoints.verify(step)
    if not complaints:
        return None
    more = f", and {len(complaints) - 1} more" if len(complaints) > 1 else ""
    return f"the checkpoint of step {step} is damaged: {complaints[0]}{more}"


def _warn(damaged: list[str], instead: str) -> None:
    for complaint in damaged:
        terminal.say(f"warning: {complaint}; {instead}")
