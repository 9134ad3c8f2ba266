"""Tests of the notebook in examples/. `make docs` runs its cells."""

import ast
import json

import pytest

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def _cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


def _code():
    return ["".join(cell["source"]) for cell in _cells() if cell["cell_type"] == "code"]


def test_the_notebook_is_stored_without_outputs():
    stored = [cell["id"] for cell in _cells() if cell.get("outputs") or cell.get("execution_count")]
    assert stored == []
    for code in _code():
        ast.parse(code)


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "__main__"}
    for number, code in enumerate(_code()):
        exec(compile(code, f"cell {number}", "exec"), namespace)
    # Far below log2(17) = 4.09, which a model needs that knows nothing.
    assert namespace["summary"]["bits_per_dim"] < 3.5
