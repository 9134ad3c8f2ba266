"""An exported checkpoint in a Python that knows JAX and nothing of this repository."""

import hashlib
import json
import subprocess
import sys
import textwrap
import venv
import zipfile
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import tiny
from jax import export

from gradlog.config_error import ConfigError
from gradlog.evaluation.devices import padded_batches
from gradlog.evaluation.export import log_density_program, serialize
from gradlog.evaluation.likelihood import evaluated_source
from gradlog.evaluation.load_exported import describe, read_parts
from gradlog.experiment.build import build, load_dataset
from gradlog.experiment.run import Run

ROOT = Path(__file__).parents[1]
ODE = {"likelihood.name": "ode"}

# What must not be imported: the rooms, and all packages that JAX does not need.
FORBIDDING = """
    import importlib.abc, json, sys, zipimport
    file, inputs, outputs, forbidden = sys.argv[1:]

    class Forbidding(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in json.loads(forbidden):
                raise ImportError(name)
            if name == "flatbuffers":  # of the archive, even where it is installed
                return zipimport.zipimporter(file).find_spec(name)

    sys.meta_path.insert(0, Forbidding())
"""
LOADING = """
    import sys
    file, inputs, outputs = sys.argv[1:4]
    import numpy as np
    sys.path.append(file)
    from load_exported import Exported

    model, given = Exported(file), np.load(inputs)
    np.savez(
        outputs,
        bits=model.bits_per_dim(given["x"], batch_size=4),
        evaluated=model.bits_per_dim(given["x"]),
        last=model.bits_per_dim(given["x"][-1:], [len(given["x"]) - 1]),
        score=model.score(given["points"], given["t"]),
    )
"""


