"""The run that a verb is about."""

from collections.abc import Callable

from ml_collections import ConfigDict

import terminal
from build import load_dataset, notes
from data import Dataset
from run import RunDirectory
from run.agreement import check_one_experiment
from verbs.options import Options
from wiring.compat import compat_notes


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
