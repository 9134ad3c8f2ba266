"""A pytest plugin: the members that the pages on extending write, in the dicts of their rooms.

So the tests of each room take them up, as they would in the repository.
"""

import importlib

import numpy as np

from tests.docs.pages import blocks

# Of each page: the dict that a member is put into, its name there, and what the page calls it.
MEMBERS = (
    ("sde_lib", "SDES", "cosine", "Cosine"),
    ("models", "NETWORKS", "torus", "Torus"),
    ("models", "PARAMETRIZATIONS", "beside_gaussian", "BesideGaussian"),
    ("data", "DATASETS", "spiral", "load_spiral"),
    ("losses", "OBJECTIVES", "antithetic", "AntitheticScoreMatching"),
    ("losses", "WEIGHTINGS", "min_snr", "MinSNR"),
    ("likelihood", "DIVERGENCES", "coordinates", "Coordinates"),
)


def pytest_configure(config):
    del config
    for room, registry, name, called in MEMBERS:
        getattr(importlib.import_module(room), registry)[name] = member(room, called)


def member(room, called):
    """What a page defines under a name, by those of its blocks alone that define members."""
    page = blocks(f"docs/extending/{room}.md")
    wanted = [f"{word} {name}" for _, _, _, name in MEMBERS for word in ("class", "def")]
    namespace = {"__name__": "page"}
    for block in page:
        if block.language == "python" and any(text in block.code for text in wanted):
            exec(block.code, namespace)
    return namespace[called]


def pytest_collection_modifyitems(items):
    """What the pages say that a test must be told besides: the truth, written out once more."""
    for module in {item.module for item in items}:
        if hasattr(module, "float64_alpha_sigma"):
            module.float64_alpha_sigma = _with_cosine(module.float64_alpha_sigma)
        if hasattr(module, "coefficients64"):
            module.targets = _with_beside_gaussian(module, module.targets)


def _with_cosine(others):
    def alpha_sigma(sde, t):
        if type(sde).__name__ != "Cosine":
            return others(sde, t)
        angle = 0.5 * np.pi * t.astype(np.float64)
        return np.cos(angle), np.sin(angle)

    return alpha_sigma


def _with_beside_gaussian(module, others):
    def targets(name, sde, t):
        if name != "beside_gaussian":
            return others(name, sde, t)
        alpha, sigma, _, _ = module.coefficients64(sde, t)
        width = alpha * module.SIGMA_DATA
        residual = width * module.SIGMA_DATA * module.Z - sigma * module.DATUM
        return residual / (module.SIGMA_DATA * np.hypot(width, sigma))

    return targets
