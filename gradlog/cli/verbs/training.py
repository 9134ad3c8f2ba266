"""Training in a workdir."""

from gradlog.cli.verbs.opening import opened
from gradlog.cli.verbs.options import Options


def train(options: Options) -> None:
    """Trains, from where the workdir is."""
    opened(options).train()


def classifier(options: Options) -> None:
    """Trains the classifier of noisy data in the workdir, from where it is."""
    opened(options).classifier.train()
