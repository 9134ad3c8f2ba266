"""How the hosts of a run come together."""

import contextlib
import os
from dataclasses import dataclass

import jax

from gradlog import supervisor
from gradlog.distributed.exchange import PATIENCE_SECONDS, HostError, wait_at

JOIN_SECONDS = 300
HEARTBEAT_SECONDS = 30
_ADDRESS = "JAX_COORDINATOR_ADDRESS"  # jax reads it where no coordinator is given
_LEAVE_SECONDS = 5


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
                shutdown_timeout_seconds=PATIENCE_SECONDS,
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
        wait_at("gradlog-leave", _LEAVE_SECONDS)


def _check_devices() -> None:
    counts = dict.fromkeys(range(jax.process_count()), 0)
    for device in jax.devices():
        counts[device.process_index] += 1
    if len(set(counts.values())) > 1:
        told = ", ".join(f"host {host} has {count}" for host, count in counts.items())
        raise HostError(f"all hosts must have as many devices: {told}")
