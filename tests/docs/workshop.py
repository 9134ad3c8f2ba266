"""A copy of the repository in which the documentation's commands may do what they like.

It has what the pages take to be there: `runs/digits`, a finished run of the demo; in the home
folder `pictures/` and `images.npz`; files of other codes under the names that they are
published by, small ones.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboardX.proto import graph_pb2

from gradlog.evaluation.quality.features.inception import weights
from tests.docs.pages import ROOT
from tests.docs.small.rules import shortened
from tests.evaluation import inception_weights

SMALL = ROOT / "tests" / "docs" / "small"
NOT_COPIED = (".git", ".venv", "runs", ".jax_cache", ".hypothesis", "_build", "__pycache__")
NOT_COPIED += (".pytest_cache", ".ruff_cache", "golden")
STAMPS = (".installed", ".installed-dev", ".installed-docs")  # of the Makefile
PREVIEWS = ("--config.training.eval_every=2", "--config.training.sample_every=2")
DIGITS = (
    ("--config=configs/digits.py", "--mode=train", *PREVIEWS),
    ("--mode=eval",),
    ("--mode=sample",),
)


def make_repository(place: Path) -> Path:
    """A copy with shortened sweeps and an environment that looks installed."""
    shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for file in (place / "configs" / "sweeps").glob("[!_]*.py"):
        shortened(file)
    (place / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (place / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for stamp in STAMPS:
        (place / ".venv" / stamp).touch()
    make_home(place / "home")
    make_published(place)
    for arguments in DIGITS:
        main(place, "--workdir=runs/digits", *arguments)
    return place


def make_home(home: Path) -> None:
    """Pictures of several sizes and the digits, as a user might have them."""
    random = np.random.default_rng(0)
    (home / "pictures").mkdir(parents=True)
    for number, size in enumerate(range(20, 44)):
        pixels = random.integers(0, 256, (size, 64 - size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(home / "pictures" / f"{number}.jpg")
    images = random.integers(0, 17, (60, 8, 8), dtype=np.uint8)
    np.savez(home / "images.npz", images=images, labels=np.arange(60) % 10)
    np.save(home / "points.npy", random.normal(size=(200, 2)))


def make_published(place: Path) -> None:
    """`checkpoint_26` of score_sde, and Inception's `inception-2015-12-05.tgz`."""
    shutil.copy(ROOT / "tests" / "golden" / "checkpoint_1", place / "checkpoint_26")
    archive = place.parent / "inception-2015-12-05.tgz"  # 90 MB: a link in copies of the place
    make_inception(archive)
    (place / archive.name).symlink_to(archive)


def make_inception(archive: Path) -> None:
    """TensorFlow's graph with weights of the right shapes."""
    graph = graph_pb2.GraphDef()  # pyright: ignore[reportAttributeAccessIssue]
    for path, shape in weights.variable_shapes().items():
        node = graph.node.add(name=weights.graph_name(path[1:]), op="Const")
        tensor = node.attr["value"].tensor
        tensor.dtype = 1  # float32
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        array = inception_weights.weight(weights.torch_name(path[1:]), shape)
        tensor.tensor_content = array.astype("<f4").tobytes()
    content = graph.SerializeToString()
    info = tarfile.TarInfo("./classify_image_graph_def.pb")
    info.size = len(content)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.addfile(info, io.BytesIO(content))


def environment(place: Path) -> dict[str, str]:
    """Of every command: small, dry where packages are installed, without colors."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "HOME": str(place / "home"),
        "PATH": path,
        "PYTHONPATH": str(SMALL),
        "SMALL": "1",
        "PIP_DRY_RUN": "1",
        "PIP_NO_DEPS": "1",
        "NO_COLOR": "1",
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".jax_cache" / "docs"),
    }


def main(place: Path, *arguments: str) -> None:
    """``main.py`` there; it must succeed."""
    done = subprocess.run(
        ["python", "main.py", *arguments],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