def _loaded(python, code, file, folder, *arguments, **inputs):
    """What the loader of a file gives in another process, in an empty folder."""
    folder.mkdir()
    np.savez(folder.parent / "inputs.npz", **inputs)
    files = [str(path) for path in (file, folder.parent / "inputs.npz", folder.parent / "out.npz")]
    done = subprocess.run(
        [python, "-I", "-c", code, *files, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(folder.parent / "out.npz"))


def _forbidden():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    rooms |= {path.stem for path in ROOT.glob("*.py")}
    packages = ("flax", "diffrax", "equinox", "optimistix", "optax", "orbax", "jaxtyping")
    return json.dumps([*rooms, *packages, "ml_collections", "lineax", "msgpack", "rich", "absl"])


def _check(python, code, opened, tmp_path, *arguments):
    """The file says what the run says."""
    file = opened.export(tmp_path / "model.zip")
    x = opened.experiment.dataset.test[np.arange(6)]
    points = np.asarray(jax.random.normal(jax.random.key(0), (2, 8, 8, 1)))
    times = np.array([0.1, 0.9], np.float32)
    inputs = {"x": x, "points": points, "t": times}
    found = _loaded(python, code, file, tmp_path / "empty", *arguments, **inputs)
    expected = opened.bits_per_dim()["bits_per_dim"]
    np.testing.assert_allclose(found["bits"].mean(), expected, atol=1e-5)
    np.testing.assert_allclose(found["bits"], opened.bits_per_dim_of(x), atol=1e-4)
    # The evaluation's program; a term beside it, of 3.1 bits for the units, is float32 here.
    np.testing.assert_allclose(found["evaluated"], opened.bits_per_dim_of(x), rtol=0, atol=2e-7)
    np.testing.assert_allclose(found["last"], found["bits"][-1:], atol=1e-4)
    np.testing.assert_allclose(found["score"], opened.score(points, times), rtol=1e-4, atol=1e-4)


def test_a_file_gives_the_bits_of_the_evaluation_without_this_repository(digits, tmp_path):
    opened = Run.open(digits, tiny.digits(**ODE))
    code = textwrap.dedent(FORBIDDING) + textwrap.dedent(LOADING)
    _check(sys.executable, code, opened, tmp_path, _forbidden())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ode", "quadrature", "exact", "bound", "vlb", "importance"])
def test_a_file_gives_the_bits_in_an_environment_of_jax_alone(digits, tmp_path, jax_alone, name):
    few = {"likelihood.importance_samples": 2, "likelihood.vlb_steps": 8}
    opened = Run.open(digits, tiny.digits(**ODE | few | {"likelihood.name": name}))
    _check(jax_alone, textwrap.dedent(LOADING), opened, tmp_path)


@pytest.fixture(scope="module")
def jax_alone(tmp_path_factory):
    """The Python of an environment with JAX of this version and what that requires."""
    folder = tmp_path_factory.mktemp("jax_alone")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", f"jax=={jax.__version__}"]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        pytest.skip(f"pip cannot install jax here: {done.stderr[-200:]}")
    return str(python)


@pytest.fixture(scope="module")
def file(digits, tmp_path_factory):
    """An exported bound."""
    return Run.open(digits).export(tmp_path_factory.mktemp("export") / "model.zip")


def test_a_file_says_what_it_is_and_nothing_of_this_machine(digits, file):
    with zipfile.ZipFile(file) as archive:
        about = json.loads(archive.read("about.json"))
        with archive.open("parameters.npz") as contents:
            arrays = dict(np.load(contents))
        parts = [archive.read(name) for name in archive.namelist()]
    assert about["data"] == {
        "name": "digits",
        "shape": [8, 8, 1],
        "levels": 17,
        "masks": False,
        "stored_as": "int32",
        "fingerprint": Run.open(digits).experiment.dataset.fingerprint,
    }
    assert (about["step"], about["estimator"]["name"], about["sde"]["sde.name"]) == (
        4,
        "bound",
        "vp",
    )
    assert about["platforms"] == ["cpu", "cuda", "tpu"]
    leaves = jax.tree.leaves(Run.open(digits).params())
    assert sorted(a.sum() for a in arrays.values()) == sorted(np.sum(leaf) for leaf in leaves)
    for part in parts:
        assert str(ROOT).encode() not in part
        assert b"site-packages" not in part


def test_the_same_checkpoint_makes_the_same_bytes(digits, file, tmp_path):
    again = Run.open(digits).export(tmp_path / "again.zip", 4)
    assert again.read_bytes() == file.read_bytes()


def _copy(file, path, change):
    """Copy a file with other parts, by name."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in change(parts):
            archive.writestr(name, part)
    return path


def _without_digest(parts, name, contents):
    """Replace a part, and take it out of the table, whose own digest is made right."""
    about = json.loads(parts["about.json"])
    digests = {key: value for key, value in about["sha256"].items() if key != name}
    del digests["about.json"]
    digests["about.json"] = hashlib.sha256(describe(about, digests)).hexdigest()
    return parts | {name: contents, "about.json": json.dumps(about | {"sha256": digests}).encode()}


def _replaced(parts, name, old, new):
    assert old in parts[name]
    return parts | {name: parts[name].replace(old, new)}


DAMAGE = {
    "a changed part": (
        lambda parts: (parts | {"parameters.npz": parts["parameters.npz"] + b"0"}).items(),
        "parameters.npz",
    ),
    "a part that is not in the table": (
        lambda parts: _without_digest(parts, "parameters.npz", b"0").items(),
        "parameters.npz",
    ),
    "a part too few": (
        lambda parts: [item for item in parts.items() if item[0] != "score.jax"],
        "score.jax",
    ),
    "a part too many": (lambda parts: [*parts.items(), ("jax.py", b"")], "jax.py"),
    "other settings": (
        lambda parts: _replaced(parts, "about.json", b'"levels": 17', b'"levels": 18').items(),
        "about.json",
    ),
    "no table": (lambda parts: (parts | {"about.json": b'{"format": 3}'}).items(), "about.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_whose_parts_are_not_those_of_its_table_is_refused(file, tmp_path, damage):
    read_parts(file)
    change, named = DAMAGE[damage]
    damaged = _copy(file, tmp_path / "damaged.zip", change)
    for load in (read_parts, _exported):
        with pytest.raises(ValueError, match=f"{named} in .* is not as it was written"):
            load(damaged)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_that_is_there_twice_is_refused(file, tmp_path):
    """Which of the two is read depends on the reader."""
    damaged = _copy(file, tmp_path / "damaged.zip", lambda parts: [*parts.items()] * 2)
    with pytest.raises(ValueError, match="is not as it was written"):
        read_parts(damaged)


def test_a_file_of_format_2_is_read(file, tmp_path):
    def older(parts):
        about = json.loads(parts["about.json"])
        del about["sha256"]["about.json"]
        return (parts | {"about.json": json.dumps(about | {"format": 2}).encode()}).items()

    read_parts(_copy(file, tmp_path / "older.zip", older))


@pytest.mark.parametrize("installed", [True, False])
def test_loading_leaves_no_path_behind(file, monkeypatch, installed):
    if not installed:
        for name in [each for each in sys.modules if each.partition(".")[0] == "flatbuffers"]:
            monkeypatch.delitem(sys.modules, name)

        class Missing:
            """Finds no flatbuffers but that of the file."""

            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "flatbuffers" and str(file) not in sys.path:
                    raise ImportError(name)

        monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])
    before = list(sys.path)
    _exported(file)
    assert sys.path == before


def _exported(path):
    from gradlog.evaluation.load_exported import Exported

    return Exported(path)


ONE = np.zeros((1, 8, 8, 1))
BAD = {
    "scaled": (ONE + 0.5, None, "whole numbers from 0 to 16"),
    "of too many levels": (ONE + 17, None, "whole numbers from 0 to 16"),
    "negative": (ONE - 1, None, "whole numbers from 0 to 16"),
    "not finite": (ONE * np.nan, None, "finite"),
    "none": (ONE[:0], None, "n > 0"),
    "of another shape": (ONE[..., 0], None, r"shape \(1, 8, 8\)"),
    "text": (ONE.astype(str), None, "not real numbers"),
    "with few indices": (np.repeat(ONE, 2, 0), [3], "2 whole numbers"),
    "with indices that are none": (ONE, [0.5], "1 whole numbers"),
}


@pytest.fixture(scope="module")
def model(file):
    return _exported(file)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_the_evaluations_program_is_of_one_shape_and_one_platform(file, platform):
    """Else it would be compiled otherwise than the evaluation's, and round otherwise."""
    with zipfile.ZipFile(file) as archive:
        own, any_number = (
            export.deserialize(bytearray(archive.read(f"{name}.jax")))
            for name in (f"evaluation.{platform}", "log_density")
        )
    assert own.platforms == (platform,)
    assert own.in_avals[-2].shape == (6, 8, 8, 1)
    assert any_number.platforms == ("cpu", "cuda", "tpu")
    assert str(any_number.in_avals[-2].shape[0]) == "n"


def test_batches_are_those_of_the_evaluation_and_by_its_program(model, monkeypatch):
    assert model.about["rows"] == 6
    asked = []
    for name in ("_evaluation", "_log_density"):
        program = getattr(model, name)

        def counted(params, x, index, program=program, name=name):
            asked.append((name, len(x)))
            return program(params, x, index)

        monkeypatch.setattr(model, name, counted)
    x = np.repeat(ONE, 8, 0)
    whole = model.log_prob(x)
    np.testing.assert_allclose(model.log_prob(x[:5]), whole[:5], rtol=1e-5)
    np.testing.assert_allclose(model.log_prob(x, batch_size=4), whole, rtol=1e-5)
    assert asked == [
        *[("_evaluation", 6)] * 2,
        ("_log_density", 5),
        *[("_log_density", 4)] * 2,
    ]


def test_its_rows_are_those_of_an_evaluation_on_one_device(digits, tmp_path, monkeypatch):
    """Here of batches smaller than the data; the other files have fewer data than a batch."""
    opened, asked = (
        Run.open(digits, tiny.digits(**{"eval.batch_size": 4, "eval.num_images": 9})),
        [],
    )

    def written(*_, rows=0, platforms=()):
        asked.append(rows)
        return b""

    monkeypatch.setattr("gradlog.evaluation.export.serialize", written)
    about, _ = read_parts(opened.export(tmp_path / "model.zip"))
    images = evaluated_source(opened.experiment)
    sizes = {len(i) for i, _ in padded_batches(len(images), opened.experiment.eval.batch_size)}
    assert about["rows"] == 4
    assert sizes == {4}
    assert set(asked) == {0, 4}  # the programs of any number, and of the evaluation


def test_a_file_of_another_format_is_refused(file, tmp_path):
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, part.replace(b'"format": 3', b'"format": 1'))
    with pytest.raises(ValueError, match="another format"):
        _exported(other)


