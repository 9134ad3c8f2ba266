"""The error of a command line that cannot be used."""

from gradlog.config_error import UserError


class UsageError(UserError, ValueError):
    """A command line that cannot be used. The message is one line that names the flag."""
