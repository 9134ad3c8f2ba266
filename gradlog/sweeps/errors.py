"""What can be wrong with a sweep: each is told in one line."""


class SweepError(ValueError):
    """A sweep that cannot be run; the message names its file or folder."""


class FailedRunsError(ValueError):
    """Runs of a sweep that have failed: told after all others are done."""
