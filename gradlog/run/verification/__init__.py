"""Whether everything in a workdir is as it was written: from its files alone."""

from gradlog.run.verification.finding import DAMAGED, SOUND, UNFINISHED, Finding
from gradlog.run.verification.workdir import verify_workdir

__all__ = ["DAMAGED", "SOUND", "UNFINISHED", "Finding", "verify_workdir"]
