"""Folders of runs and sweeps with made-up results. Tests must not change the shared ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from ml_collections import ConfigDict

from gradlog.evaluation import bits_per_dim, pictures
from gradlog.evaluation.bits_per_dim import Result, summarize
from gradlog.evaluation.comparison import all_paired, save_comparison, save_differences
from gradlog.evaluation.likelihood import Evaluation
from gradlog.experiment.build import load_dataset
from gradlog.storage import MetricsLog, Workdir, list_versions, write_json
from gradlog.sweeps import SweepFolder, make_plan
from gradlog.sweeps.runs import Record

HOSTILE = "<script>alert(1)</script>&<img src=x onerror=alert(2)>\"'"
DIMS = 64
SWEEP = '''"""Two rates, and one that fails: <b>not bold</b>."""

def sweep():
    yield {"optimizer.learning_rate": 1e-3, "seed": 0}
    yield {"optimizer.learning_rate": 1e-3, "seed": 1}
    yield {"optimizer.learning_rate": 2e-3, "seed": 0}
    yield {"optimizer.learning_rate": 4e-3, "seed": 0}
'''


def save_fake_result(
    workdir: Workdir,
    estimator: str,
    step: int,
    fingerprint: str,
    *,
    seed: int,
    failed: int = -1,
    count: int = 40,
    shift: float = 0,
    **other: float,
) -> Result:
    """Save a result with random numbers, of which one image may have failed."""
    random = np.random.default_rng(seed)
    nats = lambda mean, std: random.normal(mean, std, count).astype(np.float32)  # noqa: E731
    parts = {
        "prior": nats(-93, 3),
        "divergence": nats(430 + step + shift, 9),
        "volume": np.full(count, -321.6, np.float32),
        "eps": nats(1, 1),
        "dequantization": np.zeros(count, np.float32),
    }
    evaluation = Evaluation(
        values={
            "parts": parts,
            "errors": {"probes": np.abs(nats(2, 1))},
            "discretization": np.full(count, np.nan),
            "nfe": random.integers(90, 110, count),
            "jvps": random.integers(180, 220, count),
            "ok": np.arange(count) != failed,
            "freedom": np.full(count, np.inf),
        },
        log_scale=float(np.log(8.5)),
        dims=DIMS,
        seconds=6.25,
        compile_seconds=11.5,
    )
    settings = {"likelihood.probes": 7, "eval.num_images": count, "devices": 1} | other
    eps = {"evaluated": 1e-3, "trained": 1e-3, "start": "noised"}
    about = {
        "estimator": estimator,
        "step": step,
        "checkpoint": "",
        "data_fingerprint": fingerprint,
        "eps": eps,
        "versions": list_versions(),
    }
    folder = workdir.result("eval", step, estimator, settings=settings)
    write_json(folder / "settings.json", settings)
    bits_per_dim.save_result(folder, evaluation, summarize(evaluation, about))
    found = bits_per_dim.load_result(folder)
    assert found is not None
    return found


def start_run(root: Path, config: ConfigDict, fingerprint: str) -> Workdir:
    """Make a workdir with a configuration and a log of ten steps."""
    workdir = Workdir(root)
    identity = {"seed": 0, "data.name": config.data.name, "data.fingerprint": fingerprint}
    workdir.claim(config.to_dict(), identity)
    log = MetricsLog(root, 0)
    for step in range(1, 11):
        levels = {"loss_at_rho_0.05": 5.0 / step, "loss_at_rho_7": 2.0 / step}
        held_out = {"held_out_loss": 3.5 / step, **levels} if step % 5 == 0 else {}
        metrics = {"loss": 4.0 / step, "grad_norm": 1.0 + step, **held_out}
        log.write(step, metrics)
    log.close()
    return workdir


@pytest.fixture(scope="session")
def digits():
    """The data set of the made-up results."""
    return load_dataset(tiny.images())


@pytest.fixture(scope="session")
def evaluated(digits, tmp_path_factory) -> Path:
    """A run on digits: results of two estimators at two steps, differences, samples."""
    root = tmp_path_factory.mktemp("evaluated") / "run <1>"
    config = tiny.images(**{"eval.estimators": ("ode", "bound"), "data.tfds_name": HOSTILE})
    workdir = start_run(root, config, digits.fingerprint)
    found = [
        save_fake_result(workdir, name, step, digits.fingerprint, seed=i, failed=3 * i)
        for i, (name, step) in enumerate([("ode", 5), ("ode", 10), ("bound", 5), ("bound", 10)])
    ]
    save_differences(workdir, found)
    rows = all_paired([(found[1], found[0], ("step 10", "step 5"))])
    paths = {f"{side}_folder": str(found[0].folder) for side in ("minuend", "subtrahend")}
    save_comparison(workdir, [{"estimator": "ode", **row, **paths} for row in rows])
    for step in (5, 10):
        path = root / "previews" / f"{step:08d}.png"
        pictures.save_samples(path, digits.test[np.arange(16)], digits.levels)
    pictures.save_samples(root / "samples/10/grid.png", digits.test[np.arange(9)], digits.levels)
    return root


@pytest.fixture
def workdir(evaluated, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(evaluated, tmp_path / "run"))


@pytest.fixture(scope="session")
def swept(digits, tmp_path_factory) -> Path:
    """A sweep of four runs: three are done, one has failed."""
    root = tmp_path_factory.mktemp("swept") / "sweep"
    file = root.with_name("sweep.py")
    file.write_text(SWEEP)
    plan, folder = make_plan(str(file), tiny.images()), SweepFolder(root)
    plan.save(folder.plan)
    *done, failed = plan.runs
    for i, planned in enumerate(done):
        run = start_run(
            folder.workdir(planned.name), plan.build_config(planned), digits.fingerprint
        )
        result = save_fake_result(run, "ode", 10, digits.fingerprint, seed=i)
        name = str(result.folder.relative_to(run.root))
        folder.write_record(planned.name, Record(plan.settings_digest(planned), (name,), 12.0, 3.0))
    folder.write_record(failed.name, Record(failure="it ended with status 1"))
    folder.log(failed.name).write_text(f"line one\n{HOSTILE}\nValueError: no\n")
    return root
