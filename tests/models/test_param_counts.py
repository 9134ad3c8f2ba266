"""The number of parameters of every published NCSNpp configuration."""

import csv
import math
from typing import Any

import jax
import pytest

from models.networks import NCSNpp
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


def hyper_parameters(config: str, image_size: int) -> dict[str, Any]:
    """From the official configs, by the name of the configuration."""
    if image_size >= 256:
        return LARGE_IMAGES if image_size == 256 else LARGEST_IMAGES
    fields = NCSNPP if "ncsnpp" in config else DDPMPP
    if config.startswith("ve.") and "continuous" in config:
        fields = fields | CONTINUOUS_VE
    return fields | (DEEP if "deep" in config else {})


def published() -> dict[tuple, list[int]]:
    """(image size, hyper-parameters) -> the counts of all configurations that have them."""
    counts: dict[tuple, list[int]] = {}
    with open(GOLDEN / "param_counts.csv") as file:
        for row in csv.DictReader(file):
            if row["network"] == "ncsnpp":
                size = int(row["image_size"])
                fields = tuple(hyper_parameters(row["config"], size).items())
                counts.setdefault((size, fields), []).append(int(row["parameters"]))
    return counts


@pytest.mark.parametrize(("case", "counts"), published().items(), ids=lambda case: str(case[0]))
def test_parameter_count(case, counts):
    image_size, fields = case
    _, tree = abstract_init(NCSNpp(**dict(fields)), (image_size, image_size, 3))
    assert {sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))} == set(counts)
