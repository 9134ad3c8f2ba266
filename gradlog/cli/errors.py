"""Errors of the command line, each reported in one line."""


class UsageError(ValueError):
    """A command line that cannot be used. The message is one line that names the flag."""


class NoImageError(ValueError):
    """An estimator that succeeded on no image."""


class DamagedWorkdirError(ValueError):
    """A workdir with a file that is damaged or cannot be read."""
