"""A run as an object: what the command line does, and what a notebook can do."""

import os

# Before equinox is imported, which diffrax is made of. Its checks call back to Python where they
# fail, and a program that may do so is neither kept by JAX's compilation cache nor exported. With
# NaN in the place of that a solver's result is not finite, which is told of every example.
os.environ.setdefault("EQX_ON_ERROR", "nan")

from gradlog.run.directory import RunDirectory

__all__ = ["RunDirectory"]
