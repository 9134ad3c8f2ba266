"""The number of parameters of every published configuration of score_sde and score_flow."""

import csv
import math
from typing import Any

import jax
import pytest

from models.networks import NETWORKS
from tests.models.official import GOLDEN
from tests.models.small import abstract_init

DDPMPP: dict[str, Any] = {
    "nf": 128,
    "ch_mult": (1, 2, 2, 2),
    "num_res_blocks": 4,
    "attn_resolutions": (16,),
}
NCSNPP = DDPMPP | {"fir": True, "progressive_input": "residual"}
CONTINUOUS_VE: dict[str, Any] = {"embedding_type": "fourier", "scale_by_sigma": True}
PYRAMIDS = {"progressive": "output_skip", "progressive_input": "input_skip"}
SKIP = CONTINUOUS_VE | PYRAMIDS | {"fir": True}
DEEP = {"num_res_blocks": 8}
LARGE_IMAGES = SKIP | {"ch_mult": (1, 1, 2, 2, 2, 2, 2), "num_res_blocks": 2}
LARGEST_IMAGES = SKIP | {"nf": 16, "ch_mult": (1, 2, 4, 8, 16, 32, 32, 32), "num_res_blocks": 1}
DDPM = DDPMPP | {"num_res_blocks": 2}
LARGE_DDPM = DDPM | {"ch_mult": (1, 1, 2, 2, 4, 4)}


def ncsnpp(config: str, image_size: int) -> dict[str, Any]:
    """From the official configs, by the name of the configuration."""
    if image_size >= 256:
        return LARGE_IMAGES if image_size == 256 else LARGEST_IMAGES
    fields = NCSNPP if "ncsnpp" in config else DDPMPP
    if config.startswith("ve.") and "continuous" in config:
        fields = fields | CONTINUOUS_VE
    return fields | (DEEP if "deep" in config else {})


def ddpm(config: str, image_size: int) -> dict[str, Any]:
    """The same; the unconditional one is not told the noise."""
    fields = LARGE_DDPM if image_size == 256 else DDPM
    return fields | {"conditional": not config.endswith("unconditional")}


def named_fields(row: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The name of the network and its hyper-parameters."""
    name, _, backbone = row["network"].partition("_")
    if name == "ncsnv2":
        return name, {"nf": 128, "backbone": int(backbone)}
    fields = {"ncsnpp": ncsnpp, "ddpm": ddpm}[name]
    return name, fields(row["config"], int(row["image_size"]))


def published() -> dict[tuple, list[int]]:
    """(network, image size, hyper-parameters) -> the counts of all configurations of these."""
    counts: dict[tuple, list[int]] = {}
    with open(GOLDEN / "param_counts.csv") as file:
        for row in csv.DictReader(file):
            name, fields = named_fields(row)
            case = (name, int(row["image_size"]), tuple(fields.items()))
            counts.setdefault(case, []).append(int(row["parameters"]))
    return counts


def test_all_published_configurations_are_counted():
    assert sum(len(counts) for counts in published().values()) == 38


@pytest.mark.parametrize(("case", "counts"), published().items(), ids=lambda case: str(case[0]))
def test_parameter_count(case, counts):
    name, image_size, fields = case
    _, tree = abstract_init(NETWORKS[name](**dict(fields)), (image_size, image_size, 3))
    assert {sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))} == set(counts)
