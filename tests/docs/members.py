"""A pytest plugin that registers the members that the pages on extending define.

The tests of each folder then cover them, as they would in the repository.
"""

import importlib

import numpy as np

from tests.docs.pages import blocks

# The page and folder, the registry, the name in it, and the name on the page.
MEMBERS = (
    ("sde_lib", "SDES", "cosine", "Cosine"),
    ("models", "NETWORKS", "torus", "Torus"),
    ("models", "PARAMETRIZATIONS", "beside_gaussian", "BesideGaussian"),
    ("data", "DATASETS", "spiral", "load_spiral"),
    ("losses", "INTEGRANDS", "antithetic", "AntitheticScoreMatching"),
    ("losses", "WEIGHTINGS", "min_snr", "MinSNR"),
    ("likelihood", "DIVERGENCES", "coordinates", "Coordinates"),
)


def pytest_configure(config):
    del config
    for folder, registry, name, defined in MEMBERS:
        package = importlib.import_module(f"gradlog.{folder}")
        getattr(package, registry)[name] = member(folder, defined)


def member(folder, defined):
    """Return what a page defines under a name. Run only those of its blocks that define members."""
    page = blocks(f"docs/extending/{folder}.md")
    wanted = [f"{word} {name}" for _, _, _, name in MEMBERS for word in ("class", "def")]
    namespace = {"__name__": "page"}
    for block in page:
        if block.language == "python" and any(text in block.code for text in wanted):
            exec(block.code, namespace)
    return namespace[defined]


def pytest_collection_modifyitems(items):
    """Add what the pages say that a test needs besides: the exact values, written once more."""
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
