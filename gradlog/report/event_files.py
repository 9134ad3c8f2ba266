"""When the points of TensorBoard's event files were written: how long training took."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

Times = list[tuple[int, float]]  # of each point its step, and the clock in seconds
_HEAD, _CHECKSUM = struct.Struct("<QI"), 4  # of a record: its length, and a checksum of that


def times_of(path: Path) -> Times:
    """Of the points of one file, in the order in which they were written.

    Raises:
      OSError: it cannot be read.
      ValueError: it is no such file.
    """
    from google.protobuf.message import DecodeError
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore

    try:
        events = [Event.FromString(record) for record in _records(path.read_bytes())]
    except DecodeError as error:
        raise ValueError(f"no events are in it ({error})") from error
    return [(event.step, event.wall_time) for event in events if event.HasField("summary")]


def _records(content: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file; one that was cut off is left out."""
    place = 0
    while place + _HEAD.size <= len(content):
        length, _ = _HEAD.unpack_from(content, place)
        begin = place + _HEAD.size
        if begin + length + _CHECKSUM > len(content):
            return
        yield content[begin : begin + length]
        place = begin + length + _CHECKSUM


def seconds_per_step(sessions: list[Times]) -> float | None:
    """The median over logged points; pauses for checkpoints and previews do not move it."""
    pairs = [pair for times in sessions for pair in pairwise(sorted(set(times)))]
    rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if b[0] > a[0]]
    return float(np.median(rates)) if rates else None


def seconds_altogether(sessions: list[Times]) -> float | None:
    """From the first to the last point of each session, added up."""
    spans = [times[-1][1] - times[0][1] for times in sessions if times]
    return sum(spans) if spans else None
