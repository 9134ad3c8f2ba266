"""A reader of image files and folders of its own: no Pillow, and nothing of the product."""

import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np

ENDINGS = (".png", ".ppm", ".pgm")
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's color types


def files_below(root: Path) -> list[Path]:
    """Every picture below a folder, links followed, each place once; hidden names are left out."""
    found, places = [], set()
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith("."))
        here = os.path.realpath(folder)
        if here in places or "provenance.json" in files:
            names[:] = []
            continue
        places.add(here)
        for name in files:
            path = Path(folder, name)
            if path.exists() and not name.startswith(".") and path.suffix.lower() in ENDINGS:
                found.append(path)
    once = {os.path.realpath(path): path for path in found}
    return sorted(once.values())


def read_png(content: bytes) -> tuple[np.ndarray, int]:
    """The samples of a PNG file as stored, palettes applied, and its bits a sample."""
    chunks, place = {}, 8
    while place < len(content):
        (length,), kind = struct.unpack(">I", content[place : place + 4]), content[place + 4 :][:4]
        chunks[kind] = chunks.get(kind, b"") + content[place + 8 : place + 8 + length]
        place += 12 + length
    width, height, bits, color, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    channels = CHANNELS[color]
    pixel, row_bytes = max(bits * channels // 8, 1), -(-width * bits * channels // 8)
    raw, before, rows = zlib.decompress(chunks[b"IDAT"]), bytes(row_bytes), []
    for start in range(0, height * (row_bytes + 1), row_bytes + 1):
        before = _unfilter(raw[start], raw[start + 1 : start + 1 + row_bytes], before, pixel)
        rows.append(np.frombuffer(before, ">u2" if bits == 16 else np.uint8))
    samples = np.stack(rows)
    if bits < 8:
        each = np.unpackbits(samples, axis=1).reshape(height, -1, bits)
        samples = each[:, : width * channels] @ (1 << np.arange(bits)[::-1])
    samples = samples.reshape(height, width, channels)
    if color == 3:
        return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[samples[..., 0]], 8
    return samples, bits


def _unfilter(kind: int, row: bytes, above: bytes, pixel: int) -> bytes:
    """Undo one of PNG's five filters."""
    out = bytearray()
    for i, byte in enumerate(row):
        left = out[i - pixel] if i >= pixel else 0
        corner = above[i - pixel] if i >= pixel else 0
        guess = left + above[i] - corner
        nearest = min((abs(guess - x), n, x) for n, x in enumerate((left, above[i], corner)))[2]
        out.append((byte + (0, left, above[i], (left + above[i]) // 2, nearest)[kind]) % 256)
    return bytes(out)


def read_pnm(content: bytes) -> tuple[np.ndarray, int]:
    """The samples of a binary PGM or PPM file, and its largest value."""
    match = re.match(rb"P([56])\s(\d+)\s(\d+)\s(\d+)\s", content)
    kind, width, height, most = (int(group) for group in match.groups())
    channels, dtype = {5: 1, 6: 3}[kind], np.uint8 if most < 256 else ">u2"
    samples = np.frombuffer(content[match.end() :], dtype, width * height * channels)
    return samples.reshape(height, width, channels), most


def read_image(path: Path) -> np.ndarray | None:
    """The samples of a picture as 8 bits; None if it has more."""
    content = path.read_bytes()
    if content.startswith(b"P"):
        samples, most = read_pnm(content)
    else:
        samples, bits = read_png(content)
        most = 2**bits - 1
    if most > 255:
        return None
    return np.floor(samples * (255 / most) + 0.5).astype(np.uint8)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray | None:
    """The picture in gray or RGB, without transparency; 0 leaves it, None if it must not be."""
    colors, there = image[..., : image.shape[-1] - 1 + image.shape[-1] % 2], image.shape[-1]
    if channels == 0:
        return image if there in (1, 3) else None
    if channels == 3:
        return np.broadcast_to(colors, (*colors.shape[:2], 3))
    if colors.shape[-1] == 1:
        return colors
    luma = colors.astype(np.int64) @ [19595, 38470, 7471]  # ITU-R 601, in 1/65536
    return ((luma + 0x8000) >> 16)[..., None].astype(np.uint8)
