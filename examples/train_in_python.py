"""Train a score model on your own array, without a configuration file.

Command: python examples/train_in_python.py
Figure: 0.78 ± 0.02 bits/dim on held-out points (0.73 with 4,000 steps); the distribution itself has
about 0.69.
Time: half a minute on two CPU cores.
"""

import jax
import numpy as np

from gradlog import MLP, VP, DiffusionModel, Preconditioned, QuarterLogRho, fit


def two_moons(n: int, seed: int) -> np.ndarray:
    """Return n points of the plane, shape (n, 2)."""
    rng = np.random.default_rng(seed)
    angle, side = rng.uniform(0, np.pi, n), rng.integers(0, 2, n)
    x = np.where(side, 1 - np.cos(angle), np.cos(angle))
    y = np.where(side, 0.5 - np.sin(angle), np.sin(angle))
    return (np.stack([x, y], axis=1) + rng.normal(0, 0.1, (n, 2))).astype(np.float32)


def main(steps: int = 2000) -> None:
    network = MLP(embedding_type="fourier_linear", fourier_scale=0.5)
    model = DiffusionModel(VP(), network, Preconditioned(sigma_data=0.7), QuarterLogRho())
    fitted = fit(model, two_moons(10_000, seed=0), steps=steps)

    test, key = two_moons(1000, seed=1), jax.random.key(0)
    bits = fitted.bits_per_dim(test, key)
    print(f"{bits.value:.4f} ± {bits.standard_error:.4f} bits/dim")
    print("log density in nats of three points:", fitted.log_prob(test[:3], key))
    print("three samples:", fitted.sample(3, key))


if __name__ == "__main__":
    main()
