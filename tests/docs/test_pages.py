"""What can be known of the documentation without running it; tests/docs/test_blocks.py runs it."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from gradlog.cli.flags import read_flags
from gradlog.cli.help import show_help
from gradlog.evaluation import tables
from gradlog.experiment import keys
from gradlog.experiment.loading import load_config
from gradlog.sweeps import display
from tests.docs.pages import DOCS, GENERATED, LANGUAGES, ROOT, TEXT, Block, blocks, links, pages
from tests.docs.small import rules
from tests.docs.workshop import make_home

DIRECTIVES = ("{toctree}",)  # of Sphinx: what is no code
EVERY = [block for page in pages() for block in blocks(page)]


def _of(language: str) -> list[Block]:
    return [block for block in EVERY if block.language == language]


def _commands(block: Block) -> Iterator[list[str]]:
    """The words of each command that runs main.py."""
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "main.py" in words:
            yield [word for word in words[words.index("main.py") :] if word != "&"]


COMMANDS = [
    pytest.param(words, id=f"{block}-{number}")
    for block in _of("bash")
    for number, words in enumerate(_commands(block))
]


def test_a_page_is_read_as_its_blocks():
    text = "```bash\nls\n```\n\n- in a list\n\n  ```python\n  1\n  ```\n\nand\n\n    indented\n"
    found = [(block.line, block.language, block.code) for block in blocks("p", text)]
    assert found == [(1, "bash", "ls\n"), (7, "python", "1\n"), (13, "", "indented\n")]


@pytest.mark.parametrize("page", pages())
def test_every_block_is_run_or_is_text(page):
    wrong = [
        str(block)
        for block in blocks(page)
        if block.language not in (*LANGUAGES, TEXT, *DIRECTIVES)
    ]
    assert wrong == []


@pytest.mark.parametrize("block", _of("python"), ids=str)
def test_python_is_python(block):
    ast.parse(block.code)


@pytest.mark.parametrize("block", _of("bash"), ids=str)
def test_bash_is_bash(block):
    done = subprocess.run(["bash", "-n", "-c", block.code], capture_output=True, check=False)
    assert done.stderr == b""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / "home"
    make_home(folder)
    return folder


@pytest.mark.parametrize("words", COMMANDS)
def test_flags_and_keys_of_a_command_exist(words, home, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(ROOT)
    options = read_flags(words[1:])  # raises for a flag, a mode or a key that does not exist
    if options.config_file:
        load_config(options.config_file)


@pytest.mark.parametrize("page", pages())
def test_what_a_page_links_to_is_there(page):
    files = (link.partition("#")[0] for link in links(page) if "://" not in link)
    local = [file for file in files if file]  # a link to a heading of the page names no file
    there = (ROOT / page).parent
    assert [link for link in local if not there.joinpath(link).exists()] == []
    assert [link for link in local if _is_generated((there / link).resolve())] == []


def _is_generated(path: Path) -> bool:
    """Return whether docs/reference.py writes the file, so that it is not in the repository."""
    return path.is_relative_to(DOCS) and path.relative_to(DOCS).parts[0] in GENERATED


def test_every_page_is_in_the_table_of_contents():
    listed = {
        line
        for block in blocks("docs/index.md")
        if block.language == "{toctree}"
        for line in block.code.splitlines()
    }
    written = {page.removeprefix("docs/").removesuffix(".md") for page in pages()[1:]} - {"index"}
    assert {page for page in written if not any(fnmatch(page, entry) for entry in listed)} == set()


def test_what_makes_commands_small_is_of_keys_and_benchmarks_that_exist():
    network = {f"model.{key}" for found in rules.NETWORK.values() for key in found}
    assert {*rules.EXPERIMENT, *rules.IMPORTED, *network} <= set(keys.keys())
    assert all((ROOT / "benchmarks" / name).is_file() for name in rules.BENCHMARKS)


def test_what_a_command_says_stays_as_it_says():
    command = ["main.py", "--config=configs/digits.py", "--config.training.batch_size=7"]
    found = rules.small([*command, "--steps=1000,2000"])
    assert found[:3] == command
    assert found[3] == "--steps=3,4"
    assert "--config.training.batch_size=8" not in found
    assert "--config.model.name=mlp" in found
    assert rules.small([command[0], "--config.training.steps=2000"])[1] == (
        "--config.training.steps=4"
    )
    assert rules.small(["main.py", "--workdir=runs/digits"]) == ["main.py", "--workdir=runs/digits"]


def test_the_reference_has_every_key(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import reference

    page = reference.keys_page()
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert rows == set(keys.keys())


def test_tables_that_pages_quote_have_the_columns_of_the_program():
    shown = (tables._RESULTS, tables._ACCOUNT, tables._STEPS, display._SETTING_COLUMNS)
    names = {column.name for columns in shown for column in columns}
    quoted = [line for block in _of(TEXT) for line in block.code.splitlines() if "± s.e.  " in line]
    assert len(quoted) >= 6
    assert {name for line in quoted for name in re.split("  +", line.strip())} <= names


def test_help_that_a_page_quotes_is_what_the_program_prints(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    show_help("optimizer", load_config("configs/digits.py"))
    (block,) = (block for block in _of(TEXT) if block.code.startswith("config.optimizer: "))
    assert block.code in capsys.readouterr().out
