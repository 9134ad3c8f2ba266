"""Runs of a sweep as processes of this machine, some at once."""

import os
import queue
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from gradlog.sweeps.processes import Processes
from gradlog.sweeps.work import Work

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def run_locally(works: Sequence[Work], jobs: int, ended: Callable[[Work], object]) -> None:
    """Does all works, so many at once.

    Args:
      works: what is to be done.
      jobs: how many at once; 0 for as many as there are GPUs, at least one.
      ended: called with each when it has ended, well or not.

    Raises:
      KeyboardInterrupt: it came; the processes were told, and have left.
    """
    devices = gpus()
    jobs = jobs or max(len(devices), 1)
    processes, shares = Processes(), queue.SimpleQueue()
    for slot in range(jobs):
        shares.put(share(devices, slot, jobs))

    def do(work: Work) -> Work:
        environment = shares.get()
        try:
            work.do(processes, environment)
        finally:
            shares.put(environment)
        return work

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(do, work) for work in works]
        try:
            for future in as_completed(futures):
                ended(future.result())
        except BaseException:
            processes.leave()
            pool.shutdown(cancel_futures=True)
            raise


def gpus() -> list[str]:
    """The names of the GPUs that this process may use, as CUDA has them."""
    if _VISIBLE in os.environ:
        return [name for name in os.environ[_VISIBLE].split(",") if name]
    if not shutil.which("nvidia-smi") or os.environ.get("JAX_PLATFORMS") == "cpu":
        return []
    asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.split() if found.returncode == 0 else []


def share(devices: Sequence[str], slot: int, jobs: int) -> dict[str, str]:
    """The environment of the processes of one of so many slots: which GPUs are theirs."""
    own = devices[slot::jobs] or devices[slot % len(devices) :][:1] if devices else ()
    return {_VISIBLE: ",".join(own)} if own else {}
