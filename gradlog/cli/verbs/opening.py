"""The run that a verb is about."""

from collections.abc import Callable

from ml_collections import ConfigDict

from gradlog import terminal
from gradlog.cli.verbs.options import Options
from gradlog.data import Dataset
from gradlog.experiment.build import load_dataset, notes
from gradlog.experiment.compat import compat_notes
from gradlog.run import RunDirectory
from gradlog.run.agreement import check_one_experiment


def opened(
    options: Options,
    load: Callable[[ConfigDict], Dataset] = load_dataset,
    own: Callable[[RunDirectory], set[str]] = lambda run: set(),
) -> RunDirectory:
    """The run, with notes on what its configuration says and nothing reads.

    Args:
      options: names folder and configuration.
      load: where the data come from.
      own: keys that the verb itself reads.
    """
    with terminal.working("loading the data, building the model"):
        run = RunDirectory.open(options.workdir, options.config, options.overridden, load)
        check_one_experiment(run)
    unread = [key for key in options.overridden if key not in own(run)]
    found = compat_notes(options.config, run.config) if options.config else []
    for note in [*found, *notes(run.experiment, run.config, unread)]:
        terminal.say(f"note: {note}")
    return run
