"""The hosts of a run: how they join, agree, exchange arrays and check shared files.

Every host runs the same program. With one host, nothing here costs anything or waits.
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
from jax.experimental import multihost_utils

from gradlog import supervisor
from gradlog.config_error import UserError

Item = TypeVar("Item")
JOIN_SECONDS = 300
HEARTBEAT_SECONDS = 30
PATIENCE_SECONDS = 7 * 24 * 3600
_ADDRESS = "JAX_COORDINATOR_ADDRESS"  # jax reads it where --coordinator is missing
_LEAVE_SECONDS = 5
_SEEN_SECONDS = 10.0
_CHUNK_BYTES = 2**24  # per host and exchange: the chunks of all hosts lie on every device
_BARRIERS = itertools.count()


class HostError(UserError, ValueError):
    """Hosts cannot be joined, or they disagree. The message is one line that says what to do."""


# --- joining --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hosts:
    """The hosts of a run: one, those of a cluster's environment, or those listed by flags.

    Attributes:
      from_environment: read missing settings from SLURM, Open MPI, a TPU or jax's own variables.
      coordinator: HOST:PORT of host 0.
      count: number of hosts.
      index: number of this host, from 0.
      join_seconds: time to wait for the other hosts at the start.
      heartbeat_seconds: a host that is silent for longer counts as lost.
    """

    from_environment: bool = False
    coordinator: str | None = None
    count: int | None = None
    index: int | None = None
    join_seconds: int = JOIN_SECONDS
    heartbeat_seconds: int = HEARTBEAT_SECONDS

    @property
    def requested(self) -> bool:
        """True if the user asked for several hosts."""
        return self.from_environment or self.coordinator is not None

    def join(self) -> None:
        """Connect to the other hosts. Do nothing if none were requested.

        Raises:
          HostError: the settings make no sense, the other hosts cannot be reached in time, or they
            have different numbers of devices.
        """
        self._check()
        if not self.requested:
            return
        # JAX's preemption service would replace our handler of SIGTERM.
        jax.config.update("jax_enable_preemption_service", False)
        try:
            jax.distributed.initialize(
                self.coordinator,
                self.count,
                self.index,
                initialization_timeout=self.join_seconds,
                heartbeat_timeout_seconds=self.heartbeat_seconds,
                shutdown_timeout_seconds=PATIENCE_SECONDS,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise HostError(self._explain(error)) from error
        supervisor.report_joined(jax.process_index(), _leave)
        devices = dict.fromkeys(range(jax.process_count()), 0)
        for device in jax.devices():
            devices[device.process_index] += 1
        if len(set(devices.values())) > 1:
            found = ", ".join(f"host {host} has {count}" for host, count in devices.items())
            raise HostError(f"all hosts must have as many devices: {found}")

    def _check(self) -> None:
        """Raise HostError for settings that do not go together."""
        if not self.requested:
            if self.count is not None or self.index is not None:
                raise HostError("--num_hosts and --host need --coordinator=HOST:PORT")
            return
        if self.coordinator and (self.count is None or self.index is None):
            raise HostError("--coordinator needs --num_hosts and --host")
        address = self.coordinator or os.environ.get(_ADDRESS)
        if address is not None and not _is_address(address):
            name = "--coordinator" if self.coordinator else _ADDRESS
            raise HostError(f"{name}={address}: expected HOST:PORT, with a port from 1 to 65535")
        if self.join_seconds < 1 or self.heartbeat_seconds < 1:
            raise HostError("--join_seconds and --heartbeat_seconds must be at least 1")
        if self.count is not None and self.count < 1:
            raise HostError(f"--num_hosts={self.count}: must be at least 1")
        if self.index is not None and not 0 <= self.index < (self.count or self.index + 1):
            raise HostError(f"--host={self.index}: hosts are numbered from 0 to --num_hosts - 1")

    def _explain(self, error: Exception) -> str:
        """Return the message for a join that failed."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "should be defined" in reason or "must be defined" in reason:
            return (
                "--distributed: neither SLURM, Open MPI nor a TPU names the hosts here; set "
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
    """Wait a moment so that the other hosts can fail in the same way.

    The first host to leave ends the others. Without the wait they could not print their error.
    """
    with contextlib.suppress(RuntimeError):
        _wait_at("gradlog-leave", _LEAVE_SECONDS)


# --- this host among the others -------------------------------------------------------------


def is_multihost() -> bool:
    """Return whether there is more than one host."""
    return jax.process_count() > 1


def is_writer() -> bool:
    """Return whether this host writes files. Only host 0 does: all hosts have the same results."""
    return jax.process_index() == 0


def take_share(items: list[Item]) -> list[Item]:
    """Return the items of this host: every n-th one, so that shares differ by at most one."""
    return items[jax.process_index() :: jax.process_count()]


# --- exchange: all hosts must call these functions in the same order ------------------------


def broadcast(value: int) -> int:
    """Return host 0's value on every host."""
    if not is_multihost():
        return value
    _wait_for_all()
    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def any_host(flag: bool) -> bool:
    """Return on every host whether the flag is set on any of them."""
    if not is_multihost():
        return flag
    _wait_for_all()
    return bool(multihost_utils.process_allgather(np.bool_(flag)).any())


def gather(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trees of all hosts, in the order of the hosts, on every host.

    Args:
      tree: nested dictionaries of NumPy arrays of any shapes and types. They arrive bit for bit:
        they travel as bytes, because devices would convert some types. Keys arrive as plain `str`.
    """
    if not is_multihost():
        return [tree]
    mine = np.frombuffer(msgpack_serialize(_with_plain_keys(tree)), np.uint8)
    _wait_for_all()
    # The size travels in two halves: without 64-bit types a device has no longer integer.
    halves = np.array(divmod(len(mine), 2**31), np.uint32)
    sizes = multihost_utils.process_allgather(halves).astype(np.int64) @ np.array([2**31, 1])
    parts, longest = [], int(sizes.max())
    for start in range(0, longest, _CHUNK_BYTES):
        # Powers of two, so that few programs are compiled.
        size = min(_CHUNK_BYTES, 1 << max(longest - start - 1, 0).bit_length())
        here = mine[start : start + size]
        parts.append(multihost_utils.process_allgather(np.pad(here, (0, size - len(here)))))
    rows = np.concatenate(parts, axis=1)
    each = (row[:size].tobytes() for row, size in zip(rows, sizes, strict=True))
    return [cast(dict, msgpack_restore(data)) for data in each]


def _with_plain_keys(tree: dict[str, Any]) -> dict[str, Any]:
    """Return dictionaries whose keys are no subclass of `str`, which msgpack does not take."""
    return {
        str(key): _with_plain_keys(value) if isinstance(value, dict) else value
        for key, value in tree.items()
    }


def check_agreement(texts: dict[str, str]) -> None:
    """Compare short texts by name over the hosts.

    Raises:
      HostError: some texts differ. It is raised on every host and names the first that differs.
    """
    by_host = [found["texts"] for found in gather({"texts": texts})]
    for name in sorted(set().union(*by_host)):
        first, *others = [found.get(name) for found in by_host]
        for host, text in enumerate(others, 1):
            if text != first:
                raise HostError(
                    f"the hosts differ in {name}: it is {first} on host 0 and {text} on host "
                    f"{host}; start the same command on all of them"
                )


def _wait_for_all() -> None:
    """Wait for all hosts, for days if need be: a collective on devices gives up after minutes."""
    _wait_at(f"gradlog-{next(_BARRIERS)}", PATIENCE_SECONDS)


def _wait_at(barrier: str, seconds: int) -> None:
    """Wait until all hosts reach a barrier. Raise RuntimeError if they do not in time.

    JAX has no public barrier with a timeout: ``sync_global_devices`` is a collective on devices.
    Orbax has one, which uses JAX's coordination service.
    """
    from orbax.checkpoint import multihost

    multihost.get_barrier_sync_fn()(key=barrier, timeout_ms=1000 * seconds)


# --- files that all hosts must see ----------------------------------------------------------


def exists_on_hosts(path: Path) -> bool:
    """Return on every host whether host 0 has a file.

    Raises:
      HostError: host 0 has it, and another host does not see it.
    """
    found = bool(broadcast(path.exists()))
    if found:
        check_shared(path)
    return found


def check_shared(path: Path) -> None:
    """Check that all hosts see a file of host 0.

    Raises:
      HostError: some host does not see it. It is raised on every host.
    """
    any_host(False)  # a barrier: host 0 has written the file by now
    end = time.monotonic() + _SEEN_SECONDS  # a network's file system takes its time
    while is_multihost() and not path.exists() and time.monotonic() < end:
        time.sleep(0.1)
    if any_host(not path.exists()):
        raise HostError(
            f"not every host sees {path}, which host 0 has: the workdir must be on a file system "
            "that all hosts share"
        )


def check_shared_folder(folder: Path) -> None:
    """Check that a folder is the same one on all hosts. Create it if it does not exist.

    Raises:
      HostError: it is not the same folder. It is raised on every host.
    """
    if not is_multihost():
        return
    path = folder / f".seen-by-all-{broadcast(secrets.randbits(30))}"
    if is_writer():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        check_shared(path)
    finally:
        path.unlink(missing_ok=True)
