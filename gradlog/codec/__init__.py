"""Coders that spend the bits of a likelihood: images become words, and words images again."""

from gradlog.codec.ans import (
    Categorical as Categorical,
    Even as Even,
    GridNormal as GridNormal,
    Law as Law,
    NotFiniteError as NotFiniteError,
    Stack as Stack,
    check_installed as check_installed,
)
from gradlog.codec.base import Block as Block, Codec as Codec, Progress as Progress
from gradlog.codec.bits_back import BitsBack as BitsBack
from gradlog.codec.file import (
    Checks as Checks,
    CodeError as CodeError,
    Part as Part,
    join_images as join_images,
    read_code as read_code,
    write_code as write_code,
)
from gradlog.codec.masked import MaskedTokens as MaskedTokens
