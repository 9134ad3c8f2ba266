"""The page of any workdir that is damaged: it is written, and it is valid HTML."""

import itertools
import shutil

import html5lib
import pytest
from commands import here
from test_fuzz_workdirs import _damage, used

MANY = 60
__all__ = ["used"]


@pytest.mark.slow
def test_many_damaged_workdirs_have_a_page(used, tmp_path, examples):
    numbers = itertools.count()

    def make(random):
        folder = shutil.copytree(used, tmp_path / str(next(numbers)))
        return folder, [_damage(random, folder) for _ in range(random.randint(1, 4))]

    def check(example):
        outcome = here(f"--workdir={example[0]}", "--mode=report")
        assert (outcome.status, outcome.errors) == (0, ""), outcome
        source = (example[0] / "report.html").read_text()
        html5lib.HTMLParser(strict=True).parse(source)
        return outcome

    examples(make, MANY, check)
