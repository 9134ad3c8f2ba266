"""A run as an object: what the command line does, and what a notebook can do."""

from run.directory import RunDirectory

__all__ = ["RunDirectory"]
