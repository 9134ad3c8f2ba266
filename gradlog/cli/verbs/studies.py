"""What theory claims, as pictures."""

from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.cli.verbs.opening import opened
from gradlog.cli.verbs.options import Options
from gradlog.experiment.reader import Reader
from gradlog.studies import STUDIES, Study


def study(options: Options) -> None:
    """Makes the pictures of ``config.study``, trained for if need be."""
    run = opened(options, own=lambda run: study_of(run.config)[1])
    with terminal.working(f"study {run.config.study.name}"):
        study_of(run.config)[0](run)


def study_of(config: ConfigDict) -> tuple[Study, set[str]]:
    """The study that ``config.study`` names, and the keys that it is made of.

    Raises:
      ConfigError: there is none of that name.
    """
    reader = Reader(config)
    return reader.choose("study", STUDIES), reader.keys_read
