"""Text of the user's own, as sequences of bytes or of characters."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt

from gradlog.data.dataset import (
    DataError,
    Dataset,
    describe_overlap,
    from_arrays,
    split_indices,
)
from gradlog.data.walk import Found, find_files

BYTES = 256
TOKENS = {"bytes": "byte", "characters": "char"}  # what a token is, and its name in the unit
UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"
ENDINGS = (".txt", ".md", ".rst", ".tex", ".csv", ".json", ".html", ".xml", ".py")
_BLOCK = 16  # sequences that stay together in a split


def load_text(
    *,
    path: str = "",
    test_path: str = "",
    tokens: str = "bytes",
    sequence_length: int = 256,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Load a file of text, or all text files below a folder, as sequences of tokens (length,).

    A token is a byte of UTF-8, of 256 levels, or a character: one of those of the training text, in
    the order of their code points. The last level stands for all other characters, so a text with
    many of them has too few bits; they are counted. The files of a folder are joined in the order
    of their names, with a line break between them, and cut into sequences; what is left at the end
    is too short. Without a test set, blocks of 16 sequences that follow each other are held out at
    random: single sequences would stand between their neighbors of the training set.

    Args:
      path: a file of text in UTF-8, or a folder, of which `ENDINGS` are read.
      test_path: the test set, likewise; '' holds out blocks of ``path``.
      tokens: 'bytes' or 'characters'.
      sequence_length: tokens of a sequence.
      test_fraction: share of the blocks that are held out, between 0 and 1.
      seed: seed of the split; 0 or more.

    Raises:
      DataError: a path is missing or holds no text, a file is not in UTF-8, a text is too short, or
        ``tokens`` is unknown.
    """
    if not path:
        raise DataError("config.data.path is empty; set it to a file or a folder of text")
    if sequence_length < 1:
        raise DataError(f"config.data.sequence_length = {sequence_length} must be 1 or more")
    if tokens not in TOKENS:
        raise DataError(
            f"config.data.tokens = {tokens!r} is unknown; choose one of {sorted(TOKENS)}"
        )
    read = _find(path)
    train, account = _cut(path, read, tokens, sequence_length)
    if test_path:
        read_for_test = _find(test_path)
        if both := {file.resolve() for file in read.files} & {
            file.resolve() for file in read_for_test.files
        }:
            raise DataError(
                f"{min(both)} is in config.data.path and in config.data.test_path; move the test "
                "text out of the folder of the training text"
            )
        test, of_test = _cut(test_path, read_for_test, tokens, sequence_length)
        account = f"{account}; for testing {of_test}"
    else:
        blocks = -(-len(train) // _BLOCK)
        if blocks < 2:
            raise DataError(
                f"{path} has {len(train)} sequence(s) of {sequence_length} {tokens}; a split needs "
                f"more than {_BLOCK}: name a config.data.test_path, a longer text, or a shorter "
                "config.data.sequence_length"
            )
        parts = split_indices(blocks, test_fraction=test_fraction, seed=seed)
        block_of = np.arange(len(train)) // _BLOCK
        train, test = (train[np.isin(block_of, part)] for part in parts)
        account += f"; split at random in blocks of {_BLOCK} sequences"
    levels, alphabet = BYTES, None
    if tokens == "characters":
        codes = np.unique(train)
        alphabet, levels = "".join(map(chr, codes)), len(codes) + 1
        account += f"; {len(codes):,} different characters in the training text"
        if unseen := np.count_nonzero(~np.isin(test, codes)):
            account += f"; {unseen:,} characters of the test text are none of them: one more token"
        train, test = (_number(part, codes) for part in (train, test))
    counts = f"{len(train):,} sequences for training and {len(test):,} for testing"
    account = f"{counts}, of {sequence_length:,} {tokens}, {account}"
    account = "; ".join(filter(None, [account, describe_overlap(train, test)]))
    return from_arrays(
        Path(path).name,
        train,
        test,
        levels=levels,
        alphabet=alphabet,
        unit=f"bits/{TOKENS[tokens]}",
        account=account,
    )


def decode_text(tokens: Int[np.ndarray, " length"], alphabet: str | None) -> str:
    """Return the text of a sequence; what is no text is shown as the replacement character.

    Args:
      tokens: numbers of characters, or bytes.
      alphabet: the characters; None for bytes.
    """
    if alphabet is None:
        return tokens.astype(np.uint8).tobytes().decode("utf-8", "replace")
    return "".join((alphabet + UNKNOWN_CHARACTER)[token] for token in tokens)


def number_texts(samples: Int[np.ndarray, "n length"], alphabet: str | None) -> str:
    """Return the texts of samples, each below a line with its number.

    Args:
      samples: numbers of characters, or bytes.
      alphabet: the characters; None for bytes.
    """
    texts = (decode_text(tokens, alphabet) for tokens in samples)
    return "".join(f"--- sample {i}\n{text}\n" for i, text in enumerate(texts))


def _number(
    characters: Int[np.ndarray, "n length"], codes: Int[np.ndarray, " m"]
) -> UInt[np.ndarray, "n length"]:
    """Return the place of each character among the codes, and their number for all others."""
    places = np.where(np.isin(characters, codes), np.searchsorted(codes, characters), len(codes))
    return places.astype(np.min_scalar_type(len(codes)))


def _is_generated(file: Path) -> bool:
    """Return whether a folder is no source, such as the ``_build`` of Sphinx."""
    return any(part.startswith("_") for part in file.parts[:-1])


def _find(path: str) -> Found:
    """Return the files of a text."""
    root = Path(path).expanduser()
    if root.is_dir():
        found = find_files(root, ENDINGS)
        inside = [file for file in found.files if not _is_generated(file.relative_to(root))]
        if generated := len(found.files) - len(inside):
            found.files = inside
            found.left_out["files in folders that begin with _"] += generated
    elif root.is_file():
        found = Found(files=[root])
    elif root.exists():  # a pipe would block, a device has no end
        raise DataError(f"config.data.path: {path} is not a regular file; name a file or a folder")
    else:
        raise DataError(f"config.data.path: there is no file or folder {path}")
    if not found.files:
        raise DataError(f"{path} holds no text: of a folder {', '.join(ENDINGS)} are read")
    return found


def _cut(
    path: str, found: Found, tokens: str, length: int
) -> tuple[UInt[np.ndarray, "n length"], str]:
    """Return the sequences of a text as bytes or code points, and what was read and left out."""
    joined = b"\n".join(map(_read_file, found.files))
    text = np.frombuffer(joined, np.uint8)
    if tokens == "characters":
        text = np.frombuffer(joined.decode("utf-8").encode("utf-32-le"), "<u4")
    count, rest = divmod(len(text), length)
    if count == 0:
        raise DataError(f"{path} has {len(text):,} {tokens}; one sequence needs {length:,}")
    left_out = found.count_left_out()
    if rest:
        left_out[f"{tokens} at the end, which are no whole sequence"] = rest
    account = f"from {len(found.files):,} file(s)"
    if zeros := joined.count(0):
        account += f"; warning: {zeros:,} bytes are 0, as in UTF-16 or in a file that is no text"
    if left_out:
        account += "; left out: " + ", ".join(f"{n:,} {kind}" for kind, n in left_out.items())
    return text[: count * length].reshape(count, length), account


def _read_file(file: Path) -> bytes:
    try:
        text = file.read_bytes()
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is no text in UTF-8 (byte {error.start:,}); save it in UTF-8, or move it out"
        ) from error
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error}); make it readable") from error
    return text