def test_a_file_is_refused_where_jax_runs_on_something_else(file, monkeypatch):
    monkeypatch.setattr("gradlog.evaluation.load_exported._platform", lambda params: "abacus")
    with pytest.raises(ValueError, match="for cpu, cuda, tpu; this JAX runs on abacus"):
        _exported(file)


@pytest.mark.parametrize("what", BAD)
def test_a_file_refuses_what_the_run_refuses(model, what):
    x, index, said = BAD[what]
    for ask in (model.log_prob, model.bits_per_dim):
        with pytest.raises(ValueError, match=said):
            ask(x, index)


@pytest.mark.parametrize(
    ("points", "times", "said"), [(ONE[..., 0], 0.5, "shape"), (ONE, 2.0, r"\[0, 1\]")]
)
def test_a_file_refuses_points_and_times_that_are_none(model, points, times, said):
    with pytest.raises(ValueError, match=said):
        model.score(points, times)


def test_an_estimator_of_the_host_is_refused_and_nothing_is_written(digits, tmp_path):
    opened = Run.open(digits, tiny.digits(**{"likelihood.name": "scipy"}))
    with pytest.raises(ConfigError, match=r"'scipy' runs on the host .*take 'ode'"):
        opened.export(tmp_path / "model.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_calls_back_to_python_is_refused():
    def program(params, x):
        return jax.pure_callback(np.sin, x, x)

    with pytest.raises(RuntimeError, match="EQX_ON_ERROR"):
        serialize(program, {}, ((2,), np.float32), rows=3, platforms=("cpu",))


def test_a_datum_that_the_run_evaluates_on_finer_steps_is_not_ok(monkeypatch):
    """What `refine` is: tests/likelihood/test_quadrature.py."""
    config = tiny.points(**{"likelihood.name": "quadrature"})
    experiment = build(config, load_dataset(config))
    ok, refine = np.array([True, True, False]), np.array([True, False, False])
    found = SimpleNamespace(parts={}, ok=ok, refine=refine)
    monkeypatch.setattr("gradlog.evaluation.export.follow", lambda *_: lambda *_: found)
    program = log_density_program(experiment, "quadrature", lambda tree: {"network": tree})
    _, found_ok = program({}, experiment.dataset.test[:3], np.arange(3))
    assert found_ok.tolist() == [False, True, False]
