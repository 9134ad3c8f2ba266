"""Write the reference pages of the site, from the docstrings and from configs/default.py."""

import ast
from pathlib import Path

from gradlog.experiment import keys

# Modules by page, in the order in which readers need them. A page without modules shows a package.
PAGES: dict[str, tuple[str, ...]] = {
    "gradlog": ("experiment.run", "fitting", "experiment.build", "experiment.experiment"),
    "gradlog.sde_lib": (),
    "gradlog.models": (),
    "gradlog.models.networks": (),
    "gradlog.losses": (),
    "gradlog.sampling": (),
    "gradlog.likelihood": (),
    "gradlog.ode": (),
    "gradlog.distributions": (),
    "gradlog.data": (),
    "gradlog.theory": (),
    "gradlog.training": (),
    "gradlog.evaluation": (),
    "gradlog.storage": (),
    "gradlog.studies": (),
    "gradlog.sweeps": (),
    "gradlog.report": (),
    "gradlog.distributed": (),
    "gradlog.terminal": (),
}
_PAGE = """# `{name}`

```{{eval-rst}}
{modules}
```
"""
_MODULE = """.. automodule:: {name}
   :members:
"""
_COLON = "\ua789"  # looks like a colon, and replaces it until napoleon has run
_INDEX = """# API

The public names of each package, from their docstrings. A package imports only packages below it;
`tests/test_imports.py` has the order. You can import the names that you need first, such as `Run`,
`fit` and `VP`, from `gradlog` itself.

| module | contents |
|---|---|
{rows}

```{{toctree}}
:hidden:

{names}
```
"""
_KEYS = """# Every key of a configuration

This page lists all keys with their defaults and meanings, from the comments of
`configs/default.py`. You can override each key on the command line by `--config.KEY=VALUE`.
`python main.py --help` shows the same list, and with `--config=FILE` the values of that file. An
empty text or a zero means "not set".
"""


def write(docs: Path) -> None:
    """Write ``api/`` and ``config_keys.md``. Files whose text is right already stay untouched."""
    folder = docs / "api"
    folder.mkdir(exist_ok=True)
    root = docs.parent
    for name, chosen in PAGES.items():
        modules = "\n".join(_modules(root, name, chosen))
        _put(folder / f"{name}.md", _PAGE.format(name=name, modules=modules))
    rows = "\n".join(f"| [`{name}`]({name}.md) | {_summary(root, name)} |" for name in PAGES)
    _put(folder / "index.md", _INDEX.format(rows=rows, names="\n".join(PAGES)))
    _put(docs / "config_keys.md", keys_page())


def keys_page() -> str:
    """Return the page of every key with its default and meaning, with a table for each section."""
    return _KEYS + "".join(_section(name) for name in keys.sections())


def _section(name: str) -> str:
    rows = "\n".join(
        f"| `{key.name}` | `{key.default!r}` | {key.meaning.replace('|', chr(92) + '|')} |"
        for key in keys.keys_in_section(name)
    )
    title = f"`{name}`" if name else "At the top"
    return f"\n## {title}\n\n| key | default | meaning |\n|---|---|---|\n{rows}\n"


def protect_colons(app, what, name, obj, options, lines: list[str]) -> None:
    """Keep napoleon, which runs next, from reading a property's first words as its type."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(":", _COLON)


def escape_markup(app, what, name, obj, options, lines: list[str]) -> None:
    """Escape the stars and bars of a docstring, where they mean products and norms.

    Code between backticks, one or two, stays as it is.
    """
    parts = "\n".join(lines).replace("``", "`").split("`")
    parts[::2] = [_escape(part) for part in parts[::2]]
    lines[:] = "``".join(parts).replace(_COLON, ":").split("\n")


def _escape(text: str) -> str:
    return text.replace("*", r"\*").replace("|", r"\|").replace("_ ", r"\_ ")


def shorten_types(app, what, name, obj, options, signature: str | None, returned: str | None):
    """Return the signature with the public name of JAX's arrays."""
    return tuple(
        part and part.replace("jaxlib._jax.Array", "Array") for part in (signature, returned)
    )


def _modules(root: Path, name: str, chosen: tuple[str, ...]) -> list[str]:
    """Return the directives of a page: of the chosen modules, or of a package or module.

    A package that gathers names shows them, and another package shows its modules.
    """
    if chosen:
        return [_MODULE.format(name=f"{name}.{module}") for module in chosen]
    file = _file(root, name)
    if file.name != "__init__.py":
        return [_MODULE.format(name=name)]
    if "\nfrom gradlog" in (source := file.read_text()):
        names = public_names(source)
        return [_MODULE.format(name=name).replace(":members:", f":members: {', '.join(names)}")]
    modules = sorted(path.stem for path in file.parent.glob("[!_]*.py"))
    return [_MODULE.format(name=module) for module in [name, *(f"{name}.{m}" for m in modules)]]


def public_names(source: str) -> list[str]:
    """Return the names that a package takes from its modules, as ``import X as X``."""
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return [alias.asname for node in imports for alias in node.names if alias.asname]


def _file(root: Path, name: str) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _summary(root: Path, name: str) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(_file(root, name).read_text())) or "").partition("\n")[0]


def _put(file: Path, text: str) -> None:
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)
