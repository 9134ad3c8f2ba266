"""The work of one of two hosts in one process: `host_work.py PORT HOST CONFIG WORKDIR`.

It trains and evaluates without a restart in between. It also checks what needs several hosts: how
they gather arrays and agree.
"""

import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from gradlog import distributed
from gradlog.cli import modes
from gradlog.cli.flags import Options
from gradlog.cli.main import prepared_devices
from gradlog.experiment.loading import load_config

DTYPES = (np.float64, np.int64, np.bool_, np.uint8)


def own(host: int) -> dict:
    """Return arrays of another length on every host, of types that devices would convert."""
    arrays = {np.dtype(dtype).name: np.arange(3 + host).astype(dtype) for dtype in DTYPES}
    return {"arrays": arrays, "fine": np.array([1 + 2.0**-40 * (1 + host)]), "no": np.zeros(0)}


def of_one(host: int) -> dict:
    """Return arrays on the second host only."""
    return own(host) if host else {}


def check_gathering(host: int) -> None:
    for has in (own, of_one):
        for number, found in enumerate(distributed.gather(has(host))):
            wanted = has(number)
            assert jax.tree.structure(found) == jax.tree.structure(wanted)
            for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x, y)


def check_agreeing(host: int, folder: Path) -> None:
    assert distributed.broadcast(7 + host) == 7
    assert distributed.any_host(host == 1)
    assert not distributed.any_host(False)
    assert distributed.take_share(list(range(5))) == [[0, 2, 4], [1, 3]][host]
    distributed.check_agreement({"color": "red"})
    _refused(lambda: distributed.check_agreement({"color": f"red {host}"}), "color: it is red 0 on")
    distributed.check_shared_folder(folder)
    _refused(lambda: distributed.check_shared_folder(folder / str(host)), "all hosts share")
    assert not distributed.exists_on_hosts(folder / "nothing")


def _refused(ask, message: str) -> None:
    try:
        ask()
    except distributed.HostError as error:
        if message not in str(error):
            raise
    else:
        raise AssertionError(f"not refused: {message}")


if __name__ == "__main__":
    port, host, config, workdir = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
    options = Options(
        "train",
        workdir,
        config=load_config(config),
        coordinator=f"localhost:{port}",
        num_hosts=2,
        host=host,
    )
    with prepared_devices(options):
        modes.train(options)
        distributed._SEEN_SECONDS = 0.5
        check_gathering(host)
        check_agreeing(host, Path(workdir))
        modes.evaluate(replace(options, mode="eval"))
