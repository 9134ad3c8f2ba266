"""Measure the size and the shape of a checkout: its folders, files, helpers, imports and hops.

python benchmarks/structure.py [--root=DIR] [--no-run] [--json=FILE]

The files are those that git tracks; links and hidden entries are left out. A private helper is a
function or method whose name begins with one underscore; it is used once if the rest of its file
names it once. Lines of statements are those that are no docstring, no import, no comment and not
empty. With `--no-run` the script only reads files. Otherwise it also starts a tiny `--mode=train`
in a process of its own and stops it where the first batch enters `TrainStep.loss_and_grads`. There
it counts the project's modules that have been imported, and the project's frames on the stack. A
hop is a call from one of these frames to the next, from `main` on.
"""

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

TINY = (
    "--config=configs/toy/mixture.py",
    *("--config.training.steps=1", "--config.training.batch_size=16", "--config.model.hidden=8"),
    *("--config.data.num_train=100", "--config.data.num_test=12", "--mode=train"),
)
# Runs in the checkout. It patches `TrainStep` as soon as its module has been imported, so that it
# works wherever the class lies.
TRACE = """
import importlib.abc, importlib.machinery, json, os, runpy, sys, traceback
root, report = os.getcwd(), sys.argv.pop(1)

def is_own(file):
    file = os.path.realpath(file or "/")
    return file.startswith(root + os.sep) and ".venv" not in file

def stop(*_, **__):
    stack = [(os.path.realpath(frame.filename), frame.name) for frame in traceback.extract_stack()]
    frames = [(file, name) for file, name in stack[:-1] if is_own(file)]
    # The function that runs a mode was called main in version 0.1, and is called execute now.
    frames = frames[[name in ("main", "execute") for _, name in frames].index(True):]
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    modules = {os.path.relpath(os.path.realpath(file), root) for file in files if is_own(file)}
    path = [f"{os.path.relpath(file, root)}: {name}" for file, name in frames]
    found = {"modules": sorted(modules), "path": [*path, "loss_and_grads"]}
    with open(report, "w") as out:
        json.dump(found, out)
    os._exit(0)

class Patching(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or not is_own(spec.origin) or not hasattr(spec.loader, "exec_module"):
            return None
        execute = spec.loader.exec_module
        def patched(module):
            execute(module)
            step = getattr(module, "TrainStep", None)
            if step is not None and step.__module__ == name:
                step.loss_and_grads = stop
        spec.loader.exec_module = patched
        return spec

sys.meta_path.insert(0, Patching())
sys.path.insert(0, root)
sys.argv[0] = "main.py"
runpy.run_path("main.py", run_name="__main__")
"""


def tracked_files(root: Path) -> list[Path]:
    """Return the tracked files, relative to the root, without links and hidden entries."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    files = [Path(name) for name in listed if name and not name.startswith(".")]
    return [file for file in files if (root / file).is_file() and not (root / file).is_symlink()]


def count_helpers(source: str) -> tuple[int, int]:
    """Return the number of private helpers of a file, and of those that are used once in it."""
    nodes = list(ast.walk(ast.parse(source)))
    helpers = [
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("_")
        and not node.name.startswith("__")
    ]
    used = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    used += Counter(node.attr for node in nodes if isinstance(node, ast.Attribute))
    return len(helpers), sum(used[name] == 1 for name in helpers)


def count_statements(source: str) -> int:
    """Return the lines of a file without docstrings, imports, comments and empty lines."""
    lines, nodes = source.splitlines(), list(ast.walk(ast.parse(source)))
    texts = (
        node.body[0]
        for node in nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
    )
    imports = (node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))
    left_out = {
        number
        for node in (*texts, *imports)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    numbered = enumerate(map(str.strip, lines), start=1)
    return sum(
        bool(line) and not line.startswith("#") and number not in left_out
        for number, line in numbered
    )


def measure_files(root: Path) -> dict[str, Any]:
    """Return the figures that can be read off the files."""
    files = tracked_files(root)
    python = [file for file in files if file.suffix == ".py"]
    code = [file for file in python if file.parts[0] != "tests"]
    sources = [(root / file).read_text() for file in code]
    lengths = [len(source.splitlines()) for source in sources]
    helpers, used_once = (sum(column) for column in zip(*map(count_helpers, sources), strict=True))
    folders = {parent for file in files for parent in file.parents} - {Path()}
    parts: Counter[str] = Counter()
    for file, length in zip(code, lengths, strict=True):
        parts["/".join(file.parts[: 2 if file.parts[0] == "gradlog" else 1])] += length
    stems = Counter(file.stem for file in code if file.stem != "__init__")
    return {
        "entries_on_top": len({file.parts[0] for file in files}),
        "folders_on_top": len({file.parts[0] for file in files if len(file.parts) > 1}),
        "folders": len(folders),
        "folders_without_tests": sum(folder.parts[0] != "tests" for folder in folders),
        "python_files": len(python),
        "python_files_without_tests": len(code),
        "lines_without_tests": sum(lengths),
        "lines_of_statements": sum(map(count_statements, sources)),
        "lines_by_part": dict(sorted(parts.items())),
        "median_file_lines": statistics.median(lengths),
        "stems_in_several_files": sum(count > 1 for count in stems.values()),
        "private_helpers": helpers,
        "private_helpers_used_once": used_once,
        "share_used_once": round(used_once / helpers, 3),
    }


def trace_training(root: Path) -> dict[str, Any]:
    """Start a tiny training; return what it imported and called until the first batch came."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-c", TRACE, str(report), *TINY, f"--workdir={folder}/run"]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
        if not report.is_file():
            raise SystemExit(f"the tiny training did not reach its loss:\n{done.stderr[-2000:]}")
        return json.loads(report.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--no-run", action="store_true", help="only read the files")
    parser.add_argument("--path", action="store_true", help="also print the frames, one a line")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    figures = {"commit": commit} | measure_files(root)
    if not arguments.no_run:
        trace = trace_training(root)
        figures["modules_before_first_batch"] = len(trace["modules"])
        figures["hops_to_loss_and_grads"] = len(trace["path"]) - 1
        if arguments.path:
            print("\n".join(trace["path"]))
    for name, value in figures.items():
        if isinstance(value, dict):
            print("\n".join(f"  {part:30s} {lines}" for part, lines in value.items()))
        else:
            print(f"{name.replace('_', ' '):32s} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
