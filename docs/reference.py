"""The reference pages of the site: written from the docstrings and from configs/default.py."""

import ast
import importlib
from pathlib import Path

from gradlog.experiment import keys

# In the order in which they are wanted.
ROOMS = (
    *("run", "sde_lib", "oracles", "solvers", "models", "data", "losses", "likelihood", "sampling"),
    *("theory", "evaluation", "training", "storage", "hosts", "studies", "sweeps", "reports"),
    "terminal",
)
_PAGE = """# `{room}`

```{{eval-rst}}
{modules}
```
"""
_MODULE = """.. automodule:: {name}
   :members:
"""
_ITS_OWN = "   :imported-members:\n"
_COLON = "\ua789"  # looks like one; stands for one until napoleon has passed
_INDEX = """# API

The public names of each room, from their docstrings. A room imports only rooms below it;
`tests/test_imports.py` has the order.

| room | |
|---|---|
{rows}

```{{toctree}}
:hidden:

{names}
```
"""
_KEYS = """# Every key of a configuration

From the comments of `configs/default.py`. Each can be overridden on the command line by
`--config.KEY=VALUE`; `python main.py --help` shows the same, and with `--config=FILE` that file's
values. Empty texts and zeros stand for "not given".
"""


def write(docs: Path) -> None:
    """Writes ``api/`` and ``config_keys.md``; files that are as they should be stay untouched."""
    folder = docs / "api"
    folder.mkdir(exist_ok=True)
    rooms = {room: _head(docs.parent / room / "__init__.py") for room in ROOMS}
    for room in rooms:
        modules = "\n".join(_modules(docs.parent / room))
        _put(folder / f"{room}.md", _PAGE.format(room=room, modules=modules))
    rows = "\n".join(f"| [`{room}`]({room}.md) | {head} |" for room, head in rooms.items())
    _put(folder / "index.md", _INDEX.format(rows=rows, names="\n".join(rooms)))
    _put(docs / "config_keys.md", keys_page())


def keys_page() -> str:
    """Every key with its default and meaning, a table for each section."""
    return _KEYS + "".join(_section(name) for name in keys.sections())


def _section(name: str) -> str:
    rows = "\n".join(
        f"| `{key.name}` | `{key.default!r}` | {key.meaning.replace('|', chr(92) + '|')} |"
        for key in keys.in_section(name)
    )
    title = f"`{name}`" if name else "At the top"
    return f"\n## {title}\n\n| key | default | meaning |\n|---|---|---|\n{rows}\n"


def as_sentence(app, what, name, obj, options, lines: list[str]) -> None:
    """Keeps napoleon, which comes next, from taking a property's words for its type."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(":", _COLON)


def as_rst(app, what, name, obj, options, lines: list[str]) -> None:
    """Takes the stars and bars of a docstring for themselves: they are products and norms there.

    What stands between backticks, one or two, is code and stays as it is.
    """
    parts = "\n".join(lines).replace("``", "`").split("`")
    parts[::2] = [_escaped(part) for part in parts[::2]]
    lines[:] = "``".join(parts).replace(_COLON, ":").split("\n")


def _escaped(words: str) -> str:
    return words.replace("*", r"\*").replace("|", r"\|").replace("_ ", r"\_ ")


def as_words(app, what, name, obj, options, signature: str | None, returned: str | None):
    """The signature, in which arrays have the name by which one asks for them."""
    return tuple(
        part and part.replace("jaxlib._jax.Array", "Array") for part in (signature, returned)
    )


def _modules(room: Path) -> list[str]:
    """What shows a room: the names that it makes its own, or where it has none, its modules."""
    if "__all__" in (room / "__init__.py").read_text():
        _settle(room.name)
        return [_MODULE.format(name=room.name) + _ITS_OWN]
    files = sorted(room.glob("[!_]*.py"))
    return [
        _MODULE.format(name=name) for name in [room.name, *(f"{room.name}.{f.stem}" for f in files)]
    ]


def _settle(name: str) -> None:
    """Gives a room those names that it would import when they are first asked for."""
    room = importlib.import_module(name)
    vars(room).update({public: getattr(room, public) for public in room.__all__})


def _head(file: Path) -> str:
    """The first line of a room's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def _put(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)
