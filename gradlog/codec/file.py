"""The format of a compressed file.

``gradlog``, a byte for the version of the format, the length of the header and its CRC-32 (four
bytes each, little-endian as everything), the header in JSON by zlib, and the blocks one after the
other. A block is the CRC-32 of all that follows in it, the CRC-32 of its images, 8 bits of the
CRC-32 of each image, and its words. The header has the sizes of all blocks: damage to one leaves
the others readable.

An image is called sound only if all three agree. Damage keeps the CRC-32 of a block with a
probability of 2^-32, and wrong images keep theirs with 2^-32. The 8 bits name the first image that
was decoded otherwise: a wrong image keeps them with 1/256, and then the next one is named.
"""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from gradlog.codec.base import Block, Tokens
from gradlog.config_error import UserError

MAGIC, VERSION = b"gradlog", 2
_START, _CRC, _CRCS = struct.Struct("<7sBII"), struct.Struct("<I"), struct.Struct("<II")
Images = Shaped[np.ndarray, "n *D"]


class CodeError(UserError, ValueError):
    """A compressed file is damaged, or cannot be decoded here.

    Attributes:
      images: all images, zero where one is lost; None if nothing was decoded.
      recovered: which of the images are as they were.
    """

    def __init__(
        self,
        message: str,
        images: Images | None = None,
        recovered: Bool[np.ndarray, " n"] | None = None,
    ):
        super().__init__(message)
        self.images, self.recovered = images, recovered


@dataclass(frozen=True)
class Checks:
    """Checksums of the images of a block.

    Attributes:
      together: the CRC-32 of all of them.
      each: 8 bits of the CRC-32 of each.
    """

    together: int
    each: bytes

    @classmethod
    def of(cls, images: Images) -> "Checks":
        """Return the checksums of images."""
        each = bytes(zlib.crc32(image.tobytes()) & 0xFF for image in images)
        return cls(zlib.crc32(images.tobytes()), each)


@dataclass(frozen=True)
class Part:
    """A block in a file.

    Attributes:
      images: the number of its images.
      block, checks: its contents; None if they are damaged.
    """

    images: int
    block: Block | None = None
    checks: Checks | None = None


def write_code(
    header: Mapping[str, Any], blocks: Sequence[Block], checks: Sequence[Checks]
) -> bytes:
    """Return the bytes of a file."""
    sizes = [(block.images, len(block.words), block.base) for block in blocks]
    text = json.dumps({**header, "blocks": sizes}, separators=(",", ":"))
    packed = zlib.compress(text.encode(), 9)
    parts = [_START.pack(MAGIC, VERSION, len(packed), zlib.crc32(packed)), packed]
    for block, check in zip(blocks, checks, strict=True):
        body = _CRC.pack(check.together) + check.each + block.words.astype("<u4").tobytes()
        parts += [_CRC.pack(zlib.crc32(body)), body]
    return b"".join(parts)


def read_code(data: bytes) -> tuple[dict[str, Any], list[Part], bool]:
    """Return the header, the blocks, and whether the file has the length that it should have.

    Raises:
      CodeError: it is no such file, has another format, or its header is damaged.
    """
    if len(data) < _START.size or not data.startswith(MAGIC):
        raise CodeError("it is no compressed file of Gradlog, or its first bytes are damaged")
    _, version, length, crc = _START.unpack_from(data)
    at = _START.size + length
    if version != VERSION:
        raise CodeError(f"it has format {version}, and this version of Gradlog reads {VERSION}")
    packed = data[_START.size : at]
    if zlib.crc32(packed) != crc or len(packed) != length:
        raise CodeError("its header is damaged, so no image can be recovered")
    try:  # a header of zeros passes: the CRC-32 of no bytes is zero
        header, parts = json.loads(zlib.decompress(packed)), []
    except zlib.error as error:
        raise CodeError("its header is damaged, so no image can be recovered") from error
    for images, words, base in header.pop("blocks"):
        end = at + _CRCS.size + images + 4 * words
        block = data[at:end]
        parts.append(_read_block(block, images, base) if len(block) == end - at else Part(images))
        at = end
    return header, parts, len(data) == at


def _read_block(data: bytes, images: int, base: int) -> Part:
    own, together = _CRCS.unpack_from(data)
    if zlib.crc32(data[_CRC.size :]) != own:
        return Part(images)
    start = _CRCS.size + images
    words = np.frombuffer(data, "<u4", offset=start).astype(np.uint32)
    return Part(images, Block(images, words, base), Checks(together, data[_CRCS.size : start]))


def join_images(
    parts: Sequence[Part],
    decoded: Sequence[Tokens | None],
    shape: tuple[int, ...],
    dtype: np.dtype,
    complete: bool,
) -> Images:
    """Return the images of a file, which have the checksums of the originals.

    Args:
      parts: the blocks of the file.
      decoded: what the codec made of them.
      shape: of an image.
      dtype: of the numbers of the images that were compressed.
      complete: whether the file has the length that it should have.

    Raises:
      CodeError: some images are lost, or the file goes on after its end.
    """
    starts = np.cumsum([0, *(part.images for part in parts)])
    images = np.zeros((starts[-1], *shape), dtype)
    recovered = np.zeros(len(images), bool)
    damaged, otherwise = [], []
    for part, tokens, start in zip(parts, decoded, starts, strict=False):
        if part.checks is None or tokens is None:
            damaged.append(f"{start} to {start + part.images - 1}")
            continue
        found = tokens.astype(dtype).reshape(-1, *shape)
        checks = Checks.of(found)
        if checks == part.checks:
            images[start : start + part.images] = found
            recovered[start : start + part.images] = True
        else:
            differ = np.not_equal(list(checks.each), list(part.checks.each))
            first, last = start, start + part.images - 1
            otherwise.append(
                f"{first + np.argmax(differ)}" if any(differ) else f"{first} to {last}"
            )
    problems = []
    if damaged:
        problems.append(f"it is damaged where it holds the images {', '.join(damaged)}")
    if otherwise:
        problems.append(
            f"it was not decoded as it was encoded at the images {', '.join(otherwise)}"
        )
    if not complete and not damaged:
        problems.append("bytes follow after its end")
    if problems:
        left = f"{recovered.sum()} of {len(images)} images are sound"
        raise CodeError(f"{'; '.join(problems)}; {left}", images, recovered)
    return images
