"""Coders that spend the bits of a likelihood: images become words, and words images again."""

from gradlog.codec.ans import Categorical as Categorical
from gradlog.codec.ans import Even as Even
from gradlog.codec.ans import GridNormal as GridNormal
from gradlog.codec.ans import Law as Law
from gradlog.codec.ans import NotFiniteError as NotFiniteError
from gradlog.codec.ans import Stack as Stack
from gradlog.codec.ans import check_installed as check_installed
from gradlog.codec.base import Block as Block
from gradlog.codec.base import Codec as Codec
from gradlog.codec.base import Progress as Progress
from gradlog.codec.bits_back import BitsBack as BitsBack
from gradlog.codec.file import Checks as Checks
from gradlog.codec.file import CodeError as CodeError
from gradlog.codec.file import Part as Part
from gradlog.codec.file import join_images as join_images
from gradlog.codec.file import read_code as read_code
from gradlog.codec.file import write_code as write_code
from gradlog.codec.masked import MaskedTokens as MaskedTokens
