"""The hosts of a run, all of which run the same program: how they join, agree and exchange."""

from gradlog.distributed.exchange import (
    HostError,
    agreed,
    any_host,
    check_agreement,
    count,
    gathered,
    index,
    several,
    share,
    writes,
)
from gradlog.distributed.files import check_shared, check_shared_folder, there
from gradlog.distributed.joining import Hosts

__all__ = [
    "HostError",
    "Hosts",
    "agreed",
    "any_host",
    "check_agreement",
    "check_shared",
    "check_shared_folder",
    "count",
    "gathered",
    "index",
    "several",
    "share",
    "there",
    "writes",
]
