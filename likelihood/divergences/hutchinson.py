"""What the kinds of Hutchinson's probes share: ``v^T J v`` with v of identity covariance."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from gradlog.likelihood.divergences.base import Field, IndependentDraws, Probes, value_and_forms


@dataclass(frozen=True)
class Hutchinson(IndependentDraws):
    """``probes`` draws of one product each (Hutchinson 1990); a kind says how v is drawn."""

    probes: int = 1

    def __call__(self, f: Field, x: Float[Array, "*D"], probes: Probes):
        return value_and_forms(f, x, probes)

    def products(self, dims: int) -> int:
        del dims
        return self.probes
