"""Data sets without their examples: either not available, or not loaded yet."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from gradlog.data.dataset import BITS_PER_DIM, UNKNOWN, DataError, Dataset


@dataclass(frozen=True)
class DatasetSpec:
    """Facts about a data set without its examples; `Dataset` explains the attributes.

    `num_classes` of None means that the number of classes is not known without the data.
    """

    name: str
    shape: tuple[int, ...]
    levels: int | None
    num_classes: int | None = None
    fingerprint: str = UNKNOWN
    classes: dict[str, int] | None = None
    alphabet: str | None = None
    unit: str = BITS_PER_DIM

    @classmethod
    def of(cls, dataset: Dataset) -> "DatasetSpec":
        """Return the facts about a data set."""
        return cls(**{field.name: getattr(dataset, field.name) for field in fields(cls)})

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "DatasetSpec | None":
        """Return the spec that ``facts`` returned, also after JSON; None if it is of another form.

        A fact that a later version adds has its default.
        """
        known = {field.name for field in fields(cls)}
        try:
            spec = cls(**{key: value for key, value in facts.items() if key in known})
            spec = replace(spec, shape=tuple(map(int, spec.shape)))
        except (TypeError, ValueError):
            return None
        counts = all(isinstance(each, int | None) for each in (spec.levels, spec.num_classes))
        texts = all(isinstance(each, str) for each in (spec.name, spec.fingerprint, spec.unit))
        optional = isinstance(spec.classes, dict | None) and isinstance(spec.alphabet, str | None)
        return spec if counts and texts and optional else None

    def facts(self) -> dict[str, Any]:
        """Return the attributes by name, for JSON."""
        return asdict(self)

    def without_examples(self, reason: str) -> Dataset:
        """Return a data set whose examples raise a DataError with the reason."""
        nothing = _MissingExamples(self.name, reason)
        return Dataset(
            self.name,
            nothing,
            nothing,
            self.shape,
            self.levels,
            self.fingerprint,
            num_classes=self.num_classes,
            classes=self.classes,
            alphabet=self.alphabet,
            unit=self.unit,
        )


def known_spec(name: str, arguments: Mapping[str, Any]) -> DatasetSpec | None:
    """Return the spec of a data set if the name and the arguments of its loader determine it.

    Args:
      name: a key of ``DATASETS``.
      arguments: ``config.data`` as a dict.
    """
    side, channels = arguments.get("image_size", 0), arguments.get("channels", 0)
    specs = {
        "cifar10": DatasetSpec(name, (32, 32, 3), 256, 10),
        "digits": DatasetSpec(name, (8, 8, 1), 17, 10),
        "folder": DatasetSpec(name, (side, side, channels), 256),
        "imagenet32": DatasetSpec(name, (32, 32, 3), 256),
        "photos": DatasetSpec(name, (side, side, 3), 256),
    }
    spec = specs.get(name)
    return spec if spec is not None and np.all(spec.shape) else None


class LazyDataset(Dataset):
    """A data set that is loaded when its examples, labels or law are first used.

    Args:
      spec: the facts, which need no loading; the number of classes needs none if the spec has it.
      load: returns the whole data set. The first use raises a DataError if its shape or its
        fingerprint differs from the spec's.
    """

    def __init__(self, spec: DatasetSpec | Dataset, load: Callable[[], Dataset]):
        names = ("name", "shape", "levels", "fingerprint", "classes", "alphabet", "unit")
        known = {key: getattr(spec, key) for key in names}
        if spec.num_classes is not None:
            known["num_classes"] = spec.num_classes
        vars(self).update(known, _load=load)  # a frozen dataclass refuses assignment

    def __getattribute__(self, name: str) -> Any:
        if name in Dataset.__dataclass_fields__ and name not in vars(self):
            return getattr(self._loaded, name)
        return super().__getattribute__(name)

    def __repr__(self) -> str:  # must not load
        return f"LazyDataset({self.name!r}, shape={self.shape}, levels={self.levels})"

    @cached_property
    def _loaded(self) -> Dataset:
        loaded: Dataset = vars(self)["_load"]()
        if (loaded.fingerprint, loaded.shape) != (self.fingerprint, self.shape):
            raise DataError(
                f"the data {loaded.name} are not the data of this run: their fingerprint is "
                f"{loaded.fingerprint}, and the run's is {self.fingerprint}; restore the data "
                "that the run was trained on"
            )
        return loaded


class _MissingExamples:
    """A source whose examples are not available."""

    def __init__(self, name: str, reason: str):
        self._name, self._reason = name, reason

    def __len__(self) -> int:
        return 0

    def __getitem__(self, indices: Any) -> NoReturn:
        raise DataError(f"this needs the examples of {self._name}: {self._reason}")
