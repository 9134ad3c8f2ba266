"""The examples in docstrings give the output that they show."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gradlog"
FOLDERS = (PACKAGE, *(link for link in PACKAGE.iterdir() if link.is_symlink()))
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for folder in FOLDERS
    for path in folder.rglob("*.py")
    if ">>>" in path.read_text()
)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_hold(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_names_that_a_newcomer_meets_first_have_examples():
    found = {module.rpartition(".")[2] for module in MODULES}
    assert {"gradlog", "vp", "bound_model", "diffusion_model", "bits", "ddim"} <= found
