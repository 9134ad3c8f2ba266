"""Orthonormal coordinates of data, in which a linear process moves each dimension on its own."""

import math
from abc import abstractmethod

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gradlog.sde_lib.pytree import pytree


class Basis:
    """An orthonormal map from data to coordinates. It changes no volume and no white noise."""

    @abstractmethod
    def coordinates(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return the coordinates of a datum."""

    @abstractmethod
    def data(self, y: Float[Array, "*D"]) -> Float[Array, "*D"]:
        """Return the datum of coordinates: the inverse of ``coordinates``."""

    def seen(self, levels: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return what a network of data sees of the noise levels of the coordinates: their mean."""
        return jnp.mean(levels)


@pytree
class Pixels(Basis):
    """The entries of the datum themselves."""

    def coordinates(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return x

    def data(self, y: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return y

    def seen(self, levels: Float[Array, "..."]) -> Float[Array, "..."]:
        return levels


@pytree
class Frequencies(Basis):
    """The discrete cosine transform of type II, over height and width or over a vector.

    It diagonalizes the heat equation with reflecting edges (Rissanen et al. 2022, arXiv:2206.13397,
    section 3.1).
    """

    def coordinates(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return jax.scipy.fft.dctn(x, axes=spatial_axes(x.shape), norm="ortho")

    def data(self, y: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return jax.scipy.fft.idctn(y, axes=spatial_axes(y.shape), norm="ortho")


@pytree
class Reflections(Basis):
    """Coordinates after Householder reflections, whose vectors are trained.

    r reflections ``I - 2 v v^T / |v|^2`` reach every choice of the first r basis vectors. A process
    that treats all coordinates alike but for these differs from a multiple of the identity by a
    matrix of rank r.

    Attributes:
      vectors: one v for each reflection.
    """

    vectors: Float[Array, "rank size"]

    def coordinates(self, x: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return self._reflect(x, self.vectors)

    def data(self, y: Float[Array, "*D"]) -> Float[Array, "*D"]:
        return self._reflect(y, self.vectors[::-1])

    def _reflect(self, x: Float[Array, "*D"], vectors) -> Float[Array, "*D"]:
        flat = x.reshape(-1)
        for v in vectors:
            flat = flat - 2 * v * (v @ flat) / (v @ v)
        return flat.reshape(x.shape)


def spatial_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of an image without its channels, or all axes of other data."""
    return (0, 1) if len(shape) == 3 else tuple(range(len(shape)))


def squared_frequencies(shape: tuple[int, ...]) -> Float[Array, "*D"]:
    """Return ``sum_a (pi k_a / n_a)^2``, minus the eigenvalues of the Laplacian, for `Frequencies`.

    Hoogeboom & Salimans 2022, arXiv:2209.05557, appendix A: n_a is the length of axis a.
    """
    found = jnp.zeros(shape)
    for axis in spatial_axes(shape):
        along = [1] * len(shape)
        along[axis] = shape[axis]
        waves = math.pi * jnp.arange(shape[axis]) / shape[axis]
        found += (waves**2).reshape(along)
    return found
