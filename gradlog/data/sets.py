"""Find the training set and the test set among named parts: folders, or arrays of a file.

A part whose name is known is a set. An unknown part beside a known one is asked about, because
test data that are mixed into the training data make every number too good.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from gradlog.data.dataset import DataError

TRAIN, TEST, VALIDATION = "train", "test", "validation"
_WORDS = {
    **dict.fromkeys(("train", "training", "trains", "trn"), TRAIN),
    **dict.fromkeys(("test", "testing", "tests", "tst"), TEST),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval"), VALIDATION),
}
# Words that may stand beside these in the name of a set: 'x_train', 'Test-Images', 'val2017'.
_BESIDE = {"", "x", "set", "data", "dataset", "split", "image", "images", "img", "imgs"}
_TWO_WORDS = re.compile(f"({'|'.join(_WORDS)})({'|'.join(filter(None, {*_BESIDE, *_WORDS}))})")
_MOST_NAMES = 10


@dataclass(frozen=True)
class Sets:
    """The names of the parts that are the two sets, and of those that are left out."""

    train: str
    test: str
    left_out: tuple[str, ...]


def roles_in(name: str) -> set[str]:
    """Return the sets that the words of a name speak of.

    >>> sorted(roles_in("x_train")), sorted(roles_in("testA")), sorted(roles_in("devices"))
    (['train'], ['test'], [])
    """
    return {_WORDS[word] for word in words_of_sets(name)}


def words_of_sets(name: str) -> list[str]:
    """Return the words of a name that speak of a set, such as 'val', in small letters."""
    return [word for word in _split(name) if word in _WORDS]


def role_of(name: str) -> str | None:
    """Return the set that a name means; None if it has other words.

    >>> role_of("Train"), role_of("X_valid"), role_of("train_station")
    ('train', 'validation', None)
    """
    roles = roles_in(name)
    others = {word for word in _split(name) if word not in _WORDS}
    return roles.pop() if len(roles) == 1 and others <= _BESIDE else None


def _split(name: str) -> list[str]:
    """Return the words of 'test_set', 'TestSet', 'testset', 'test2017' or 'TEST' in small letters.

    >>> _split("TestSet"), _split("trainval"), _split("testimony")
    (['test', 'set'], ['train', 'val'], ['testimony'])
    """
    plain = unicodedata.normalize("NFKC", name)
    words = [word.casefold() for word in re.findall(r"[^\W\d_]?[a-z]+|[^\W\d_]+", plain)]
    joined = (_TWO_WORDS.fullmatch(word) for word in words)
    pairs = zip(words, joined, strict=True)
    return [part for word, two in pairs for part in (two.groups() if two else (word,))]


def choose_sets(where: str, names: Sequence[str]) -> Sets | None:
    """Return the two sets among these parts; None if together they are one set.

    If there are three sets, the validation set is left out.

    Args:
      where: the folder or the file, for messages.
      names: of the parts that hold examples; '' stands for examples outside of all parts.

    Raises:
      DataError: a part is unknown beside one that is known, two have the same role, or there is no
        training set.
    """
    roles = {name: role for name in names if (role := role_of(name))}
    if not roles or len(names) == 1:
        return None
    of_role = {role: name for name, role in roles.items()}
    unclear = [name or "examples beside them" for name in names if name not in roles]
    if unclear or len(of_role) < len(roles) or TRAIN not in of_role:
        raise DataError(
            f"{where} holds {list_names([*roles, *unclear])}: a training set needs the name "
            "'train', its test set 'test' or 'val', and nothing else may lie beside them, for it "
            "might be mixed into either. Rename the sets, or move the others out; a class of such "
            "a name needs another name"
        )
    test = of_role.get(TEST, of_role.get(VALIDATION, ""))
    left_out = [name for name in roles if name not in (of_role[TRAIN], test)]
    return Sets(of_role[TRAIN], test, tuple(left_out))


def check_one_set(where: str, names: Sequence[str]) -> None:
    """Raise a DataError if names speak of several sets in a way that is not known."""
    speak = {name: roles for name in names if (roles := roles_in(name))}
    if len(set().union(*speak.values())) > 1:
        raise DataError(
            f"{where} holds {list_names(list(speak))}, which would be mixed into one set: name "
            "two of them 'train' and 'test' and move the others out, or choose one of them"
        )


def list_names(names: Sequence[str]) -> str:
    """Return names for a message, the first ten of many.

    >>> list_names(["train", "val"])
    "['train', 'val']"
    """
    if len(names) <= _MOST_NAMES:
        return str(list(names))
    return f"{list(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES:,} more"
