"""The keys of a configuration with their meaning, read from the comments of ``default.py``."""

import ast
import inspect
import io
import itertools
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ml_collections import ConfigDict

from gradlog.configs import default

_CHOICE = re.compile(r"'([A-Za-z]\w*)'")


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
      name: with its section, 'training.steps'.
      default: its value in ``default.py``.
      meaning: what it says, in words.
    """

    name: str
    default: Any
    meaning: str

    @property
    def section(self) -> str:
        """'training' of 'training.steps'; '' of a key without one."""
        return self.name.rpartition(".")[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """Values that its meaning names in quotes, its default first; () where it is not text."""
        if not isinstance(self.default, str):
            return ()
        named = _CHOICE.findall(self.meaning)
        return tuple(dict.fromkeys(filter(None, [self.default, *named] if named else [])))


@cache
def keys() -> Mapping[str, Key]:
    """Every key by its name, in the order of ``default.py``."""
    meanings, values = _meanings(inspect.getsource(default)), dict(flat(default.get_config()))
    return {name: Key(name, values[name], meanings.get(name, "")) for name in meanings | values}


def in_section(section: str) -> list[Key]:
    """The keys of a section; of '' those that are in none."""
    return [key for key in keys().values() if key.section == section]


@cache
def sections() -> Mapping[str, str]:
    """What each section is about, by its name, in the order of ``default.py``; '' is in none."""
    functions = _functions(ast.parse(inspect.getsource(default)))
    about = {
        name: ast.get_docstring(functions[value.func.id]) or ""
        for name, value in _assigned(functions)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
    }
    return {name: about.get(name, "") for name in dict.fromkeys(k.section for k in keys().values())}


def flat(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a configuration by its dotted name, with its value."""
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _meanings(source: str) -> dict[str, str]:
    """By name of the key: the comment above it and on its line."""
    comments = _comments(source)
    return {
        name: _comment_of(first, last, comments) for name, first, last in _places(ast.parse(source))
    }


def _comments(source: str) -> dict[int, tuple[bool, str]]:
    """By line: whether it holds nothing else, and the comment."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (token.line.lstrip().startswith("#"), token.string.lstrip("# "))
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _comment_of(first: int, last: int, comments: dict[int, tuple[bool, str]]) -> str:
    above = []
    line = first - 1
    while comments.get(line, (False, ""))[0]:
        above.insert(0, comments[line][1])
        line -= 1
    beside = [comments[line][1] for line in range(first, last + 1) if line in comments]
    return " ".join([*above, *beside])


def _functions(module: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


def _assigned(functions: Mapping[str, ast.FunctionDef]) -> Iterator[tuple[str, ast.expr]]:
    """What ``get_config`` assigns to each attribute of the configuration."""
    for node in functions["get_config"].body:
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=value):
                yield name, value


def _places(module: ast.Module) -> Iterator[tuple[str, int, int]]:
    """The name, first and last line of each key: an assignment or an entry of a dictionary."""
    functions = _functions(module)
    for name, value in _assigned(functions):
        entries = list(_entries(value, functions))
        yield from ((f"{name}.{key}", first, last) for key, first, last in entries)
        if not entries:
            yield name, value.lineno, value.end_lineno or value.lineno


def _entries(
    value: ast.expr, functions: Mapping[str, ast.FunctionDef]
) -> Iterator[tuple[str, int, int]]:
    """Of the dictionary in an expression, or in the function that it calls."""
    inside: list[ast.AST] = [value]
    match value:
        case ast.Call(func=ast.Name(id=name)) if name in functions:
            inside = list(functions[name].body)
    found = (node for each in inside for node in ast.walk(each) if isinstance(node, ast.Dict))
    for node in itertools.islice(found, 1):
        for key, item in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), key.lineno, item.end_lineno or item.lineno
