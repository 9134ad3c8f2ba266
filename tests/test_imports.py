"""The order of the packages, read from their import statements."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gradlog"
# From the ground up. A module imports lower tiers only: no circles, and nothing upward.
TIERS = (
    ("terminal", "supervisor", "config_error", "compilation_cache", "sde_lib"),
    ("aliases", "models", "distributions"),
    ("ode", "losses", "configs.default"),
    ("sampling", "likelihood", "data", "distributed"),
    ("theory", "storage", "codec"),
    ("training",),
    ("experiment",),
    ("evaluation",),
    ("experiment.run", "fitting"),
    ("studies", "sweeps"),
    ("report", "configs"),
    ("cli",),
    ("__main__",),
)
# Files that belong to another tier than their folder.
OWN_TIER = ("configs.default", "experiment.run")
HEIGHT = {name: height for height, tier in enumerate(TIERS) for name in tier}
MATHEMATICS = (
    *("sde_lib", "models", "losses", "sampling", "likelihood", "ode", "distributions", "theory"),
)
MAPPING = ("local_devices", "pmap", "shard_map")
WITHOUT_CONFIGURATIONS = (
    *(*MATHEMATICS, "codec", "data", "storage", "training", "terminal", "distributed"),
)


def _files(name: str) -> list[Path]:
    path = PACKAGE.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return [path.with_suffix(".py")]
    return [file for file in sorted(path.rglob("*.py")) if _name(_module(file)) == name]


def _module(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def _name(module: str) -> str:
    """Return the entry of TIERS that a module below gradlog belongs to."""
    own = next((name for name in OWN_TIER if f"{module}.".startswith(f"{name}.")), "")
    return own or module.split(".")[0]


def _imported_modules(source: str) -> Iterator[str]:
    """Yield every module that is imported, also inside functions, but not for types alone."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "import modules by their full name"
            for alias in node.names:  # of a package a module, or of a module a name
                whole = f"{node.module}.{alias.name}"
                yield whole if _files(whole.removeprefix("gradlog.")) else node.module or ""


def _imports(name: str) -> set[str]:
    return {module for file in _files(name) for module in _imported_modules(file.read_text())}


def _own_imports(modules: set[str]) -> set[str]:
    below = (module.removeprefix("gradlog.") for module in modules if module.startswith("gradlog."))
    return {_name(module) for module in below} & set(HEIGHT)


def _upward(name: str, modules: set[str]) -> list[str]:
    others = _own_imports(modules) - {name}
    return sorted(other for other in others if HEIGHT[other] >= HEIGHT[name])


def test_every_module_has_a_tier():
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names - {"__init__", "__pycache__"} == {name.split(".")[0] for name in HEIGHT}


@pytest.mark.parametrize("name", HEIGHT)
def test_imports_go_down(name):
    assert _files(name)
    assert _upward(name, _imports(name)) == []


def test_no_two_modules_of_a_package_import_each_other():
    modules = {_module(file): file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py"}

    def neighbors(module: str) -> set[str]:
        imported = set(_imported_modules(modules[module].read_text()))
        own = {name.removeprefix("gradlog.") for name in imported} & set(modules)
        return {name for name in own if name.rpartition(".")[0] == module.rpartition(".")[0]}

    graph = {module: neighbors(module) for module in modules}
    circle = ""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
    assert circle == ""


def test_an_upward_import_is_found_wherever_it_stands():
    source = (
        "def f():\n    from gradlog.sampling.base import Sample\n"
        "    from gradlog import storage\n    import gradlog.sde_lib.vp\n"
        "if TYPE_CHECKING:\n    from gradlog.evaluation import tables\n"
    )
    assert _upward("losses", set(_imported_modules(source))) == ["sampling", "storage"]


@pytest.mark.parametrize("name", MATHEMATICS)
def test_mathematics_imports_mathematics_only(name):
    imported = _imports(name)
    assert _own_imports(imported) <= set(MATHEMATICS)
    assert not {module.split(".")[0] for module in imported} & {"os", "pathlib", "io", "json"}


@pytest.mark.parametrize("name", WITHOUT_CONFIGURATIONS)
def test_only_the_upper_tiers_know_configurations_and_flags(name):
    imported = _imports(name)
    assert not {module.split(".")[0] for module in imported} & {"ml_collections", "absl"}
    assert "configs" not in _own_imports(imported)


@pytest.mark.parametrize("name", [*MATHEMATICS, "storage", "codec"])
def test_mathematics_and_files_know_no_devices(name):
    assert _files_with(name, "device_count", "jax.devices", *MAPPING) == []


def test_evaluation_is_mapped_over_devices_in_one_file():
    assert _files_with("evaluation", *MAPPING) == ["devices.py"]


def _files_with(name: str, *words: str) -> list[str]:
    return [f.name for f in _files(name) if any(word in f.read_text() for word in words)]


def test_no_two_test_files_have_one_name():
    """Pytest imports them by their names alone."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
