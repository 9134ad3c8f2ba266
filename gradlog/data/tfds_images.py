"""Image data sets of tensorflow-datasets that are prepared already, or that it can prepare.

Reading needs no TensorFlow, but preparing a stock data set does. Prepared data are found by their
folder, because tensorflow-datasets would try the network for minutes if the data are missing.
"""

import contextlib
import importlib.util
import io
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gradlog.data.dataset import DataError, Dataset
from gradlog.data.prepare import check_may_prepare, data_root
from gradlog.data.records import open_records

NAME = re.compile(r"(?P<base>\w+(?:/[\w.\-]+)?)(?::(?P<version>\d+\.\d+\.\d+))?")
VERSION = re.compile(r"\d+\.\d+\.\d+")
FORMAT = "array_record"
TIMEOUT_SECONDS = 5.0


def load_tfds(
    *,
    tfds_name: str = "",
    data_dir: str = "",
    train_split: str = "train",
    test_split: str = "test",
    read_labels: bool = False,
) -> Dataset:
    """Open images (H, W, C) of one size, which are read from record files when accessed.

    The one image feature, and the class label if there is just one, are found by their types.
    uint8 images have 256 levels, uint16 images 65,536.

    The first place to look, and the one to prepare, is `data_dir`; the second is $TFDS_DATA_DIR or
    ~/tensorflow_datasets. Of a name without a version the newest is taken. Labels are read at once,
    about 20,000 a second; only class-conditional models need them.

    Raises:
      DataError: the data are not prepared and TensorFlow or the network is missing, they are
        prepared in another format, or the images differ in size.
    """
    match = NAME.fullmatch(tfds_name)
    if not match:
        raise DataError(
            f"config.data.tfds_name = {tfds_name!r} is not a name such as 'mnist', "
            "'imagenet_resized/64x64' or 'mnist:3.0.1'"
        )
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    roots = [data_root(data_dir), Path(os.path.expanduser(default))]
    folder = _find(roots, match["base"], match["version"] or "*")
    if folder is None:
        check_may_prepare(tfds_name, roots[0])
        _prepare(tfds_name, roots)
        folder = _find(roots, match["base"], match["version"] or "*")
    if folder is None:
        raise DataError(f"{tfds_name} was prepared, but is not under {roots[0]}")
    return open_records(
        tfds_name,
        folder,
        train_split=train_split,
        test_split=test_split,
        read_labels=read_labels,
    )


def _find(roots: list[Path], base: str, version: str) -> Path | None:
    """Find the newest version in array_record format; None if there is no version at all."""
    other = None
    for root in roots:
        infos = (root / base).glob(f"{version}/dataset_info.json")
        versions = [info for info in infos if VERSION.fullmatch(info.parent.name)]
        for info in sorted(versions, key=_version_numbers, reverse=True):
            found = _file_format(info)
            if found == FORMAT:
                return info.parent
            other = (info.parent, found)
    if other is not None:
        raise DataError(
            f"{other[0]} is in {other[1]} format, which needs TensorFlow to read; prepare it in "
            f"another folder, with tfds.builder(name, file_format='{FORMAT}', data_dir=FOLDER)"
            ".download_and_prepare(), and set config.data.data_dir to that folder"
        )
    return None


def _version_numbers(info: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in info.parent.name.split("."))


def _file_format(info: Path) -> str:
    try:
        return json.loads(info.read_text("utf-8")).get("fileFormat", "tfrecord")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{info} cannot be read ({error}); prepare the data again") from error


def _prepare(tfds_name: str, roots: list[Path]) -> None:
    missing = f"{tfds_name} is not prepared under {' or '.join(map(str, roots))}"
    command = (
        f"tfds.builder({tfds_name!r}, file_format={FORMAT!r}, data_dir={str(roots[0])!r})"
        ".download_and_prepare()"
    )
    if importlib.util.find_spec("tensorflow") is None:
        raise DataError(f"{missing}; where TensorFlow is installed, run {command}")
    import tensorflow_datasets as tfds

    try:
        builder: Any = tfds.builder(tfds_name, file_format=FORMAT, data_dir=str(roots[0]))
        _reach_hosts(builder.url_infos or {})
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
            builder.download_and_prepare()
    # A stock builder may raise anything: unknown names, licenses to accept, broken links.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{missing}, and preparing it failed: {reason}") from error


def _reach_hosts(urls: Iterable[str]) -> None:
    """Fail within seconds if a host does not answer; tensorflow-datasets would try for minutes."""
    for url in {urlsplit(url).hostname: url for url in urls}.values():
        request = urllib.request.Request(url, method="HEAD")
        # An error status is an answer too.
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()
