"""Which share of samples each mode of a mixture got, and samples drawn with it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gradlog import terminal
from gradlog.distributions import GaussianMixture
from gradlog.experiment.reader import ConfigError
from gradlog.run import RunDirectory
from gradlog.sampling import AnnealedLangevin, Sampler
from gradlog.sampling.chains import LangevinChain
from gradlog.sde_lib import SDE
from gradlog.studies.fields import draw_cloud
from gradlog.studies.needs import need

Points = Float[np.ndarray, "n 2"]
_SHOWN = 600  # points of a panel


def annealed_of(run: RunDirectory) -> AnnealedLangevin:
    """The run's sampler.

    Raises:
      ConfigError: it is another one, or denoises.
    """
    sampler = run.experiment.sampler
    if not isinstance(sampler, AnnealedLangevin) or sampler.denoise:
        raise ConfigError(
            "this study needs config.sampling.name = 'annealed_langevin' with "
            "config.sampling.denoise = False: it looks at the law with the noise of eps"
        )
    return sampler


def mixture_of(run: RunDirectory) -> GaussianMixture:
    """The law of the run's data.

    Raises:
      ConfigError: it is no mixture in the plane, or two of its means are one point.
    """
    law = run.experiment.dataset.law
    if not isinstance(law, GaussianMixture) or law.shape != (2,):
        raise ConfigError(
            "this study needs a mixture in the plane: config.data.name = 'mixture' and dims = 2"
        )
    distinct = len(np.unique(np.asarray(law.means), axis=0)) == len(law.means)
    need(distinct, "modes at different places: config.data.center other than 0")
    return law


def draw_samples(run: RunDirectory, sampler: Sampler, score_fn, count: int) -> Points:
    """Samples from starts of the run's stream of samples; the diverged are said, and left out.

    Raises:
      ConfigError: all did.
    """

    def one(key):
        prior_key, path_key = jax.random.split(key)
        sde = run.experiment.sde
        return sampler(sde, score_fn, sde.prior_sample(prior_key, (2,)), path_key)

    keys = jax.random.split(run.experiment.streams["sample"], count)
    samples = jax.device_get(jax.jit(jax.vmap(one))(keys))
    say_diverged(samples.ok)
    return samples.x[samples.ok]


def say_diverged(ok: Bool[np.ndarray, " n"]) -> None:
    """Warns of chains that diverged; raises ConfigError if all did."""
    if not ok.any():
        raise ConfigError("all chains diverge: take a smaller config.sampling.step_size")
    if not ok.all():
        terminal.say(f"warning: {np.sum(~ok)} of {len(ok)} chains diverged and are left out")


def draw_exact(
    run: RunDirectory, law: GaussianMixture, sampler: LangevinChain, count: int
) -> Points:
    """Samples of the law that a chain aims at: the data with the noise of its eps."""
    sde, key = run.experiment.sde, run.experiment.streams["eval"]
    return np.asarray(draw_noisy(law, sde, sampler.eps, key, count))


def draw_noisy(
    law: GaussianMixture, sde: SDE, t: float, key: Array, count: int
) -> Float[Array, "count 2"]:
    """Draws of x_t, the law's data with the noise of t."""
    alpha, sigma = sde.alpha(jnp.asarray(t)), sde.sigma(jnp.asarray(t))
    one = lambda key: law.sample_at(key, alpha, sigma)  # noqa: E731
    return jax.jit(jax.vmap(one))(jax.random.split(key, count))


def nearest_mode(law: GaussianMixture, x: Points) -> Int[np.ndarray, " n"]:
    """The index of the mean nearest to each point."""
    return np.argmin(_distances(law, x), axis=1)


def share_of_first_mode(law: GaussianMixture, x: Points) -> tuple[float, float]:
    """Share of the points that are nearest to the law's first mean, and its standard error."""
    share = float(np.mean(nearest_mode(law, x) == 0))
    return share, float(np.sqrt(share * (1 - share) / len(x)))


def spread_of_modes(law: GaussianMixture, x: Points) -> float:
    """Root mean square per dimension of the distance to the nearest of the law's means."""
    return float(np.sqrt(np.mean(np.min(_distances(law, x), axis=1) ** 2) / x.shape[1]))


def _distances(law: GaussianMixture, x: Points) -> Float[np.ndarray, "n k"]:
    return np.linalg.norm(np.asarray(x)[:, None] - np.asarray(law.means), axis=-1)


def draw_points(axes, law: GaussianMixture, x: Points, title: str) -> None:
    """The first of the points, and the shares of both modes above or below them."""
    extent = 2.4 * float(np.abs(law.means).max())
    draw_cloud(axes, x[:_SHOWN], extent, title, markersize=2, alpha=0.6)
    first, _ = share_of_first_mode(law, x)
    for mean, share in zip(np.asarray(law.means), (first, 1 - first), strict=True):
        axes.text(mean[0], 0, f"{share:.3f}", ha="center", va="center", fontsize=11)
