"""What is said to whoever watches: lines, tables, and how far work is."""

from terminal.bars import COMPILING, Update, progress, working
from terminal.console import console, say

__all__ = ["COMPILING", "Update", "console", "progress", "say", "working"]
