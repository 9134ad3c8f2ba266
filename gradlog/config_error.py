"""The error of a configuration that cannot be used."""


class ConfigError(ValueError):
    """A configuration, or a part of it, cannot be used; the message names the key."""
