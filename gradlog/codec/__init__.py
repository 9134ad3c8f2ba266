"""Coders that spend the bits of a likelihood: images become words, and words images again."""

from gradlog.codec.ans import (
    Categorical,
    Even,
    GridNormal,
    Law,
    NotFiniteError,
    Stack,
    check_installed,
)
from gradlog.codec.base import Block, Codec, Progress
from gradlog.codec.bits_back import BitsBack
from gradlog.codec.file import Checks, CodeError, Part, join_images, read_code, write_code
from gradlog.codec.masked import MaskedTokens

__all__ = [
    "BitsBack",
    "Block",
    "Categorical",
    "Checks",
    "CodeError",
    "Codec",
    "Even",
    "GridNormal",
    "Law",
    "MaskedTokens",
    "NotFiniteError",
    "Part",
    "Progress",
    "Stack",
    "check_installed",
    "join_images",
    "read_code",
    "write_code",
]
