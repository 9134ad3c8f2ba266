"""What the command line can do, each a short use of ``RunDirectory``.

The errors that are told in one line, ``verbs.errors.USER_ERRORS``, are those of many rooms: they
are imported where one has come.
"""

from gradlog.cli.verbs.options import Options, SweepOptions, UsageError
from gradlog.cli.verbs.running import run_verb, verb

__all__ = ["Options", "SweepOptions", "UsageError", "run_verb", "verb"]
