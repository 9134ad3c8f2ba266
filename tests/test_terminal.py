"""Lines, tables and progress, on a terminal and in a pipe."""

import io
import os
import pty
import subprocess
import sys

import pytest
import tiny
from rich.console import Console, ConsoleDimensions
from rich.table import Table

from gradlog import terminal
from gradlog.terminal import Column, Pace, format_duration, table_of


def test_progress_in_a_pipe_is_a_line_now_and_then(capsys, monkeypatch):
    now = iter([0.0, 10.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(Pace, "now", staticmethod(lambda: next(now)))
    with terminal.progress("training", 100, 200) as update:
        for done in (110, 131, 140, 162):
            update(done, f"loss {done}")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "training 131/200, 1/s, 69 s left loss 131",
        "training 162/200, 1/s, 38 s left loss 162",
    ]


def test_slow_progress_shows_its_unit_and_the_time_of_one_item(capsys, monkeypatch):
    now = iter([0.0, 0.0, 90.0])
    monkeypatch.setattr(Pace, "now", staticmethod(lambda: next(now)))
    with terminal.progress("sweep", 0, 5, unit="runs") as update:
        update(0, "")
        update(3, "")
    assert capsys.readouterr().out == "sweep 3/5 runs, 30 s each, 60 s left\n"


def test_work_continues_when_standard_output_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from gradlog.terminal import say; say('a'); say('b')"],
            cwd=tiny.ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0
    (note,) = done.stderr.splitlines()
    assert note.startswith("note: cannot write to standard output (No space left on device)")


CLOSED = """
import sys
from gradlog import terminal
terminal.open_standard_streams()
terminal.say("a")
terminal.complain("b")
print(open(sys.argv[1], "w").fileno(), file=open(sys.argv[1], "w"))
"""


def test_work_continues_without_standard_streams(tmp_path):
    """A file that is opened then does not get the number of a stream."""
    file = tmp_path / "file"
    command = [sys.executable, "-c", CLOSED, str(file)]
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    assert subprocess.run(closed, cwd=tiny.ROOT, timeout=120, check=False).returncode == 0
    assert int(file.read_text()) > 2


def test_characters_that_the_encoding_lacks_are_replaced(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    terminal.console.print(table_of("bits", [Column("± s.e.")], [["0.25"]]))
    sys.stdout.flush()
    table = written.getvalue().decode("ascii")
    assert "| ? s.e. |" in table
    assert "|   0.25 |" in table


# --- on a terminal ------------------------------------------------------------------------------

WATCHED = """
import time
from gradlog import terminal
with terminal.working("looking around"):
    terminal.say("found something")
with terminal.progress("counting", 0, 2) as update:
    update(1, "one [of two]")
    time.sleep(0.5)  # it is drawn ten times a second
    print("said by a library")
    update(2, "both")
terminal.say("done")
"""


def _watched(**environment):
    """Return what a terminal of 100 columns receives."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED],
        cwd=tiny.ROOT,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm-256color", **environment},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        sent = io.BytesIO()
        try:
            while read := os.read(ours, 4096):
                sent.write(read)
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
        assert process.wait(60) == 0, sent.getvalue().decode()
    return sent.getvalue().decode()


def test_a_terminal_shows_bars_and_lines_between_them():
    sent = _watched()
    assert "looking around ..." in sent
    assert "compiling ..." in sent
    assert "2/2" in sent
    assert "one [of two]" in sent
    for line in ("found something", "said by a library", "done"):
        assert f"{line}\r\n" in sent
    assert "\x1b[38;5;" in sent  # a color


def test_no_color_is_respected():
    sent = _watched(NO_COLOR="1")
    assert "2/2" in sent
    assert not any(color in sent for color in ("\x1b[3", "\x1b[1;3"))


# --- in a pipe --------------------------------------------------------------------------------


HOSTILE = "a\x1b[2J \udcff [red]b\n"
SHOWN = r"a\x1b[2J \udcff [red]b\n"


def test_names_of_files_are_shown_escaped(capsys):
    terminal.say(HOSTILE)
    table = terminal.table_of(HOSTILE, [terminal.Column(HOSTILE, text=True)], [[HOSTILE]])
    terminal.console.print(table)
    found = capsys.readouterr().out
    assert found.count(SHOWN) == 4
    assert "\x1b" not in found


def test_a_bar_shows_names_of_files_escaped(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=file, force_terminal=True, width=200))
    with terminal.progress(HOSTILE, 0, 2) as update:
        update(1, HOSTILE)
    with terminal.working(HOSTILE):
        pass
    assert file.getvalue().count(SHOWN) >= 2
    assert "\x1b[2J" not in file.getvalue()


def test_work_of_unknown_length_is_silent_in_a_pipe(capsys):
    with terminal.working("looking around"):
        pass
    assert capsys.readouterr().out == ""


def test_a_table_in_a_pipe_is_not_cut(capsys):
    table = Table(*(f"a long name of column {i}" for i in range(20)))
    table.add_row(*(f"a value of {i} that goes on and on" for i in range(20)))
    terminal.console.print(table)
    output = capsys.readouterr().out
    assert all(f"a value of {i} that goes on and on" in output for i in range(20))


# --- on a narrow terminal ----------------------------------------------------------------------


@pytest.mark.parametrize("width", [110, 80, 50])
def test_a_narrow_table_drops_columns_and_cuts_nothing(capsys, monkeypatch, width):
    monkeypatch.setattr(type(terminal.console), "size", ConsoleDimensions(width, 25))
    columns = [Column("a", text=True), *(Column(f"n{i}", optional=i) for i in range(6))]
    rows = [("a long name that has to be folded", *(f"{i}.2345678901" for i in range(6)))]
    terminal.console.print(table_of("numbers", columns, rows))
    *lines, caption = capsys.readouterr().out.splitlines()
    out = {110: 0, 80: 2, 50: 4}[width]
    assert max(map(len, lines)) <= width
    numbers = [f"{i}.2345678901" for i in range(6 - out)]
    assert all(number in "".join(lines) for number in numbers)
    left_out = ", ".join(f"n{i}" for i in range(6 - out, 6))
    assert (f"columns left out: {left_out}" in caption) == bool(out)


@pytest.mark.parametrize("width", [80, 50])
def test_a_narrow_terminal_shows_every_main_number_of_an_evaluation(capsys, monkeypatch, width):
    from gradlog.evaluation.tables import show_results

    monkeypatch.setattr(type(terminal.console), "size", ConsoleDimensions(width, 25))
    numbers = {"bits_per_dim": 4.1234, "standard_error": 0.5678, "nfe": 98.0, "seconds": 123.4}
    row = {"step": 100_000, "estimator": "importance", "failed": [], "num_images": 10_000}
    own = {"estimator_standard_error": 0.0123, "jvp_evaluations": 196.0, "account": []}
    show_results([row | numbers | own])
    table = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "│┏"]
    assert max(map(len, table)) <= width
    for shown in ("100000", "importance", "4.1234", "0.5678"):
        assert shown in "".join(table)
    assert ("0.0123" in "".join(table)) == (width == 80)


# --- how fast ---------------------------------------------------------------------------------


@pytest.fixture
def pace(monkeypatch):
    """Return a function that makes a pace from updates ``(seconds, done)``."""

    def make(*updates):
        now = iter(seconds for seconds, _ in updates)
        monkeypatch.setattr(Pace, "now", staticmethod(lambda: next(now)))
        found = Pace()
        for _, done in updates:
            found.update(done)
        return found

    return make


def test_the_rate_excludes_compilation_before_the_first_update(pace):
    assert pace((100.0, 1)).rate is None
    found = pace((100.0, 1), (110.0, 2))
    assert (found.rate, found.left(11)) == (0.1, "90 s left")


def test_the_rate_excludes_batches_of_an_earlier_process(pace):
    found = pace((1.0, 10), (1.1, 20), (1.2, 30), (6.2, 31), (11.2, 32))
    assert (found.rate, found.left(42)) == (pytest.approx(0.2), "50 s left")


def test_the_time_left_appears_when_it_is_known(pace):
    assert pace().left(10) == ""
    assert pace((0.0, 1), (2.0, 2)).left(10) == ""
    assert pace((0.0, 1), (3.0, 2)).left(10) == "24 s left"


def test_the_rate_is_that_of_recent_updates(pace):
    """A hundred updates of one a second, and then as many of one in four."""
    slow = [(100.0 + 4 * i, 100 + i) for i in range(1, 101)]
    assert pace(*((float(i), i) for i in range(101)), *slow).rate == pytest.approx(0.25)


def test_durations_have_readable_units():
    shown = [format_duration(seconds) for seconds in (9, 119, 121, 7300, 100_000, 200_000)]
    assert shown == ["9 s", "119 s", "2 min", "2.0 h", "27.8 h", "2.3 days"]
