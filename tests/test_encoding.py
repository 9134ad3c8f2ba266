"""Data to latents and back: the flow in closed form, and the workdir's files."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gradlog.data import DataError
from gradlog.distributions import Gaussian
from gradlog.evaluation.encoding import EncodingRun, Paths
from gradlog.experiment.build import load_dataset
from gradlog.experiment.run import Run
from gradlog.models import BoundModel
from gradlog.ode import Adaptive, LogRhoFlow, TimeFlow
from gradlog.sampling import Encoding
from gradlog.sde_lib import SDES

LAW = Gaussian(mean=jnp.array([-1.0, 0.0, 0.5]), std=jnp.array([0.3, 0.5, 1.0]))
X = np.array([-0.9, 0.4, -1.0])
EPS = 1e-2


# The flow in t is compared with that in log rho by likelihood/test_ode_truth.py for every process.
# A process that keeps the variance, one that does not, and the flow in t.
FLOWS = [("vp", LogRhoFlow()), ("ve", LogRhoFlow()), ("vp", TimeFlow())]


@pytest.mark.parametrize(("name", "flow"), FLOWS)
def test_the_latent_of_a_gaussian_keeps_its_distance_in_standard_deviations(name, flow):
    """The flow of ``N(m_t, v_t)`` moves every point with ``(x - m_t) / sqrt(v_t)`` fixed."""
    with jax.enable_x64(True):
        sde = SDES[name]()
        encoding = Encoding(Adaptive(1e-9, 1e-9), flow, EPS)
        score_fn = LAW.score_fn(sde)
        there = jax.jit(lambda x: encoding.encode(BoundModel(sde, score_fn), x))(X)
        back = jax.jit(lambda z: encoding.decode(BoundModel(sde, score_fn), z))(there.x)
        ends = [(np.float64(sde.alpha(t)), np.float64(sde.sigma(t))) for t in (EPS, sde.t_max)]
    mean, std = np.float64(LAW.mean), np.float64(LAW.std)
    (m, v), (m_end, v_end) = [(a * mean, (a * std) ** 2 + s**2) for a, s in ends]
    assert there.ok
    assert back.ok
    want = m_end + np.sqrt(v_end / v) * (X - m)
    # Of a latent of VE's size, 50, and of one of size 1.
    np.testing.assert_allclose(there.x, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(back.x, X, rtol=0, atol=1e-6)


def test_a_run_decodes_what_it_encodes_and_its_workdir_gets_a_file_and_a_picture(workdir, capsys):
    run = Run.open(workdir)
    folder = run.save_encodings(20)
    assert folder == workdir / "encodings" / "20"
    assert (folder / "latents.png").stat().st_size > 1000
    with np.load(folder / "latents.npz") as arrays:
        found = dict(arrays)
    assert {"originals", "points", "latents", "reconstructions", "nfe", "ok"} == set(found)
    assert found["ok"].all()
    told = capsys.readouterr()
    assert "round-trip error" in told.out + told.err
    x = run.experiment.dataset.test[np.arange(6)]
    z = run.encode(x)
    assert z.shape == x.shape
    assert np.abs(z - x).max() > 0.01
    np.testing.assert_array_equal(found["originals"], x)
    np.testing.assert_array_equal(found["latents"], z)
    np.testing.assert_allclose(found["reconstructions"], found["points"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(run.decode(z), x, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(run.encode(x, step=20), z)
    assert np.abs(run.encode(x, step=10) - z).max() > 1e-4
    # Another number of data in a batch.
    other = Run.open(workdir, tiny.points(**{"sampling.batch_size": 3}))
    np.testing.assert_allclose(other.encode(x), z, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 2)])
def test_data_of_another_shape_are_an_error(trained, shape):
    run = Run.open(trained)
    for carry in (run.encode, run.decode):
        with pytest.raises(DataError, match="do not fit"):
            carry(np.zeros(shape, np.float32))


def test_equal_settings_have_one_place_and_others_their_own(workdir, monkeypatch):
    """Of data, counts, parameters and tolerances; a place is the same whatever the latents are."""
    as_they_are = lambda self, params, x: Paths(x, x, np.ones(len(x)), np.ones(len(x), bool))  # noqa: E731
    monkeypatch.setattr(EncodingRun, "encode", as_they_are)
    monkeypatch.setattr(EncodingRun, "decode", as_they_are)
    first = Run.open(workdir).save_encodings(20)
    content = (first / "latents.npz").read_bytes()
    changes = ({"sampling.num_samples": 3}, {"sampling.rtol": 1e-3})
    others = [Run.open(workdir, tiny.points(**change)).save_encodings(20) for change in changes]
    run = Run.open(workdir)
    params = jax.tree.map(lambda x: x + 1e-3, run.params(20))
    with monkeypatch.context() as patch:
        patch.setattr(Run, "params", lambda *_: params)
        others.append(run.save_encodings(20))
    run = Run.open(workdir)
    data = replace(load_dataset(run.config), fingerprint="other")
    run = replace(run, experiment=run.experiment.with_data(data))
    others.append(run.save_encodings(20))
    assert len({first, *others}) == 5
    assert {folder.parent for folder in others} == {first.parent}
    assert (first / "latents.npz").read_bytes() == content
    assert Run.open(workdir).save_encodings(20) == first
