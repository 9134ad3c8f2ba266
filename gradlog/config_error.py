"""Errors that the user can mend. The command line reports each in one line."""


class UserError(Exception):
    """A mistake, a damaged file or a failed computation; the message says what to do."""


class UsageError(UserError, ValueError):
    """A command line that cannot be used; the message names the flag."""


class ConfigError(UserError, ValueError):
    """A configuration, or a part of it, cannot be used; the message names the key."""
