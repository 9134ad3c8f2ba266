"""What is said to whoever watches: lines, tables, and how far work is."""

from gradlog.terminal.bars import COMPILING, Update, progress, working
from gradlog.terminal.console import console, say

__all__ = ["COMPILING", "Update", "console", "progress", "say", "working"]
