"""Whether all hosts are about the same."""

from flax.traverse_util import flatten_dict

from gradlog.distributed import check_agreement, check_shared_folder, several
from gradlog.experiment.build import NOT_IDENTITY
from gradlog.run.directory import RunDirectory
from gradlog.storage import versions


def check_one_experiment(run: RunDirectory) -> None:
    """Finds that every host has this configuration, these data and packages, and the same folder.

    Raises:
      HostError: one has not; on every host alike.
    """
    if not several():
        return
    settings = flatten_dict(run.config.copy_and_resolve_references().to_dict(), sep=".")
    check_agreement(
        {f"config.{key}": repr(settings[key]) for key in settings if key not in NOT_IDENTITY}
        | {"the data's fingerprint": run.experiment.dataset.fingerprint}
        | {f"the version of {name}": version for name, version in versions().items()}
    )
    check_shared_folder(run.workdir.root)
