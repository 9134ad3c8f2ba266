"""Found by every Python process that a page's commands start: makes theirs small."""

import os
import sys

if os.environ.get("SMALL") and len(sys.orig_argv) > 1 and sys.orig_argv[1].endswith(".py"):
    sys.path[:0] = [os.getcwd(), os.path.dirname(__file__)]
    import rules

    sys.argv[:] = rules.small(sys.orig_argv[1:])
    del sys.path[:2]
