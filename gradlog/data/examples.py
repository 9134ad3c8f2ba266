"""Examples of a user alone, without a training set: a folder of images, or an array in a file."""

import functools
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from gradlog.data.array_files import open_arrays
from gradlog.data.dataset import DataError
from gradlog.data.files import choose_array, order_axes
from gradlog.data.folder import ImageFiles
from gradlog.data.image_files import ENDINGS, read_image
from gradlog.data.walk import find_files


def read_examples(
    path: str | Path, shape: tuple[int, ...], *, image_size: int = 0, channels: int = 0, axes: str
) -> Shaped[np.ndarray, "n *shape"]:
    """Return all images of a folder in the order of their names, or the array of a file.

    Args:
      path: the folder, or an .npy or .npz file.
      shape: of an example: an array without its axis of channels gets it.
      image_size, channels: how images are read, see `read_image`.
      axes: 'NHWC' or 'NCHW', or '' if the shape of an array leaves no doubt.

    Raises:
      DataError: nothing can be read there.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        files = find_files(path, ENDINGS).files
        if not files:
            raise DataError(f"{path} holds no images")
        read = functools.partial(read_image, image_size=image_size, channels=channels)
        return ImageFiles(files, read, like=files[0])[np.arange(len(files))]
    with open_arrays(path) as arrays:
        array = arrays[choose_array(arrays, str(path), ("test", "validation", "train"))]
    if array.shape[1:] == shape:
        return array
    array = order_axes(array, str(path), axes)
    return array[..., None] if array.shape[1:] == shape[:-1] and shape[-1:] == (1,) else array
