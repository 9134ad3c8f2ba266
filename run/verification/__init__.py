"""Whether everything in a workdir is as it was written: from its files alone."""

from run.verification.finding import DAMAGED, SOUND, UNFINISHED, Finding
from run.verification.workdir import verify_workdir

__all__ = ["DAMAGED", "SOUND", "UNFINISHED", "Finding", "verify_workdir"]
