"""Files of data as they should not be: of every kind that is read, damaged, odd or hostile."""

import io
import tarfile
import zipfile
from random import Random

import numpy as np
from flax.serialization import msgpack_restore, msgpack_serialize
from PIL import Image
from values import damaged

DTYPES = (
    *("uint8", "int8", "uint16", "int64", "float16", "float32", "float64", ">f4", "bool"),
    *("complex64", "U3", "S2", "object", "M8[s]", "V4", "i4,f4", "longdouble"),
)
SHAPES = (
    *((20, 2), (20, 2), (5, 2), (2,), (1, 2), (0, 2), (), (20, 8, 8, 1), (20, 8, 8), (20, 7, 9, 3)),
    *((20, 3, 8, 8), (20, 2, 0), (1,) * 7, (3, 1, 1, 1)),
)
ODD_NAMES = ("../outside.npy", "/tmp/absolute.npy", "x.npy", "x.npy", "folder/", "ü.npy", "x", "")


def array(random: Random) -> np.ndarray:
    """Of some type and shape, with NaN or infinity at times."""
    shape, dtype = random.choice(SHAPES), np.dtype(random.choice(DTYPES))
    numbers = np.random.default_rng(random.randrange(2**32)).normal(0, 3, shape)
    if numbers.size and random.random() < 0.2:
        numbers[(0,) * numbers.ndim] = random.choice((np.nan, np.inf, 1e300, -1))
    if dtype.kind in "ub":
        numbers = np.abs(np.nan_to_num(numbers)) % 17
    with np.errstate(all="ignore"):
        if dtype.kind in "OMV":
            return np.full(shape, None) if dtype.kind == "O" else np.zeros(shape, dtype)
        return np.asarray(numbers).astype(dtype)


def npy(random: Random) -> bytes:
    """A file of one array; at times its header claims another."""
    buffer = io.BytesIO()
    np.save(buffer, array(random), allow_pickle=True)
    content = buffer.getvalue()
    if random.random() < 0.2:
        claim = random.choice(("(10**15,)", "(999999999999, 9)", "(-1, 2)", "(2.0,)", "[" * 40))
        start = content.find(b"(")
        content = content[:start] + claim.encode() + content[start + len(claim) :]
    return damaged(random, content) if random.random() < 0.3 else content


def npz(random: Random, names: tuple[str, ...] = ("x", "train", "test", "images", "y")) -> bytes:
    """An archive of some arrays, or of other things."""
    buffer = io.BytesIO()
    packing = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name in random.sample(names, random.randint(0, 3)):
            archive.writestr(f"{name}.npy", npy(random))
        if random.random() < 0.2:
            archive.writestr(random.choice(ODD_NAMES) or "empty", npy(random))
    content = buffer.getvalue()
    return damaged(random, content) if random.random() < 0.3 else content


def arrays(random: Random) -> bytes:
    """An .npy or an .npz file, or neither."""
    return random.choice((npy, npz, npz, lambda random: random.randbytes(50)))(random)


def picture(random: Random) -> tuple[str, bytes]:
    """An image file with the ending of its kind, or of another."""
    mode = random.choice(("L", "RGB", "RGB", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16", "F"))
    size = random.choice(((8, 8), (8, 8), (8, 8), (9, 7), (1, 1), (64, 2)))
    kind = random.choice(("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"))
    buffer = io.BytesIO()
    try:
        Image.new(mode, size).save(buffer, kind)
    except (OSError, ValueError):  # it cannot hold that mode
        Image.new("RGB", size).save(buffer, kind)
    content = buffer.getvalue()
    if kind == "png" and random.random() < 0.1:
        content = content[:16] + b"\0\1\0\0\0\1\0\0" + content[24:]  # it claims 65536 squared
    if random.random() < 0.4:
        content = damaged(random, content)
    return random.choice((kind, kind, kind, "png", "jpg")), content


def tar(random: Random, members: dict[str, bytes]) -> bytes:
    """A .tar.gz of these members, some of which may be something else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            _add(archive, random, name, content)
        if random.random() < 0.3:
            _add(archive, random, random.choice(("../outside", "/tmp/absolute", "ü")), b"text")
    content = buffer.getvalue()
    return damaged(random, content) if random.random() < 0.3 else content


def _add(archive: tarfile.TarFile, random: Random, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    if random.random() < 0.1:
        entry.type = random.choice(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE)
        )
        entry.linkname = random.choice(("/etc/passwd", "../outside", name, "nowhere"))
        archive.addfile(entry)
        return
    if random.random() < 0.1:
        content = damaged(random, content)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def checkpoint(random: Random, whole: bytes) -> bytes:
    """An official checkpoint, some places of which hold something else."""
    tree = msgpack_restore(whole)
    for _ in range(random.randint(0, 2)):
        branch, key = _place(random, tree)
        value = random.choice(
            (None, -1, 2**40, 10**400 % 2**63, float("nan"), "text", b"x", [], {}, array(random))
        )
        if random.random() < 0.2:
            del branch[key]
        elif isinstance(branch[key], np.ndarray) and random.random() < 0.5:
            branch[key] = random.choice(
                (branch[key] * np.nan, branch[key].astype("float64"), branch[key][None])
            )
        else:
            branch[random.choice((key, "other"))] = value
    try:
        content = msgpack_serialize(tree)
    except (ValueError, TypeError, AttributeError):  # flax cannot write it, so no one can have
        content = whole
    return damaged(random, content) if random.random() < 0.3 else content


def _place(random: Random, tree: dict):
    """Somewhere in a tree: a dictionary that is not empty, and a key of it."""
    key = random.choice(sorted(tree, key=str))
    inner = tree[key]
    if isinstance(inner, dict) and inner and random.random() < 0.85:
        return _place(random, inner)
    return tree, key
