"""From a configuration to its data and its experiment."""

from ml_collections import ConfigDict

from gradlog.data import DATASETS, DataError, Dataset, DatasetSpec, known_spec
from gradlog.data.prepare import prepared_only
from gradlog.distributed import is_writer
from gradlog.experiment.compat import resolve_compat
from gradlog.experiment.experiment import Experiment
from gradlog.experiment.reader import Reader
from gradlog.storage import Workdir
from gradlog.terminal import say


def load_dataset(config: ConfigDict) -> Dataset:
    """Load the data that ``config.data`` names, and print the account of a user's own files.

    Raises:
      ConfigError: the name of the data set is unknown.
      DataError: the data are not available; the message says what to do.
    """
    dataset = Reader(config).choose("data", DATASETS)
    if dataset.account and is_writer():
        say(f"data: {dataset.account}")
    return dataset


def load_prepared(config: ConfigDict) -> Dataset:
    """Load the data if they are there. Nothing is prepared, downloaded or written.

    Raises:
      ConfigError: the name of the data set is unknown.
      DataError: the data are not available or not prepared.
    """
    with prepared_only():
        return load_dataset(config)


def dataset_spec(config: ConfigDict, workdir: Workdir | None = None) -> DatasetSpec | None:
    """Return shape and levels of the data, if ``config.data`` or the workdir knows them."""
    stored = DatasetSpec.from_facts(workdir.data_facts) if workdir else None
    return stored or known_spec(config.data.name, config.data.to_dict())


def load_shape(config: ConfigDict) -> Dataset:
    """Return the data set without its examples, or with them if its shape is not known else."""
    spec = dataset_spec(config)
    if spec is None:
        return load_dataset(config)
    return spec.without_examples("only its shape was asked for")


def load_data_or_shape(config: ConfigDict, workdir: Workdir | None = None) -> Dataset:
    """Load the data, or only their shape if they are not available."""
    try:
        return load_dataset(config)
    except DataError as error:
        spec = dataset_spec(config, workdir)
        if spec is None:
            raise
        return spec.without_examples(str(error))


def build(config: ConfigDict, dataset: Dataset) -> Experiment:
    """Return the experiment of a whole configuration and its data.

    Raises:
      ConfigError: a name, a key or a value is invalid; the message names it.
    """
    experiment = check_config(config).with_data(dataset)
    experiment.check(["params_spec"])
    return experiment


def check_config(config: ConfigDict) -> Experiment:
    """Check all of a configuration that needs no data, and return its experiment without data.

    Raises:
      ConfigError: a name, a key or a value is invalid; the message names it.
    """
    experiment = Experiment(resolve_compat(config))
    experiment.check()
    return experiment
