"""Conversion of score_sde's configs and parameters to ours: hyperparameters and trees."""

import ast
from pathlib import Path

import flax.linen as nn
import flax.traverse_util
import numpy as np

from gradlog.models.networks import NETWORKS
from gradlog.storage import read_official

GOLDEN = Path(__file__).parents[1] / "golden"
# All golden arrays. The large ones are not in the repository; they are tested if this exists.
SHARED = Path(__file__).parents[3] / "shared" / "golden"

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
# Fields that are there although the network does not look at them.
_UNREAD = {
    "ncsnpp": set(),
    "ddpm": {"embedding_type", "trainable_embedding"},
    "ncsn": set(),
    "ncsnv2": {"embedding_type", "trainable_embedding", "dropout"},
}


def hyper_parameters(config: str) -> dict:
    """Return our network's fields from the `repr` of an official config."""
    sections = ast.literal_eval(config)
    name, _, backbone = sections["model"]["name"].partition("_")
    skipped = _NOT_OURS | _UNREAD[name]
    fields = {k: v for k, v in sections["model"].items() if k not in skipped}
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    fields |= {"backbone": int(backbone)} if backbone else {}
    return fields | {"centered": sections["data"]["centered"]}


def network_of(config: str) -> nn.Module:
    """Return our network with the hyperparameters of the `repr` of an official config."""
    name = ast.literal_eval(config)["model"]["name"].partition("_")[0]
    return NETWORKS[name](**hyper_parameters(config))


def parameters(golden: dict[str, np.ndarray]) -> dict:
    """Return the flax tree of the `params/...` arrays; GroupNorm's (1, 1, 1, C) become (C,).

    Those of `likelihood_vp.npz` are stored once, as the average in `checkpoint_1`.
    """
    stored = {
        key.removeprefix("params/"): value
        for key, value in golden.items()
        if key.startswith("params/")
    } or read_official(GOLDEN / "checkpoint_1").ema_params
    flat = {
        key: value.reshape(-1) if "GroupNorm" in key else value for key, value in stored.items()
    }
    return flax.traverse_util.unflatten_dict(flat, sep="/")


def load_golden(path: Path) -> tuple[nn.Module, dict, dict[str, np.ndarray]]:
    """Return the network, its parameters and all arrays of a golden file."""
    with np.load(path) as file:
        golden = dict(file)
    return network_of(str(golden["config"])), parameters(golden), golden
