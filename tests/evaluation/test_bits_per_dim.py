"""What a result's files say: every field, in data-set order, failures listed and left out."""

import json
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
import thirteen
from flax import struct
from jaxtyping import Array
from scipy import stats

from gradlog.evaluation import bits_per_dim as results
from gradlog.evaluation.batch_cache import BatchCache
from gradlog.evaluation.bits_per_dim import common_settings, load_result, summarize
from gradlog.evaluation.likelihood import Evaluation, LikelihoodEvaluator
from gradlog.likelihood import LogProb, Part
from gradlog.likelihood.parts import PRIOR
from gradlog.likelihood.stored import log_mean_exp
from gradlog.storage import Workdir, digest, write_json, write_npz, write_sealed

NATS = np.array([-3.0, -5.0, np.nan, -4.0, -9.0], np.float32)
OK = np.array([True, True, True, True, False])  # the third is not finite, the fifth gave up
GOOD = [0, 1, 3]
DIMS = 2
ABOUT = {
    "estimator": "ode",
    "step": 700,
    "checkpoint": "fedcba9876543210",
    "data_fingerprint": "0123456789abcdef",
    "eps": {"evaluated": 1e-3, "trained": 1e-5, "start": "noised"},
    "versions": {"jax": "0"},
}


def evaluation(probes, discretization=np.nan, ok=None):
    values = {
        "parts": {"prior": NATS, "dequantization": np.full(5, 0.5)},
        "errors": {"probes": np.asarray(probes, np.float32)},
        "discretization": np.full(5, discretization),
        "nfe": np.array([10, 20, 30, 40, 100]),
        "jvps": np.array([1, 2, 3, 4, 10]),
        "ok": OK if ok is None else ok,
        "freedom": np.full(5, np.inf),
    }
    return Evaluation(values, log_scale=0.25, dims=DIMS, seconds=1.5, compile_seconds=2.5)


def save_result(folder, evaluation, about):
    summary = summarize(evaluation, about)
    write_json(folder / "settings.json", {"rtol": 1e-5})
    results.save_result(folder, evaluation, summary)
    return summary


ERRORS = [0.1, 0.2, 0.3, 0.4, 0.5]
BITS = -(NATS.astype(np.float64) + 0.5 - DIMS * 0.25) / (DIMS * np.log(2))


def test_summary_averages_the_good_and_lists_the_others():
    summary = summarize(evaluation(ERRORS), ABOUT)
    good = BITS[GOOD]
    np.testing.assert_allclose(summary["bits_per_dim"], good.mean())
    np.testing.assert_allclose(summary["standard_error"], good.std(ddof=1) / np.sqrt(3))
    np.testing.assert_allclose(summary["nats_per_dim"], good.mean() * np.log(2))
    noise = np.array([0.1, 0.2, 0.4]) / (DIMS * np.log(2))
    np.testing.assert_allclose(
        summary["estimator_standard_error"], np.sqrt(np.sum(noise**2)) / 3, rtol=1e-6
    )
    assert summary["num_images"] == 3
    assert summary["failed"] == [2, 4]
    assert summary["mean_over"] == "3 of 5 images; 2 failed"
    assert (summary["nfe"], summary["nfe_max"]) == (40, 100)
    assert (summary["forward_evaluations"], summary["jvp_evaluations"]) == (40, 4)
    assert summary["eps"] == {"evaluated": 1e-3, "trained": 1e-5, "start": "noised"}
    assert (summary["seconds"], summary["compile_seconds"]) == (1.5, 2.5)
    assert (summary["estimator"], summary["step"]) == ("ode", 700)
    assert summary["data_fingerprint"] == "0123456789abcdef"
    assert summary["versions"] == {"jax": "0"}


def test_lines_of_the_account_add_up_to_the_summary():
    summary = summarize(evaluation(ERRORS), ABOUT)
    lines = summary["account"]
    assert [line["term"] for line in lines] == ["prior", "dequantization", "units"]
    total = sum(line["bits_per_dim"] for line in lines)
    np.testing.assert_allclose(total, summary["bits_per_dim"])
    np.testing.assert_allclose([line["nats"] for line in lines], [-4.0, 0.5, -0.5])


def test_the_interval_is_students():
    summary = summarize(evaluation(ERRORS), ABOUT)
    good = BITS[GOOD]
    low, high = stats.t.interval(0.95, 2, good.mean(), good.std(ddof=1) / np.sqrt(3))
    np.testing.assert_allclose(summary["interval"]["low"], low, rtol=1e-6)
    np.testing.assert_allclose(summary["interval"]["high"], high, rtol=1e-6)
    assert summary["interval"]["level"] == 0.95


