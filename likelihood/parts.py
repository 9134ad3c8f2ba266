"""The terms of a log probability: their names, their order and their meaning."""

from typing import ClassVar


class Part(str):
    """The name of a term, with its place in the account.

    A part is a string, so it serves as a key: ``parts["prior"]``. An estimator with a new term
    defines a `Part` in its own file; nothing else has to change.

    Attributes:
      order: the account lists its terms by increasing order, from the prior to the stored datum.
      meaning: one sentence for readers of the account.
    """

    order: int
    meaning: str
    _known: ClassVar[dict[str, "Part"]] = {}

    def __new__(cls, name: str, order: int, meaning: str) -> "Part":
        part = super().__new__(cls, name)
        part.order, part.meaning = order, meaning
        cls._known[name] = part
        return part

    @classmethod
    def named(cls, name: str) -> "Part":
        """Return the part of a name that was read from a file; KeyError if it is unknown."""
        return cls._known[name]

    def __getnewargs__(self) -> tuple[str, int, str]:
        return str(self), self.order, self.meaning


PRIOR = Part("prior", 10, "log density of the end of the path under the prior")
DIVERGENCE = Part("divergence", 20, "integral of the divergence of the flow along the path")
DIFFUSION = Part("diffusion", 21, "integral of the denoising errors over all noise levels")
VOLUME = Part("volume", 30, "log change of volume between the coordinates at both ends")
EPS = Part("eps", 40, "the step between the data and the smallest noise level eps")
LATENT = Part("latent", 45, "minus the KL of the latent that chooses the noise levels")
DEQUANTIZATION = Part("dequantization", 50, "minus log q of the noise that fills the levels")
IMPORTANCE = Part("importance", 60, "gain of the log of the mean over the mean of the logs")
UNITS = Part("units", 70, "log of stored units per unit of the model's space")
