"""What hosts tell each other; with one host it costs nothing and waits for nobody."""

import itertools
from typing import Any, TypeVar, cast

import jax
import numpy as np
from flax.serialization import msgpack_restore, msgpack_serialize
from jax._src.distributed import global_state
from jax.experimental import multihost_utils

Item = TypeVar("Item")
PATIENCE_SECONDS = 7 * 24 * 3600
_BARRIERS = itertools.count()
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
    wait_at(f"gradlog-{next(_BARRIERS)}", PATIENCE_SECONDS)


def wait_at(barrier: str, seconds: int) -> None:
    """Waits for all hosts to come to a barrier; raises RuntimeError if they do not in time."""
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
