"""Images as data URIs: a page needs no file beside it."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

_LARGEST = 960  # pixels of a side: wider than a page shows


def uri_of_file(path: Path) -> str:
    """Of a picture's file, made smaller where it is larger than a page shows.

    Raises:
      OSError: it cannot be read, or is no picture.
      ValueError: it is damaged.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return _uri(_fitting(picture))
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


def _fitting(picture: Image.Image) -> Image.Image:
    """No larger than a page shows."""
    if max(picture.size) <= _LARGEST:
        return picture
    smaller = picture.convert("RGB")
    smaller.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    return smaller


def uri_of_bytes(image: np.ndarray) -> str:
    """Of an image ``(H, W, C)`` of bytes."""
    return _uri(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image))


def _uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
