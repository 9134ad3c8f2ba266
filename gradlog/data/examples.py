"""Examples of a user alone, without a training set: a folder of images, or an array in a file."""

import functools
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from gradlog.data.array_files import open_arrays
from gradlog.data.dataset import DataError
from gradlog.data.files import choose_array, order_axes
from gradlog.data.folder import ImageFiles, ImageSets
from gradlog.data.image_files import ENDINGS, read_image
from gradlog.data.sets import list_names
from gradlog.data.walk import find_files


def read_examples(
    path: str | Path, shape: tuple[int, ...], *, image_size: int = 0, channels: int = 0, axes: str
) -> tuple[Shaped[np.ndarray, "n *shape"], str]:
    """Return all images of a folder in the order of their names, or the array of a file.

    Args:
      path: the folder, or an .npy or .npz file.
      shape: of an example: an array without its axis of channels gets it.
      image_size, channels: how images are read, see `read_image`.
      axes: 'NHWC' or 'NCHW', or '' if the shape of an array leaves no doubt.

    Returns:
      The examples, and what was read, left out and changed, in one line.

    Raises:
      DataError: nothing can be read there.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        found = find_files(path, ENDINGS)
        if not found.files:
            raise DataError(f"{path} holds no images")
        sets = ImageSets([found.files], "", found.num_files, found.count_left_out(), [])
        read = functools.partial(read_image, image_size=image_size, channels=channels)
        images = ImageFiles(found.files, read, like=found.files[0])
        account = [f"{len(images):,} images from {found.num_files:,} files"]
        account += sets.losses(image_size, channels)
        return images[np.arange(len(images))], "; ".join(account)
    with open_arrays(path) as arrays:
        name = choose_array(arrays, str(path), ("test", "validation", "train"))
        array, unread = arrays[name], [other for other in arrays if other != name]
    if not array.ndim:
        raise DataError(f"{path} holds a single number; (n, ...) for n examples is needed")
    account = f"{len(array):,} examples"
    if unread:
        account += f", from array {name!r}; left out: {len(unread)} array(s), {list_names(unread)}"
    if array.shape[1:] == shape:
        return array, account
    array = order_axes(array, str(path), axes)
    if array.shape[1:] == shape[:-1] and shape[-1:] == (1,):
        array = array[..., None]
    return array, account
