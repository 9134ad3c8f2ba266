"""Tolerances from counts of float32 operations, so that they hold on every processor.

Compilers order sums, fuse multiplications and approximate `exp` as the processor allows. A
tolerance that was measured on one machine fails on the next. These follow from the number of
roundings. Each rounding changes a number by at most `UNIT` of itself.
"""

import math
from typing import Any

import jax

UNIT = 2.0**-24  # of float32: half the distance from 1 to the next number


def chain(operations: int) -> float:
    """Return the largest relative difference that `operations` roundings in a row can make.

    For short formulas: all errors may have one sign. Count 1 for each + - * / and square root, 2
    for exp and log, and 6 for the other elementary functions. (Measured on CPU, under every
    instruction set: at most 1.4 and 1.9, and 5.4 for expm1.) Count both sides if both are in
    float32. Multiply by the size of the terms where they cancel, and by |x f'(x)| where an error of
    x passes through a function f.
    """
    return operations * UNIT


def sums(terms: int) -> float:
    """Return a tolerance of two float32 evaluations of sums of `terms` terms, of their size.

    For long sums and networks, where errors are as good as random. Partial sum k of n terms of
    random sign is about sqrt(k/n) of the result, and its rounding is uniform within `UNIT` of
    itself. In one evaluation, term after term, the errors have the standard deviation
    sqrt(n/2) UNIT / sqrt(3); the difference of two has sqrt(2) as much, and five of these are
    2.9 sqrt(n) UNIT. Vector instructions and trees of sums stay below it. The layers of a network
    add up their terms, see `terms_of`: a layer passes a relative error on in its size.
    """
    return 3 * math.sqrt(terms) * UNIT


def terms_of(variables: Any) -> int:
    """Return how many terms a network sums from its input to an output: all kernels' fan-ins."""
    return sum(
        math.prod(leaf.shape[:-1]) for leaf in jax.tree.leaves(variables) if len(leaf.shape) > 1
    )