def test_a_discretization_has_the_accounts_sign():
    """Nats that the last refinement added are bits that it saved."""
    found = summarize(evaluation(ERRORS, 0.3), ABOUT)["discretization"]
    np.testing.assert_allclose(found["bits_per_dim"], -0.3 / (DIMS * np.log(2)))
    np.testing.assert_allclose(found["standard_error"], 0, atol=1e-12)
    assert summarize(evaluation(ERRORS), ABOUT)["discretization"] is None


def test_one_probe_has_no_error_of_the_estimator(tmp_path):
    """In the file null, which JSON has, and not NaN, which it has not."""
    save_result(tmp_path, evaluation([np.nan] * 5), ABOUT)
    text = (tmp_path / "bits_per_dim.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["estimator_standard_error"] is None
    assert json.loads(text)["standard_error"] > 0


def test_files_hold_the_summary_and_every_image_in_order(tmp_path):
    assert load_result(tmp_path) is None
    summary = save_result(tmp_path, evaluation(ERRORS), ABOUT)
    found = load_result(tmp_path)
    assert found is not None
    assert found.summary == json.loads(json.dumps(summary))
    np.testing.assert_allclose(found.bits_per_dim, BITS)
    np.testing.assert_array_equal(found.ok, [True, True, False, True, False])
    assert found.folder == tmp_path
    assert json.loads((tmp_path / "settings.json").read_text()) == {"rtol": 1e-5}
    with np.load(tmp_path / "per_image.npz") as per_image:
        np.testing.assert_allclose(per_image["bits_per_dim"], BITS)
        np.testing.assert_allclose(
            per_image["standard_error"], np.array(ERRORS) / (DIMS * np.log(2)), rtol=1e-6
        )
        np.testing.assert_array_equal(per_image["nfe"], [10, 20, 30, 40, 100])
        np.testing.assert_array_equal(per_image["jvps"], [1, 2, 3, 4, 10])
        np.testing.assert_array_equal(per_image["ok"], [True, True, False, True, False])
        np.testing.assert_array_equal(per_image["nats_prior"], NATS)
        np.testing.assert_allclose(per_image["nats_dequantization"], 0.5)
        np.testing.assert_allclose(per_image["nats_units"], -0.5)


@pytest.mark.filterwarnings("error")
def test_a_result_without_one_good_image_is_still_a_result(tmp_path):
    """No mean exists: the file says null, and names every image."""
    failed = evaluation(ERRORS, ok=np.zeros(5, bool))
    save_result(tmp_path, failed, ABOUT)
    stored = load_result(tmp_path)
    assert stored is not None
    assert stored.summary["bits_per_dim"] is None
    assert stored.summary["estimator_standard_error"] is None
    assert stored.summary["account"] == []
    assert stored.summary["failed"] == [0, 1, 2, 3, 4]


@struct.dataclass
class RoughLogProb(LogProb):
    """The return value of an estimator that reports two more numbers of each example."""

    roughness: Array | None = None
    levels: dict | None = None


def test_a_new_number_of_an_estimator_reaches_the_file_under_its_name(tmp_path):
    """Two edits: a field, and its value. The batches are cached and joined without a third."""

    def estimator(model, xs, keys):
        total = xs.sum(axis=(1, 2, 3))
        ones = jnp.ones(len(xs), int)
        return RoughLogProb(
            parts={PRIOR: total, Part("roughness", 15, "a term of this test"): 0 * total + 1},
            errors={},
            discretization=total * jnp.nan,
            latent=xs,
            nfe=ones,
            jvps=ones,
            ok=ones == 1,
            roughness=2 * total,
            levels={"low": total - 1, "high": total + 1},
        )

    evaluator = LikelihoodEvaluator(estimator, thirteen.MODEL, 4)
    evaluate = lambda: evaluator(  # noqa: E731
        thirteen.params(), thirteen.SOURCE, thirteen.STREAM, cache=BatchCache.open(tmp_path, {})
    )
    for found in (evaluate(), evaluate()):  # the second one reads all batches from files
        save_result(tmp_path, found, ABOUT)
        with np.load(tmp_path / "per_image.npz") as arrays:
            total = thirteen.SOURCE.sum(axis=(1, 2, 3)).astype(np.float32)
            np.testing.assert_array_equal(arrays["roughness"], 2 * total)
            np.testing.assert_array_equal(arrays["levels_low"], total - 1)
            np.testing.assert_array_equal(arrays["levels_high"], total + 1)
            assert "latent" not in arrays
        stored = load_result(tmp_path)
        assert stored is not None
        np.testing.assert_array_equal(stored.per_image["roughness"], 2 * total)
        lines = [(line["term"], line["meaning"]) for line in stored.summary["account"]]
        assert lines[1] == ("roughness", "a term of this test")
        assert [name for name, _ in lines] == ["prior", "roughness", "units"]


@dataclass(frozen=True)
class Steps:
    """An estimator that takes a number of steps, and asks for more if the sum of a datum is large.

    Its result is the number of its steps.
    """

    steps: int = 1

    def tightened(self):
        return Steps(2 * self.steps)

    def __call__(self, model, xs, keys):
        total = xs.sum(axis=(1, 2, 3))
        steps = jnp.full(len(xs), self.steps)
        return LogProb(
            parts={PRIOR: steps.astype(float)},
            errors={},
            discretization=total,
            latent=xs,
            nfe=steps,
            jvps=steps,
            ok=steps > 0,
            refine=total > self.steps,
        )


def test_examples_that_ask_for_it_are_evaluated_again_and_only_those(tmp_path):
    x = np.zeros((6, 2, 2, 1), np.float32)
    x[1, 0, 0], x[4, 0, 0], x[5, 0, 0] = 3, 2, 1000
    evaluator = LikelihoodEvaluator(Steps(), thirteen.MODEL, 4)
    evaluate = lambda: evaluator(  # noqa: E731
        thirteen.params(), x, thirteen.STREAM, cache=BatchCache.open(tmp_path, {})
    )
    for found in (evaluate(), evaluate()):  # the second one reads all batches from files
        np.testing.assert_array_equal(found.values["parts"]["prior"], [1, 4, 1, 1, 2, 16])
        np.testing.assert_array_equal(found.values["nfe"], [1, 1 + 2 + 4, 1, 1, 1 + 2, 31])
        np.testing.assert_array_equal(found.values["refine"], [0, 0, 0, 0, 0, 1])


def test_the_mean_over_draws_carries_a_new_number():
    draws = RoughLogProb(
        parts={PRIOR: jnp.zeros((3, 2))},
        errors={},
        discretization=jnp.zeros((3, 2)),
        latent=jnp.zeros((3, 2, 1)),
        nfe=jnp.ones((3, 2), int),
        jvps=jnp.ones((3, 2), int),
        ok=jnp.ones((3, 2), bool),
        roughness=jnp.arange(6.0).reshape(3, 2),
    )
    np.testing.assert_allclose(log_mean_exp(draws).roughness, [2.0, 3.0])


def test_a_result_of_version_0_1_is_read_with_the_names_of_today(tmp_path):
    summary = {
        "bits_per_dim": 1.0,
        "discretisation": None,
        "error_split": [{"source": "test set and dequantisation", "share": 1.0}],
        "account": [{"term": "dequantisation", "nats": 0.0}],
        "estimator": "dequantisation",  # a value that is no such name stays as it is
    }
    arrays = {"bits_per_dim": np.ones(2), "ok": np.ones(2, bool), "nats_dequantisation": np.ones(2)}
    write_npz(tmp_path / "per_image.npz", arrays)
    write_json(tmp_path / "settings.json", {"likelihood.dequantisation": "uniform", "devices": 1})
    write_sealed(tmp_path / "bits_per_dim.json", summary, ["per_image.npz", "settings.json"])
    found = load_result(tmp_path)
    assert found is not None
    assert set(found.per_image) == {"bits_per_dim", "ok", "nats_dequantization"}
    assert found.summary["discretization"] is None
    assert found.summary["error_split"][0]["source"] == "test set and dequantization"
    assert found.summary["account"][0]["term"] == "dequantization"
    assert found.summary["estimator"] == "dequantisation"
    assert common_settings(tmp_path) == {"likelihood.dequantization": "uniform"}


def test_a_term_of_an_estimator_that_is_not_imported_has_no_meaning_but_is_read(tmp_path):
    lines = [{"term": "gone"}, {"term": "gone", "meaning": "its own"}, {"term": "prior"}]
    write_npz(tmp_path / "per_image.npz", {"bits_per_dim": np.ones(2), "ok": np.ones(2, bool)})
    write_json(tmp_path / "settings.json", {})
    beside = ["per_image.npz", "settings.json"]
    write_sealed(tmp_path / "bits_per_dim.json", {"account": lines}, beside)
    found = load_result(tmp_path)
    assert found is not None
    assert [line["meaning"] for line in found.summary["account"]] == ["", "its own", PRIOR.meaning]


@pytest.mark.parametrize("name", ["ode", "ode-of-another-digest"])
def test_a_result_of_version_0_1_keeps_its_folder(tmp_path, name):
    settings = {"likelihood.dequantization": "uniform", "likelihood.probes": 2}
    old = {"likelihood.dequantisation": "uniform", "likelihood.probes": 2}
    workdir = Workdir(tmp_path)
    base = tmp_path / "eval" / "4" / "ode"
    folder = base if name == "ode" else base.with_name(f"ode-{digest(old)}")
    if folder != base:
        write_json(base / "settings.json", {"likelihood.probes": 7})
    write_json(folder / "settings.json", old)
    assert workdir.result("eval", 4, "ode", settings=settings) == folder
