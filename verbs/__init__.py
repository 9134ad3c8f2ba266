"""What the command line can do, each a short use of ``RunDirectory``."""

from verbs.errors import USER_ERRORS
from verbs.options import Options, UsageError
from verbs.running import keep_compilations, run_verb, verb

__all__ = ["USER_ERRORS", "Options", "UsageError", "keep_compilations", "run_verb", "verb"]
