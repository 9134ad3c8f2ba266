"""A score model of images beside the mixture that its loss asks for: does it learn by heart?

The minimizer of denoising score matching over a finite training set is the score of a mixture of
Gaussians around its images (Vincent 2011; Karras et al. 2022, arXiv:2206.00364, eq. 57). At large
noise a network agrees with it. At small noise it does not: samples of the mixture are training
images, and its density is a kernel density estimate.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from gradlog import terminal
from gradlog.distributions import Empirical, GaussianMixture, monte_carlo
from gradlog.evaluation.pictures import image_grid, to_bytes
from gradlog.experiment.run import Run
from gradlog.experiment.training_parts import law_of
from gradlog.losses import ExplicitScoreMatching
from gradlog.models import BoundModel, Centers, Uniform
from gradlog.sampling import Sampler
from gradlog.studies.common import require, write_results
from gradlog.studies.curves import Curve, curves_to_json, draw_line, label_axes, noise_levels

_SHOWN = 12  # images of each kind
_BANDWIDTHS = np.geomspace(0.02, 0.5, 15)  # in the model's space, [-1, 1]
Images = Num[np.ndarray, "n *D"]


class Nearest(NamedTuple):
    """For each image the nearest training image: its index, and the rms distance in levels."""

    index: Int[np.ndarray, " n"]
    rms: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class TrainingMixture:
    """Train on uniformly dequantized images, then compare with the mixture of the training set.

    Attributes:
      noise_levels: number of noise levels, from ``objective.eps`` to t_max.
      draws: noisy images at each level.
      images: samples of the network, and of the mixture.

    Raises:
      ConfigError: the data have no levels, or are not dequantized uniformly.
    """

    noise_levels: int = 9
    draws: int = 4096
    images: int = 100

    def __call__(self, run: Run) -> None:
        experiment, dataset = run.experiment, run.experiment.dataset
        dequantizer: Any = experiment.model.dequantizer
        need = "images with levels, and config.objective.dequantization = 'uniform'"
        require(isinstance(dequantizer, Uniform), need)
        assert isinstance(dequantizer, Uniform)
        run.train()
        network = experiment.model.bind(run.params())
        law: Any = law_of(dataset, Centers(dequantizer.levels, dequantizer.centered))
        images = {
            name: np.asarray(x[np.arange(len(x))])
            for name, x in (("training", dataset.train), ("test", dataset.test))
        }
        levels = noise_levels(run, self.noise_levels)
        keys = jax.random.split(experiment.streams["eval"], 2)
        distance = {
            name: distance_to_mixture(network, law, x, levels.times, keys[0], self.draws)
            for name, x in images.items()
        }
        kernel = {name: kernel_bits(network, law, x, keys[1]) for name, x in images.items()}
        mixture = network.replace(score_fn=jax.tree_util.Partial(law.score_fn(network.process)))
        samples, nfe = {}, {}
        for name, model in (
            ("samples of the mixture", mixture),
            ("samples of the network", network),
        ):
            samples[name], nfe[name] = draw_images(
                experiment.sampler, model, dataset.shape, experiment.streams["sample"], self.images
            )
        shown = samples | {"test images": images["test"]}
        near = {name: nearest(x, images["training"]) for name, x in shown.items()}

        best = int(np.argmin(kernel["test"][0]))
        numbers: dict[str, Any] = {
            "rho": levels.rho.tolist(),
            "squared_distance": curves_to_json(distance),
            "bandwidth": _BANDWIDTHS.tolist(),
            "kernel_bits_per_dim": curves_to_json(kernel),
            "best_kernel_bits_per_dim": float(kernel["test"][0][best]),
            "network_bits_per_dim": run.bits_per_dim()["bits_per_dim"],
            "share_of_training_images": {n: float(np.mean(f.rms == 0)) for n, f in near.items()},
            "rms_to_the_nearest": {n: float(np.mean(f.rms)) for n, f in near.items()},
            "nfe": nfe,
        }
        for i, rho in enumerate(levels.rho):
            train, test = (distance[name][0][i] for name in images)
            terminal.say(
                f"rho {rho:.3g}: sigma^2 |network - mixture|^2/d is {train:.2g} at training "
                f"images, {test:.2g} at test images"
            )
        for name, share in numbers["share_of_training_images"].items():
            terminal.say(
                f"{name}, {nfe.get(name, 0):.0f} NFE: {share:.0%} equal a training image in every "
                f"pixel; the nearest is {numbers['rms_to_the_nearest'][name]:.2f} levels away (rms)"
            )
        terminal.say(
            f"test images: {numbers['best_kernel_bits_per_dim']:.2f} bits/dim by the best kernel "
            f"density estimate, {numbers['network_bits_per_dim']:.2f} by the network"
        )

        figure = Figure(figsize=(11, 5), layout="constrained")
        parts: Any = figure.subfigures(2, 1, height_ratios=(3, 1))
        upper, lower = parts
        left, middle, right = upper.subplots(1, 3)
        for name, curve in distance.items():
            draw_line(left, levels.rho, curve, f"{name} images", marker=".")
        at_test = distance["test"][0]
        worst = int(np.argmax(at_test))
        title = (
            f"network and mixture at test images: {at_test[-1]:.1g} apart\n"
            f"at the largest noise, {at_test[worst]:.2g} at rho {levels.rho[worst]:.2g}"
        )
        label = r"$\sigma^2\|s - s_{mixture}\|^2/d$"
        label_axes(left, title, r"noise $\rho$", label, xscale="log", yscale="log")
        bins = np.linspace(0, max(found.rms.max() for found in near.values()), 41)
        for name, found in near.items():
            middle.hist(found.rms, bins, density=True, alpha=0.6, label=name)
        share = numbers["share_of_training_images"]["samples of the mixture"]
        title = f"{share:.0%} of the mixture's samples\nare training images"
        label_axes(middle, title, "rms to the nearest training image (levels)", "density")
        middle.set_yscale("log")
        for name, curve in kernel.items():
            draw_line(right, _BANDWIDTHS, curve, f"kernels, {name} images", marker=".")
        right.axhline(numbers["network_bits_per_dim"], color="k", label="network, test images")
        title = (
            f"test images: kernels {numbers['best_kernel_bits_per_dim']:.2f} bits/dim,\n"
            f"network {numbers['network_bits_per_dim']:.2f}"
        )
        limits = {"xscale": "log", "ylim": (0, 8)}
        label_axes(right, title, "bandwidth (model's space)", "bits/dim", **limits)
        right.xaxis.set_minor_formatter(NullFormatter())
        for axes, name in zip(lower.subplots(1, 2), samples, strict=True):
            pairs = np.stack([shown[name], images["training"][near[name].index]])[:, :_SHOWN]
            grid = image_grid(to_bytes(pairs.reshape(-1, *dataset.shape), dataset.levels), _SHOWN)
            axes.imshow(grid.squeeze(), cmap="gray", vmin=0, vmax=255)
            distance = numbers["rms_to_the_nearest"][name]
            title = f"{name}, {nfe[name]:.0f} NFE; below the nearest, {distance:.2f} levels away"
            axes.set_title(title, fontsize=10)
            axes.axis("off")
        write_results(run, "gmm", figure, numbers)


def distance_to_mixture(
    model: BoundModel,
    law: Empirical,
    images: Images,
    times: Float[Array, " levels"],
    key: Array,
    draws: int,
) -> Curve:
    """Return ``sigma^2 E||s - grad log p_t||^2/d`` at each time and its standard error.

    The components of p_0 are the training images, each with the variance of a level. The
    expectation is over dequantized ``images`` with noise.
    """
    count, width = len(law.points), math.exp(-float(model.log_scale or 0.0))
    stds = jnp.full(count, width / math.sqrt(12))
    mixture = GaussianMixture(jnp.full(count, 1 / count), law.points, stds)
    explicit, stored = ExplicitScoreMatching(mixture), jnp.asarray(images)

    def draw(key, t):
        image_key, dequantization_key, key = jax.random.split(key, 3)
        x = stored[jax.random.randint(image_key, (), 0, len(stored))]
        x0, _ = model.dequantize(dequantization_key, x)
        return 2 * explicit(model, x0, t, key) / x0.size

    at = jax.jit(lambda t: monte_carlo(lambda key: draw(key, t), key, draws))
    means, errors = np.array([at(t) for t in times]).T
    return means, errors


def kernel_bits(model: BoundModel, law: Empirical, images: Images, key: Array) -> Curve:
    """Return bits/dim of images by Gaussian kernels around the training images, by bandwidth.

    ``-log(1/n sum_i N(x; x_i, h^2 I))`` of dequantized images, with its standard error.
    """
    keys = jax.random.split(key, len(images))
    x0, _ = jax.vmap(model.dequantize)(keys, jnp.asarray(images))

    @jax.jit
    def bits(h):
        nats = jax.lax.map(lambda x: law.log_density(x, 1.0, h), x0, batch_size=32)
        return (float(model.log_scale or 0.0) - nats / x0[0].size) / math.log(2)

    table = np.array([bits(h) for h in _BANDWIDTHS])
    return table.mean(axis=1), table.std(axis=1, ddof=1) / math.sqrt(len(images))


def draw_images(
    sampler: Sampler, model: BoundModel, shape: tuple[int, ...], key: Array, count: int
) -> tuple[Images, float]:
    """Return samples of a model as stored, and the mean NFE of one."""

    def one(key):
        prior_key, path_key = jax.random.split(key)
        z = model.process.prior_sample(prior_key, shape)
        sample = sampler(model, z, path_key)
        return model.to_data(sample.x), sample.nfe

    x, nfe = jax.jit(jax.vmap(one))(jax.random.split(key, count))
    return np.asarray(x), float(jnp.mean(nfe))


def nearest(images: Images, training: Images) -> Nearest:
    """Return the training image nearest to each image."""
    x, y = (a.reshape(len(a), -1).astype(np.float32) for a in (images, training))
    squares = np.stack([np.mean((y - row) ** 2, axis=1) for row in x])
    index = squares.argmin(axis=1)
    return Nearest(index, np.sqrt(squares[np.arange(len(x)), index]))
