"""Values that no one means, and values that someone might."""

import ast
from random import Random

from gradlog.configs import default
from gradlog.experiment.loading import defaults

# As Python writes them in a config file.
WRONG = (
    *("None", "True", "'text'", "[]", "[1, 2]", "()", "(0,)", "(1.5,)", "('a',)", "{}"),
    *("{'a': 1}", "object()", "b'x'", "1j", "float('nan')", "float('inf')", "-float('inf')"),
    *("-1", "-1.0", "10**30", "2**31", "-2**63", "1e308", "1e-320", "'\\0'", "''", "1.5"),
    *("''.join(['x'] * 5000)", "10**5000", "lambda: 1", "int", "(1,) * 1000", "{1: 2}", "set()"),
)
WHOLE = ("0", "1", "2", "3", "5", "7")
REAL = ("0.0", "1e-45", "1e-6", "0.5", "0.999999", "1.0", "2.0", "1e6", "1e30")
TEXT = (
    "'vp'",
    "'ünï'",
    "'a\\nb'",
    "'../x'",
    "'~nobody/x'",
    "'/dev/null'",
    "'%s'",
    "'3,5'",
    "'all'",
)
HUGE = ("10**9", "2**31 - 1")
# On the command line all is text.
WORDS = (
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "-1",
        "0",
        "1",
        "2",
        "3",
        "7",
        "0.5",
        "1e308",
        "1e-320",
        "1.0",
    ),
    *("None", "true", "maybe", "()", "(1,", "1,2", "a,b", "[1]", "{}", "vp", "ünï", "a\nb", "../x"),
    *("~nobody/x", "/dev/null", "%s", "9" * 40, "9" * 5000, "0x10", "1_0", "--mode=eval", "٣"),
)
# Of these any number may be asked for, but not every number can be held.
HELD = {
    *(f"model.{name}" for name in ("nf", "hidden", "embedding", "num_classes")),
    *("data.num_train", "data.num_test", "data.dims", "training.batch_size", "eval.batch_size"),
    *("sampling.batch_size", "sampling.num_samples", "classifier.batch_size"),
}
DEFAULTS = defaults()
KEYS = sorted(DEFAULTS)
SECTIONS = sorted(key for key in default.get_config() if key not in KEYS)
_OF_TYPE: dict[type, tuple[str, ...]] = {
    bool: ("True", "False"),
    int: WHOLE,
    float: REAL,
    str: TEXT,
    tuple: ("(1,)", "(2, 1)"),
}


def expression(random: Random, key: str) -> str:
    """Of a value for a key, as often of its type as not."""
    likely = (*_OF_TYPE[type(DEFAULTS[key])], *(HUGE if key in HELD else ()))
    return random.choice(random.choice((likely, WRONG)))


def override(random: Random) -> str:
    """An argument such as ``--config.seed=x``, or nearly."""
    form = random.choice((*["--config.{}={}"] * 9, "-config.{}={}", "--config.{}", "--noconfig.{}"))
    if random.random() < 0.1:
        other = ("seedd", "sde.nmae", "seed.x", "", ".", "x[0]", "model.ch_mult.0")
        return form.format(random.choice((*SECTIONS, *other)), random.choice(WORDS))
    key = random.choice(KEYS)
    return form.format(
        key, random.choice((_as_argument(expression(random, key)), random.choice(WORDS)))
    )


def _as_argument(value: str) -> str:
    """An expression as it is written on the command line: text has no quotes there."""
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def damaged(random: Random, content: bytes) -> bytes:
    """Bytes changed, cut off, put in, repeated or taken from another place."""
    place, other = random.randint(0, len(content)), random.randint(0, len(content))
    noise = random.randbytes(random.randint(1, 8))
    return random.choice(
        (
            content[:place],
            content[place:],
            content[:place] + noise + content[place + len(noise) :],
            content[:place] + noise + content[place:],
            content[:place] + content[other:],
            _flipped(random, content),
        )
    )


def _flipped(random: Random, content: bytes) -> bytes:
    """One to four bits of it, anywhere."""
    changed = bytearray(content or b"\0")
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


JSON = (
    *(None, True, False, 0, 1, -1, 1.5, "text", "", [], [1], [1.5], ["a"], {}, {"a": 1}),
    *(float("nan"), float("inf"), 10**30, 1e308, -0.0, "\0", "ü", [[1]], {"": {}}),
)
