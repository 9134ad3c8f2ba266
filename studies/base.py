"""The contract of a study."""

from typing import Protocol

from gradlog.run import RunDirectory


class Study(Protocol):
    """Shows one claim of the theory: pictures, and a JSON file of the numbers in them.

    A frozen dataclass whose fields are keys of ``config.study``. It writes into ``folder_of(run)``
    and trains in the workdir, or in folders inside it, what it needs.
    """

    def __call__(self, run: RunDirectory) -> None: ...
