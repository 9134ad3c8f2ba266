"""The order of the rooms, read off their imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up; the names of one tier do not know each other.
TIERS = (
    ("sde_lib", "terminal"),
    ("oracles",),
    ("solvers", "models", "data"),
    ("losses", "sampling", "likelihood"),
    ("theory",),
    ("storage",),
    ("supervisor",),
    ("modes",),
    ("hosts",),
    ("evaluation",),
    ("training",),
    ("configs",),
    ("guide",),
    ("wiring",),
    ("build",),
    ("run",),
    ("studies",),
    ("sweeps",),
    ("reports",),
    ("verbs",),
    ("command_line",),
    ("main",),
)
HEIGHT = {room: height for height, tier in enumerate(TIERS) for room in tier}
NUMERIC = (
    *("sde_lib", "oracles", "solvers", "models", "losses", "sampling", "likelihood"),
    "theory",
)
KNOW_CONFIGS = {
    "guide",
    "wiring",
    "build",
    "run",
    "studies",
    "sweeps",
    "reports",
    "verbs",
    "main",
    "command_line",
    "configs",
}


def _files(room: str) -> list[Path]:
    module = ROOT / f"{room}.py"
    return [module] if module.is_file() else sorted((ROOT / room).rglob("*.py"))


def _modules_of(source: str) -> Iterator[str]:
    """Every module an import statement names, wherever the statement stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "rooms are imported by name"
            yield node.module or ""


def _imports(room: str) -> set[str]:
    """Top-level names that a room imports, its own left out."""
    found = {m.split(".")[0] for file in _files(room) for m in _modules_of(file.read_text())}
    return found - {room}


def _complaints(room: str, imported: set[str]) -> list[str]:
    too_high = (other for other in imported & set(HEIGHT) if HEIGHT[other] >= HEIGHT[room])
    return sorted(f"{room} imports {other}" for other in too_high)


def test_every_python_file_outside_tests_and_benchmarks_belongs_to_a_room():
    tops = {path.stem for path in ROOT.glob("*.py")}
    tops |= {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert tops - {"tests", "benchmarks"} == set(HEIGHT)


@pytest.mark.parametrize("room", HEIGHT)
def test_a_room_has_files(room):
    assert _files(room)


@pytest.mark.parametrize("room", HEIGHT)
def test_a_room_imports_only_rooms_below_it(room):
    assert _complaints(room, _imports(room)) == []


def test_an_import_of_a_higher_or_neighboring_room_is_found_wherever_it_stands():
    source = "def f():\n    from sampling.base import Sample\n    import storage.files as s\n"
    found = {module.split(".")[0] for module in _modules_of(source)}
    assert _complaints("losses", found) == ["losses imports sampling", "losses imports storage"]


@pytest.mark.parametrize("room", sorted(set(HEIGHT) - KNOW_CONFIGS))
def test_only_the_outer_rooms_know_configurations_and_flags(room):
    assert not _imports(room) & {"ml_collections", "absl", "configs"}


@pytest.mark.parametrize("room", NUMERIC)
def test_a_numeric_room_knows_no_files(room):
    assert not _imports(room) & {"storage", "data", "terminal", "pathlib", "os", "json", "io"}


@pytest.mark.parametrize("room", [*NUMERIC, "storage", "evaluation"])
def test_devices_are_counted_in_training_and_in_one_file_of_evaluation(room):
    counting = ("device_count", "jax.devices", "local_devices", "pmap", "shard_map")
    found = [f.name for f in _files(room) if any(word in f.read_text() for word in counting)]
    assert found == (["devices.py"] if room == "evaluation" else [])


def test_the_command_line_reads_flags_before_anything_heavy_is_imported():
    assert not _imports("command_line") & {"jax", "numpy", "wiring", "build", "run", "verbs"}
    heads = ast.parse((ROOT / "main.py").read_text()).body
    first = {
        module.split(".")[0]
        for node in heads
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in _modules_of(ast.unparse(node))
    }
    assert first == {
        *("contextlib", "os", "signal", "sys", "pathlib", "typing"),
        *("absl", "ml_collections", "command_line", "modes", "supervisor"),
    }
