"""The hosts of a run: how they join, agree and exchange what each has computed.

Every host runs the same program. With one host everything here costs nothing and waits for nobody.
"""

import contextlib
import itertools
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import jax
import numpy as np
from flax.serialization import msgpack_restore, msgpack_serialize
from jax._src.distributed import global_state
from jax.experimental import multihost_utils

import supervisor

JOIN_SECONDS = 300
HEARTBEAT_SECONDS = 30
_ADDRESS = "JAX_COORDINATOR_ADDRESS"  # jax reads it where no coordinator is given
Item = TypeVar("Item")
_PATIENCE_SECONDS = 7 * 24 * 3600
_LEAVE_SECONDS = 5
_BARRIERS = itertools.count()
_SEEN_SECONDS = 10.0
_CHUNK_BYTES = 2**24  # of each host at a time: all of them together lie on every device


class HostError(ValueError):
    """Hosts that cannot be joined, or that are not of one mind: one line that says what to do."""


def count() -> int:
    """How many hosts take part."""
    return jax.process_count()


def index() -> int:
    """The number of this host, from 0."""
    return jax.process_index()


def several() -> bool:
    """Whether there are others than this one."""
    return count() > 1


def writes() -> bool:
    """Whether this host is the one that writes files: every host has the same results."""
    return index() == 0


def agreed(value: int) -> int:
    """Host 0's value, on every host; all of them must ask."""
    if not several():
        return value
    _wait_for_all()
    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def any_host(flag: bool) -> bool:
    """Whether the flag is set on any host; all of them must ask."""
    if not several():
        return flag
    _wait_for_all()
    return bool(multihost_utils.process_allgather(np.bool_(flag)).any())


def gathered(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """What every host has, by host, on every host; all of them must ask.

    Args:
      tree: dictionaries of NumPy arrays of any shapes and types, which come back bit for bit: they
        travel as bytes, since devices would make other types of some.
    """
    if not several():
        return [tree]
    data = msgpack_serialize(tree)
    _wait_for_all()
    return [cast(dict, msgpack_restore(each)) for each in _gathered_bytes(data)]


def _wait_for_all() -> None:
    """Devices lose patience with a host that comes half an hour later; this wait does not."""
    _wait_at(f"gradlog-{next(_BARRIERS)}", _PATIENCE_SECONDS)


def _wait_at(barrier: str, seconds: int) -> None:
    client = global_state.client
    assert client is not None
    client.wait_at_barrier(barrier, 1000 * seconds)


def _gathered_bytes(data: bytes) -> list[bytes]:
    # In halves: without 64-bit types a device knows no longer integer.
    halves = np.array(divmod(len(data), 2**31), np.uint32)
    sizes = multihost_utils.process_allgather(halves).astype(np.int64) @ np.array([2**31, 1])
    mine, parts = np.frombuffer(data, np.uint8), []
    for start in range(0, int(sizes.max()), _CHUNK_BYTES):
        size = min(_CHUNK_BYTES, _whole(int(sizes.max()) - start))
        here = mine[start : start + size]
        parts.append(multihost_utils.process_allgather(np.pad(here, (0, size - len(here)))))
    rows = np.concatenate(parts, axis=1)
    return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]


def _whole(size: int) -> int:
    """The next power of two, so that few programs are compiled."""
    return 1 << max(size - 1, 0).bit_length()


def share(items: list[Item]) -> list[Item]:
    """The items of this host: every n-th of them, so that no host has two more than another."""
    return items[index() :: count()]


def there(path: Path) -> bool:
    """Whether host 0 has a file, on every host; all of them must ask.

    Raises:
      HostError: it has, and another host does not see it.
    """
    found = bool(agreed(path.exists()))
    if found:
        check_shared(path)
    return found


def check_shared(path: Path) -> None:
    """Finds that all hosts see what host 0 has written.

    Raises:
      HostError: some do not; on every host alike.
    """
    any_host(False)  # not before it is written
    if any_host(not _seen(path)):
        raise HostError(
            f"not every host sees {path}, which host 0 has: the workdir must be on a file system "
            "that all hosts share"
        )


def _seen(path: Path) -> bool:
    """Whether a file is there, or comes to be: a network's file system takes its time."""
    end = time.monotonic() + _SEEN_SECONDS
    while several() and not path.exists() and time.monotonic() < end:
        time.sleep(0.1)
    return path.exists()


