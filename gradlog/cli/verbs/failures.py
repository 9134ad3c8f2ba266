"""What verbs themselves find to have failed."""


class NoImageError(ValueError):
    """An estimator that succeeded on no image."""


class DamagedWorkdirError(ValueError):
    """A workdir in which not all is as it was written."""
