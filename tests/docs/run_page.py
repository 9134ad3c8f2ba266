"""Runs every block of a page in its order: `python tests/docs/run_page.py PAGE`, in a workshop.

Python blocks share a namespace; bash blocks are each a script that ends at its first failure.
Prints the place of each block that was run.
"""

import multiprocessing
import subprocess
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from tests.docs.pages import Block, blocks

# `make` of what takes minutes, or what other commands of the pages do, says what it would do.
SCRIPT = """set -euo pipefail
make() { case "$*" in *demo*) command make "$@" ;; *) command make --dry-run "$@" ;; esac }
"""


def run_page(page: str) -> None:
    """Runs all of it; raises SystemExit at the first block that fails."""
    ask = _interpreter()
    for block in blocks(page, Path(page).read_text()):
        began = time.monotonic()
        if block.language == "bash":
            _bash(block)
        elif block.language == "python":
            _python(block, ask)
        else:
            continue
        print(f"{block} {time.monotonic() - began:.1f} s", flush=True)


def _bash(block: Block) -> None:
    done = subprocess.run(
        ["bash", "-c", SCRIPT + block.code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{block}: status {done.returncode}\n{block.code}\n{done.stdout[-3000:]}")


def _interpreter() -> Connection:
    """A process that executes what it is sent in one namespace, and answers '' or a traceback.

    It is another one than this, which starts commands: JAX's threads do not survive a fork.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=_execute, args=(theirs,), daemon=True).start()
    theirs.close()  # so that its end is heard of
    return ours


def _execute(blocks: Connection) -> None:
    namespace: dict = {"__name__": "page"}
    while True:
        block = blocks.recv()
        try:
            # Padded, so that a traceback has the page's own lines.
            exec(compile("\n" * block.line + block.code, block.page, "exec"), namespace)
            blocks.send("")
        except BaseException:
            blocks.send(traceback.format_exc())


def _python(block: Block, ask: Connection) -> None:
    ask.send(block)
    try:
        said = ask.recv()
    except EOFError:
        said = "the process has died"
    if said:
        raise SystemExit(f"{block}: {said}\n{block.code}")


if __name__ == "__main__":
    run_page(sys.argv[1])
