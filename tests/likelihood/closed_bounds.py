"""The limits of the bounds of a Gaussian at each point, in closed form and in float64."""

import functools

import jax
import numpy as np
from known_laws import LAWS, in_float64

from gradlog.sde_lib import SDES


def _residual(x, log_rho) -> np.ndarray:
    """Return ``E||sigma s + z||^2`` at ``x_t = alpha x + sigma z``, with the exact score."""
    mean, variance = (np.asarray(a, np.float64) for a in (LAWS["gaussian"].mean, _variance()))
    rho2 = np.exp(2 * np.asarray(log_rho))[..., None, None]
    value = (variance**2 + rho2 * (np.asarray(x, np.float64) - mean) ** 2) / (variance + rho2) ** 2
    return value.sum(axis=-1)


def _variance() -> np.ndarray:
    return np.asarray(LAWS["gaussian"].std, np.float64) ** 2


@functools.cache
def _ends(sde_name: str, eps: float) -> dict[str, float]:
    """Return log alpha and log sigma at eps and at t_max."""

    @jax.jit
    def run(sde):
        names = {"eps": eps, "end": sde.t_max}
        alphas = {f"log_alpha_{k}": sde.log_alpha(t) for k, t in names.items()}
        return alphas | {f"log_sigma_{k}": sde.log_sigma(t) for k, t in names.items()}

    with jax.enable_x64(True):
        return {k: float(v) for k, v in run(in_float64(SDES[sde_name]())).items()}


def edges(sde_name: str, eps: float, count: int, variable: str = "log_rho") -> np.ndarray:
    """Return log rho at the ends of the steps."""
    ends = _ends(sde_name, eps)
    if variable == "log_rho":
        low, high = (ends[f"log_sigma_{k}"] - ends[f"log_alpha_{k}"] for k in ("eps", "end"))
        return np.linspace(low, high, count + 1)
    with jax.enable_x64(True):
        sde = in_float64(SDES[sde_name]())
        times = np.linspace(eps, float(sde.t_max), count + 1)
        return np.asarray(jax.jit(jax.vmap(sde.log_rho))(times))


def bound(
    xs, sde_name: str, eps: float, steps: int = 0, variable: str = "log_rho", grid=None
) -> np.ndarray:
    """Return the bound of ``steps`` steps (0: continuous time) at each point, in nats.

    ``grid`` replaces log rho at the ends of the steps, for a path with the ends of the process.
    """
    ends, d = _ends(sde_name, eps), xs.shape[-1]
    if grid is None:
        grid = edges(sde_name, eps, steps or 20_000, variable)
    width = np.diff(grid)
    if steps:
        diffusion = -np.tensordot(0.5 * np.expm1(2 * width), _residual(xs, grid[1:]), axes=1)
    else:  # by the midpoint rule: its error is some 1e-6 nats
        diffusion = -np.tensordot(width, _residual(xs, grid[:-1] + 0.5 * width), axes=1)
    diffusion += d * (grid[-1] - grid[0])
    volume = d * (ends["log_alpha_end"] - ends["log_alpha_eps"])
    step = 0.5 * (d - _residual(xs, grid[0])) + d * ends["log_alpha_eps"]
    return diffusion + volume + step + _prior(xs, ends)


def diffusion_of_sampler(xs, sde_name: str, eps: float, churn: float) -> np.ndarray:
    """Return the diffusion term of the bound of DDIM's steps with noise, for many steps.

    A step from rho to r adds noise of variance ``v = churn^2 (rho^2 - r^2)``, and its mean is ``x0
    + sqrt(r^2 - v)/rho (y - x0)``, with x0 denoised in the model and known in the posterior: two
    Gaussians of one variance (Song, Meng & Ermon 2021, arXiv:2010.02502, eq. 7).
    """
    grid = edges(sde_name, eps, 20_000)
    low, high = np.exp(grid[:-1]), np.exp(grid[1:])
    noise = churn**2 * (high**2 - low**2)
    kl = (high - np.sqrt(low**2 - noise)) ** 2 / (2 * noise)
    return xs.shape[-1] * (grid[-1] - grid[0]) - np.tensordot(kl, _residual(xs, grid[1:]), axes=1)


def _prior(xs, ends) -> np.ndarray:
    """Return ``E log p_T(x_T)`` conditional on x."""
    alpha2, sigma2 = np.exp(2 * ends["log_alpha_end"]), np.exp(2 * ends["log_sigma_end"])
    variance = alpha2 * _variance() + sigma2
    distance = np.asarray(xs, np.float64) - np.asarray(LAWS["gaussian"].mean, np.float64)
    square = (alpha2 * distance**2 + sigma2) / variance
    return -0.5 * np.sum(np.log(2 * np.pi * variance) + square, axis=-1)
