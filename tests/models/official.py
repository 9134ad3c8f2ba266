"""Reading of score_sde's configs and parameters into ours: hyper-parameters and trees."""

import ast
from pathlib import Path

import flax.traverse_util
import numpy as np

from models.networks import NCSNpp

GOLDEN = Path(__file__).parents[1] / "golden"

# Fields of config.model that say nothing about this network, or that it does not vary.
_NOT_OURS = {
    "name",
    "attention_type",
    "conv_size",
    "data_init",
    "normalization",
    "ema_rate",
    "beta_min",
    "beta_max",
}


def hyper_parameters(config: str) -> dict:
    """NCSNpp's fields from the `repr` of an official config."""
    sections = ast.literal_eval(config)
    fields = {k: v for k, v in sections["model"].items() if k not in _NOT_OURS}
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return fields | {"centered": sections["data"]["centered"]}


def parameters(golden: dict[str, np.ndarray]) -> dict:
    """The flax tree of the `params/...` arrays; GroupNorm's (1, 1, 1, C) become (C,)."""
    flat = {
        key.removeprefix("params/"): value.reshape(-1) if "GroupNorm" in key else value
        for key, value in golden.items()
        if key.startswith("params/")
    }
    return flax.traverse_util.unflatten_dict(flat, sep="/")


def load_golden(path: Path) -> tuple[NCSNpp, dict, dict[str, np.ndarray]]:
    """The network, its parameters and all arrays of a golden file."""
    with np.load(path) as file:
        golden = dict(file)
    network = NCSNpp(**hyper_parameters(str(golden["config"])))
    return network, parameters(golden), golden
