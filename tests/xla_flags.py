"""How the tests compile, fast and on every version of XLA, and where they store programs."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".jax_cache"

# Environment variables of a process that stores its compiled programs, small ones too.
STORING = {
    "JAX_COMPILATION_CACHE_DIR": str(CACHE),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}

# Tests of tiny programs wait for the compiler. Without optimizations, by the emitters that go
# straight to LLVM, each in one piece, it takes a third to a half of the time of the first alone.
FAST = (
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)


def add_fast_flags(flags: str | None) -> str:
    """Return `flags` and the flags of a fast compiler that this XLA knows.

    A flag that is set keeps its value. Nothing is added to "": `make test-slow` asks by it for the
    default compiler.
    """
    if flags == "":
        return flags
    present = (flags or "").split()
    names = {flag.split("=")[0] for flag in present}
    missing = [flag for flag in FAST if flag.split("=")[0] not in names]
    if missing:
        unknown = unknown_flags()
        missing = [flag for flag in missing if flag not in unknown]
    return " ".join([*present, *missing])


def unknown_flags() -> list[str]:
    """Return those of `FAST` that the installed XLA refuses. Ask it once for each version.

    XLA ends the process at an unknown flag, with a line that names all of them, so a child process
    asks. The names in jaxlib's library do not tell: a removed flag's name may remain there.
    """
    answer = CACHE / f"unknown_xla_flags-{importlib.metadata.version('jaxlib')}.json"
    if answer.exists():
        return json.loads(answer.read_text())
    child = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"],
        env=os.environ | {"XLA_FLAGS": " ".join(FAST), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    message = re.search(r"Unknown flags? in XLA_FLAGS:(.*)", child.stderr)
    if child.returncode and not message:
        raise RuntimeError(f"JAX does not start:\n{child.stderr}")
    unknown = message[1].split() if message else []
    CACHE.mkdir(exist_ok=True)
    partial = answer.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(unknown))
    partial.replace(answer)  # whole, though several processes may ask at once
    return unknown