def check_shared_folder(folder: Path) -> None:
    """Finds that a folder is one and the same on all hosts; made if it is not there.

    Raises:
      HostError: it is not; on every host alike.
    """
    if not several():
        return
    path = folder / f".seen-by-all-{agreed(secrets.randbits(30))}"
    if writes():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        check_shared(path)
    finally:
        path.unlink(missing_ok=True)


def check_agreement(what: dict[str, str]) -> None:
    """Compares short texts over the hosts.

    Raises:
      HostError: some differ; on every host alike, naming the first that does.
    """
    found = gathered({"what": what})
    for name in sorted(set().union(*(each["what"] for each in found))):
        texts = [each["what"].get(name) for each in found]
        for host, text in enumerate(texts):
            if text != texts[0]:
                raise HostError(
                    f"the hosts differ in {name}: it is {texts[0]} on host 0 and {text} on host "
                    f"{host}; start the same command on all of them"
                )


@dataclass(frozen=True)
class Hosts:
    """The hosts of a run: one, those that a cluster's environment names, or those given by hand.

    Attributes:
      from_environment: take what is not given from SLURM, Open MPI, TPUs or jax's own variables.
      coordinator: HOST:PORT of host 0.
      count: of hosts.
      index: the number of this one.
      join_seconds: how long to wait for the others at the start.
      heartbeat_seconds: how long a host may be silent before it counts as lost.
    """

    from_environment: bool = False
    coordinator: str | None = None
    count: int | None = None
    index: int | None = None
    join_seconds: int = JOIN_SECONDS
    heartbeat_seconds: int = HEARTBEAT_SECONDS

    def join(self) -> None:
        """Connects to the other hosts; does nothing where there is only this one.

        Raises:
          HostError: what was given does not make sense, or the others cannot be reached in time.
        """
        self._check()
        if not self.asked_for:
            return
        # Its handler of SIGTERM would take the place of ours.
        jax.config.update("jax_enable_preemption_service", False)
        try:
            jax.distributed.initialize(
                self.coordinator,
                self.count,
                self.index,
                initialization_timeout=self.join_seconds,
                heartbeat_timeout_seconds=self.heartbeat_seconds,
                shutdown_timeout_seconds=_PATIENCE_SECONDS,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise HostError(self._unreachable(error)) from error
        supervisor.joined(jax.process_index(), _leave)
        _check_devices()

    @property
    def asked_for(self) -> bool:
        """Whether there are others to join."""
        return self.from_environment or self.coordinator is not None

    def _check(self) -> None:
        if not self.asked_for:
            if self.count is not None or self.index is not None:
                raise HostError("--num_hosts and --host need --coordinator=HOST:PORT")
            return
        if self.coordinator and (self.count is None or self.index is None):
            raise HostError("--coordinator needs --num_hosts and --host")
        address = self.coordinator or os.environ.get(_ADDRESS)
        if address is not None and not _is_address(address):
            name = "--coordinator" if self.coordinator else _ADDRESS
            raise HostError(f"{name}={address}: say HOST:PORT, with a port from 1 to 65535")
        if self.join_seconds < 1 or self.heartbeat_seconds < 1:
            raise HostError("--join_seconds and --heartbeat_seconds must be at least 1")
        if self.count is not None and self.count < 1:
            raise HostError(f"--num_hosts={self.count}: there is at least one")
        if self.index is not None and not 0 <= self.index < (self.count or self.index + 1):
            raise HostError(f"--host={self.index}: hosts are numbered from 0 to --num_hosts - 1")

    def _unreachable(self, error: Exception) -> str:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "should be defined" in reason or "must be defined" in reason:
            return (
                "--distributed: neither SLURM, Open MPI nor a TPU names the hosts here; say "
                "--coordinator=HOST:PORT --num_hosts=N --host=K"
            )
        where = self.coordinator or os.environ.get(_ADDRESS) or "the environment's coordinator"
        return (
            f"cannot join the other hosts at {where} within {self.join_seconds} s: {reason}; start "
            "the same command on every host, with its own --host"
        )


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 1 <= int(port) <= 65535


def _leave() -> None:
    """Waits a moment for the other hosts to fail in the same way.

    Who leaves ends the others: those that were about to say the same could not.
    """
    with contextlib.suppress(RuntimeError):
        _wait_at("gradlog-leave", _LEAVE_SECONDS)


def _check_devices() -> None:
    counts = dict.fromkeys(range(jax.process_count()), 0)
    for device in jax.devices():
        counts[device.process_index] += 1
    if len(set(counts.values())) > 1:
        told = ", ".join(f"host {host} has {count}" for host, count in counts.items())
        raise HostError(f"all hosts must have as many devices: {told}")
