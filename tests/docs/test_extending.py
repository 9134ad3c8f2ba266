"""The pages on extending and choosing name all that can be extended and chosen."""

import importlib
import subprocess
import sys

import pytest

from gradlog.evaluation.features import FEATURES
from gradlog.likelihood import LIKELIHOODS
from gradlog.losses import OBJECTIVES, WEIGHTINGS
from gradlog.models import PARAMETRIZATIONS
from gradlog.sampling import SAMPLERS
from gradlog.sde_lib import SDES
from tests.docs.members import MEMBERS
from tests.docs.pages import DOCS, ROOT
from tests.test_imports import NUMERIC

ROOMS = (*NUMERIC, "data", "evaluation", "studies")
CHOSEN = {
    "objectives": OBJECTIVES,
    "weightings": WEIGHTINGS,
    "processes": SDES,
    "parametrizations": PARAMETRIZATIONS,
    "estimators": LIKELIHOODS,
    "samplers": SAMPLERS,
}


def text_of(page):
    return (DOCS / page).read_text()


def dicts_of(room):
    """The names of the dicts in which a room finds members by name."""
    module = importlib.import_module(room)
    names = {*vars(module), *getattr(module, "__all__", ())}
    public = (name for name in names if name.isupper() and not name.startswith("_"))
    return sorted(name for name in public if isinstance(getattr(module, name), dict))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_page_and_the_index_leads_to_it(room):
    assert (DOCS / "extending" / f"{room}.md").is_file()
    assert f"({room}.md)" in text_of("extending/index.md")


@pytest.mark.parametrize("room", ROOMS)
def test_a_page_names_every_dict_that_its_room_finds_members_in(room):
    text = text_of(f"extending/{room}.md")
    assert [name for name in dicts_of(room) if f"`{name}`" not in text] == []


def test_the_dicts_of_a_room_are_found():
    assert dicts_of("sde_lib") == ["SDES"]
    assert {"LIKELIHOODS", "DIVERGENCES"} <= set(dicts_of("likelihood"))


def test_the_page_of_evaluation_names_its_features():
    assert FEATURES
    assert "`FEATURES`" in text_of("extending/evaluation.md")


@pytest.mark.parametrize("kind", CHOSEN)
def test_the_page_on_choosing_says_when_to_take_each_member(kind):
    text = text_of("choosing.md")
    assert [name for name in sorted(CHOSEN[kind]) if f"`{name}`" not in text] == []


# Files of rooms' own tests that run over a dict, by the page whose members they then hold.
TAKEN_UP = {
    "sde_lib": ("sde_lib/test_sdes.py",),
    "models": ("models/test_networks.py", "models/test_parametrizations.py"),
    "data": ("data/test_data_registry.py",),
    "losses": ("losses/test_minimizers.py", "losses/test_times.py"),
    "likelihood": ("likelihood/test_divergence.py",),
}


@pytest.mark.slow
def test_the_members_that_pages_write_pass_the_tests_of_their_rooms():
    files = [f"tests/{file}" for files in TAKEN_UP.values() for file in files]
    chosen = " or ".join(name for _, _, name, _ in MEMBERS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.docs.members", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *files, "-k", chosen], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert TAKEN_UP.keys() == {room for room, *_ in MEMBERS}
