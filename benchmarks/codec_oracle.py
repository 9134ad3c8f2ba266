"""Measure where a chain of latents loses bits, on levels of a mixture of known entropy.

    python benchmarks/codec_oracle.py --steps=100 --images=800 --dims=256

Each pixel is a level of a mixture of two Gaussians, and the network is exact. So the bound has a
closed form: its prior, its steps and its decoder each lose something, which is printed beside what
is measured on the file. All images are in one block.
"""

import argparse
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from gradlog.codec import BitsBack, Checks, write_code

LEVELS = 17
CENTERS = (2 * np.arange(LEVELS) + 1) / LEVELS - 1
PROBS = np.exp(-0.5 * ((np.abs(CENTERS) - 0.45) / 0.25) ** 2)
PROBS += np.exp(-0.5 * ((np.abs(CENTERS) + 0.45) / 0.25) ** 2)
PROBS = PROBS / PROBS.sum()
ENTROPY = float(-(PROBS * np.log2(PROBS)).sum())
Z = np.linspace(-8, 8, 401)
WEIGHTS = PROBS[:, None] * np.exp(-0.5 * Z**2) / np.exp(-0.5 * Z**2).sum()  # of levels and noise


def main() -> None:
    """Print the parts in bits/dim, and the file in percent of the images' log probability."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--knots", type=int, default=9, help="0 for the variances of the bound")
    options = parser.parse_args()
    rhos = np.geomspace(0.03, 4, options.steps + 1)
    prior_std = math.sqrt(PROBS @ CENTERS**2 + rhos[-1] ** 2)
    codec = BitsBack(
        *(
            lambda y, i: _posterior(y, float(rhos[i]), PROBS) @ CENTERS,
            rhos,
            prior_std,
            CENTERS,
            False,
        ),
        **{"images": options.images, "rows": 1, "length": options.dims, "knots": options.knots},
    )
    x = np.random.default_rng(0).choice(LEVELS, (options.images, options.dims), p=PROBS)
    started = time.process_time()
    (block,) = codec.encode(x, lambda done: None)
    seconds = time.process_time() - started
    (back,) = codec.decode([block], lambda done: None)
    assert back is not None
    assert np.array_equal(back, x)
    data = write_code({}, [block], [Checks.of(x.astype(np.uint8))])
    own = -np.log2(PROBS[x]).sum() / x.size
    words, initial = (32 * count / x.size for count in (len(block.words), block.initial))
    mass, density = block.mass_bits / x.size, block.density_bits / x.size
    stored = 8 * options.knots / x.size
    rows = {
        "log probability": own,
        **_expected(rhos, prior_std, fitted=options.knots > 0),
        "measured: prior, steps, decoder": density - stored - own,
        "discretization": mass - density,
        "variances of the steps": stored,
        "integers": words - initial - mass,
        "without initial bits and header": words - initial,
        "initial bits": initial,
        "header": 8 * len(data) / x.size - words,
        "the file": 8 * len(data) / x.size,
    }
    print(f"entropy {ENTROPY:.4f} bits/dim; {len(x) / seconds:.1f} images per second of CPU time")
    for name, value in rows.items():
        print(f"{name:33} {value:8.4f} {100 * value / own:8.2f} %")


def _expected(rhos: np.ndarray, prior_std: float, *, fitted: bool) -> dict[str, float]:
    """Return what the parts of the bound exceed the information by, which they stand for."""
    errors, conditional = np.transpose([_at_level(rho) for rho in rhos])
    steps = (rhos[1:] ** 2 / rhos[:-1] ** 2 - 1) * errors[1:] / rhos[1:] ** 2
    nats = 0.5 * (np.log1p(steps) if fitted else steps).sum()
    ratio = rhos[-1] / prior_std
    prior = 0.5 * (ratio**2 + PROBS @ CENTERS**2 / prior_std**2 - 1) - math.log(ratio)
    flat = _posterior(CENTERS[:, None] + rhos[0] * Z, rhos[0], np.ones(LEVELS))
    decoder = -(WEIGHTS * np.log2(_of_own_level(flat))).sum()
    return {
        "expected: prior": prior / math.log(2) - (ENTROPY - conditional[-1]),
        "expected: steps": nats / math.log(2) - (conditional[-1] - conditional[0]),
        "expected: decoder": decoder - conditional[0],
    }


def _at_level(rho: float) -> tuple[float, float]:
    """Return ``E(x0 - E[x0 | y])^2``, and the entropy of the level given y in bits."""
    posterior = _posterior(CENTERS[:, None] + rho * Z, rho, PROBS)
    error = (WEIGHTS * (posterior @ CENTERS - CENTERS[:, None]) ** 2).sum()
    return error, -(WEIGHTS * np.log2(_of_own_level(posterior))).sum()


def _posterior(y: np.ndarray, rho: float, prior: np.ndarray) -> np.ndarray:
    """Return the probabilities of the levels given y."""
    logits = np.log(prior) - 0.5 * ((np.asarray(y, float)[..., None] - CENTERS) / rho) ** 2
    posterior = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return posterior / posterior.sum(axis=-1, keepdims=True)


def _of_own_level(posterior: np.ndarray) -> np.ndarray:
    return np.take_along_axis(posterior, np.arange(LEVELS)[:, None, None], axis=-1)[..., 0]


if __name__ == "__main__":
    main()
