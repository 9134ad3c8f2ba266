"""What is said where nobody watches: lines, not too many."""

import subprocess
import sys

import tiny

from evaluation import terminal


def test_piped_progress_is_a_line_now_and_then(capsys, monkeypatch):
    now = iter([0.0, 10.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(now))
    with terminal.progress("training", 100, 200) as update:
        for done in (110, 131, 140, 162):
            update(done, f"loss {done}")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "training 131/200, 1/s, 69 s left loss 131",
        "training 162/200, 1/s, 38 s left loss 162",
    ]


def test_work_goes_on_where_standard_output_takes_nothing():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from evaluation.terminal import say; say('a'); say('b')"],
            cwd=tiny.ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "note: standard output takes nothing any more (No space left on device); the work goes on "
        "without it"
    ]
