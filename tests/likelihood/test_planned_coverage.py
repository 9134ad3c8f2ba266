"""Tests of intervals where some examples are evaluated again on twice the nodes."""

from dataclasses import dataclass, field

import jax
import numpy as np
import scipy.stats
from known_laws import EPS, LAWS, draw, exact_prior, log_density64

from gradlog.evaluation.likelihood import LikelihoodEvaluator
from gradlog.likelihood import OneDraw, Planned
from gradlog.models import BoundModel, Continuous
from gradlog.sde_lib import VP

STREAM = jax.random.key(3)


@dataclass(frozen=True)
class Oracle:
    """A model whose score is that of a law."""

    law: str
    dequantizer: Continuous = field(default_factory=Continuous)

    def bind(self, params):
        return BoundModel(VP(), LAWS[self.law].score_fn(VP())).replace(dequantizer=self.dequantizer)


def evaluator(law="mixture", **settings):
    planned = Planned(EPS, prior_log_prob=exact_prior(LAWS[law], VP()), **settings)
    return LikelihoodEvaluator(OneDraw(planned), Oracle(law), 100)


def test_intervals_cover_also_where_images_get_more_nodes():
    """A path between two modes turns within less than two nodes: such points have more."""
    xs = np.asarray(draw(LAWS["mixture"], VP(), EPS, count=200))
    found = evaluator(intervals=16, target=0.03)({}, xs, STREAM)
    sde = VP()
    want = log_density64(LAWS["mixture"], xs, lambda: sde.alpha(EPS), lambda: sde.sigma(EPS))
    quantile = scipy.stats.t.ppf(0.975, found.values["freedom"])
    errors = np.abs(found.nats - want)
    covered = errors <= quantile * found.standard_error
    again = found.values["nfe"] > found.values["nfe"].min()
    assert 20 < again.sum() < 180
    assert 0.90 <= covered.mean() <= 0.99
    assert covered[again].mean() >= 0.88
