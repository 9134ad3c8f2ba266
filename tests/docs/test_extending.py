"""Tests that the pages on extending and choosing name everything that can be extended or chosen."""

import importlib
import subprocess
import sys

import pytest

from gradlog.evaluation.quality.features import FEATURES
from gradlog.likelihood import LIKELIHOODS
from gradlog.losses import INTEGRANDS, WEIGHTINGS
from gradlog.models import PARAMETRIZATIONS
from gradlog.sampling import SAMPLERS
from gradlog.sde_lib import DISCRETE_PROCESSES, SDES
from tests.docs.members import MEMBERS
from tests.docs.pages import DOCS, ROOT
from tests.test_imports import MATHEMATICS

FOLDERS = (*MATHEMATICS, "data", "evaluation", "studies")
CHOSEN = {
    "objectives": INTEGRANDS,
    "weightings": WEIGHTINGS,
    "processes": {**SDES, "masking": DISCRETE_PROCESSES["masking"]},
    "parametrizations": PARAMETRIZATIONS,
    "estimators": LIKELIHOODS,
    "samplers": SAMPLERS,
}


def text_of(page):
    return (DOCS / page).read_text()


def registries_of(folder):
    """Return the names of the dictionaries in which a folder finds members by name."""
    module = importlib.import_module(f"gradlog.{folder}")
    names = {*vars(module), *getattr(module, "__all__", ())}
    public = (name for name in names if name.isupper() and not name.startswith("_"))
    return sorted(name for name in public if isinstance(getattr(module, name), dict))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_a_page_and_the_index_leads_to_it(folder):
    assert (DOCS / "extending" / f"{folder}.md").is_file()
    assert f"({folder}.md)" in text_of("extending/index.md")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_page_names_every_registry_of_its_folder(folder):
    text = text_of(f"extending/{folder}.md")
    assert [name for name in registries_of(folder) if f"`{name}`" not in text] == []


def test_the_registries_of_a_folder_are_found():
    of_processes = ["BY_DIMENSION", "DISCRETE_PROCESSES", "LEARNED", "MASK_SCHEDULES", "SDES"]
    assert registries_of("sde_lib") == of_processes
    assert {"LIKELIHOODS", "DIVERGENCES"} <= set(registries_of("likelihood"))


def test_the_page_of_evaluation_names_its_features():
    assert FEATURES
    assert "`FEATURES`" in text_of("extending/evaluation.md")


@pytest.mark.parametrize("kind", CHOSEN)
def test_the_page_on_choosing_says_when_to_take_each_member(kind):
    text = text_of("choosing.md")
    assert [name for name in sorted(CHOSEN[kind]) if f"`{name}`" not in text] == []


# Test files that run over a registry, by the page whose members they then test.
COVERED_BY = {
    "sde_lib": ("sde_lib/test_sdes.py",),
    "models": ("models/test_networks.py", "models/test_parametrizations.py"),
    "data": ("data/test_data_registry.py",),
    "losses": ("losses/test_minimizers.py", "losses/test_times.py"),
    "likelihood": ("likelihood/test_divergence.py",),
}


@pytest.mark.slow
def test_the_members_that_pages_define_pass_the_tests_of_their_folders():
    files = [f"tests/{file}" for files in COVERED_BY.values() for file in files]
    chosen = " or ".join(name for _, _, name, _ in MEMBERS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.docs.members", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *files, "-k", chosen], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert COVERED_BY.keys() == {folder for folder, *_ in MEMBERS}
