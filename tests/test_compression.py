"""Files of the length of a likelihood, from end to end: other processes, devices, mistakes."""

import os

import numpy as np
import pytest
import tiny
from PIL import Image

from gradlog.codec import CodeError, ans, read_code
from gradlog.config_error import ConfigError, UserError
from gradlog.experiment.run import Run

VLB = {"likelihood.name": "vlb", "likelihood.vlb_steps": 40, "likelihood.samples": 80}
MASKED = {
    **{"sde.name": "masking", "objective.name": "masked", "model.token_features": 4},
    **{"likelihood.name": "orders", "likelihood.orders": 8, "sampling.name": "first_hitting"},
    "codec.group_size": 16,
}
KINDS = {
    "masked": MASKED,
    "uniform": VLB,
    "decoder": VLB | {"likelihood.dequantization": "decoder", "likelihood.eps": 0.02},
}


def config(kind, **overrides):
    return tiny.digits(**KINDS[kind] | {"codec.images_per_block": 4} | overrides)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A trained run of each process."""
    found = {name: tmp_path_factory.mktemp("compression") / name for name in ("masked", "uniform")}
    for name, folder in found.items():
        Run.open(folder, config(name)).train()
    return found | {"decoder": found["uniform"]}


@pytest.fixture(scope="module")
def files(folders, tmp_path_factory):
    """The first six test digits, compressed by each codec."""
    root = tmp_path_factory.mktemp("files")
    for kind in KINDS:
        run = Run.open(folders[kind], config(kind))
        (root / kind).write_bytes(run.compress(run.experiment.dataset.test[np.arange(6)]))
    return root


def test_other_processes_batch_sizes_and_devices_give_every_pixel_back(files, folders):
    """With another batch size of evaluation, on two devices, where they also give the same file."""
    program = """
import sys
import jax
import numpy as np
from gradlog import Run
assert jax.device_count() == 2
for name in ("masked", "uniform"):
    run = Run.open(sys.argv[2 + (name == "uniform")])
    run.config.eval.batch_size = 5
    file = open(f"{sys.argv[1]}/{name}", "rb").read()
    images = run.experiment.dataset.test[np.arange(6)]
    x = run.decompress(file)
    print(name, x.dtype, np.array_equal(x, images), run.compress(images) == file)
"""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    found = [str(path) for path in (files, folders["masked"], folders["uniform"])]
    printed = tiny.python("-c", program, *found, environment={"XLA_FLAGS": flags})
    assert printed[-2:] == ["masked uint8 True True", "uniform uint8 True True"]


def test_a_file_brings_the_settings_of_its_likelihood(files, folders):
    run = Run.open(folders["decoder"])
    assert run.config.likelihood.dequantization == "uniform"
    x = run.decompress((files / "decoder").read_bytes())
    np.testing.assert_array_equal(x, run.experiment.dataset.test[np.arange(6)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_has_the_bits_of_the_estimator(folders, kind):
    """Of one and the same images, for one token at a time, and the variances of vlb."""
    masked = {"codec.group_size": 1, "likelihood.orders": 2}
    overrides = masked if kind == "masked" else {"codec.knots": 0}
    run = Run.open(folders[kind], config(kind, **overrides))
    x = np.asarray(run.experiment.dataset.test[np.arange(40)])
    found = run.compression.compress(run.params(), 4, x)
    stated = float(np.mean(run.bits_per_dim_of(x)))
    parts = found.bits_per_dim
    assert sum(found.bits.values()) == pytest.approx(8 * len(found.data))
    # A bin is a quarter of a deviation: its variance is 1/192 of that of a step. It changes the
    # bits of the steps by as much, which are less than twice those of the account.
    assert abs(parts["discretization"]) < 2 * stated / 192
    assert abs(parts["integers"]) < 48 * 10 / x.size  # half a word for each of ten blocks
    # A path of latents costs more or less than its mean by about sqrt(2 nats); an order by less.
    error = np.sqrt(2 / (stated * np.log(2) * x.size))
    assert parts["model"] == pytest.approx(stated, rel=4 * error)


def test_the_command_compresses_a_folder_and_the_images_come_back(command, folders, tmp_path):
    x = np.random.default_rng(0).integers(0, 17, (5, 8, 8)).astype(np.uint8)
    (tmp_path / "images").mkdir()
    for number, image in enumerate(x):
        Image.fromarray(image).save(tmp_path / f"images/{number}.png")
    Image.fromarray(x[4]).convert("RGB").save(tmp_path / "images/4.png")
    (tmp_path / "images/notes.txt").touch()
    workdir, file = f"--workdir={folders['masked']}", tmp_path / "file"
    there = ("--mode=compress", f"--source={tmp_path / 'images'}", f"--output={file}")
    own = ("--config.data.channels=1", "--config.codec.group_size=8", "--config.codec.knots=2")
    status, printed, _ = command(workdir, *there, *own)
    assert status == 0
    assert [line for line in printed.splitlines() if "changes nothing" in line] == [
        "note: config.codec.knots is not read by this command; it changes nothing"
    ]
    assert (
        "source: 5 images from 6 files; left out: .txt files (1); read with a change: " in printed
    )
    assert "made gray (1)" in printed
    for output in ("found", "found.npz"):
        back = ("--mode=decompress", f"--source={file}", f"--output={tmp_path / output}")
        assert command(workdir, *back)[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "found.npz")["images"][..., 0], x)
    for number, image in enumerate(x):
        np.testing.assert_array_equal(np.array(Image.open(tmp_path / f"found/{number}.png")), image)


def test_a_damaged_file_is_named_and_what_is_left_of_it_is_written(
    mistake, files, folders, tmp_path
):
    damaged = tmp_path / "damaged"
    damaged.write_bytes((files / "masked").read_bytes()[:-1])  # of the second block
    back = ("--mode=decompress", f"--source={damaged}", f"--output={tmp_path / 'found.npz'}")
    line = mistake(f"--workdir={folders['masked']}", *back)
    assert str(damaged) in line
    assert "4 to 5" in line
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(found["recovered"], [True] * 4 + [False] * 2)


@pytest.mark.parametrize(("digest", "named"), [("program", "program"), ("outputs", "numbers")])
def test_what_another_machine_wrote_is_refused(files, folders, monkeypatch, digest, named):
    """Before an image is decoded: the codec is None here."""
    run = Run.open(folders["uniform"], config("uniform"))
    header, *_ = read_code((files / "uniform").read_bytes())
    other = header["digests"] | {digest: "0"}
    monkeypatch.setattr(run.compression, "_codec", lambda settings, params: (None, other))
    with pytest.raises(CodeError, match=named):
        run.decompress((files / "uniform").read_bytes())


def test_what_another_model_wrote_is_refused(mistake, files, folders, tmp_path):
    back = ("--mode=decompress", f"--source={files / 'masked'}", f"--output={tmp_path / 'found'}")
    assert "parameters" in mistake(f"--workdir={folders['uniform']}", *back)
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize("name", ["bound", "ode"])
def test_a_gaussian_model_needs_the_steps_of_vlb(folders, name):
    run = Run.open(folders["uniform"], config("uniform", **{"likelihood.name": name}))
    with pytest.raises(ConfigError, match=r"likelihood\.name"):
        run.compress(run.experiment.dataset.test[np.arange(2)])


def test_continuous_data_have_no_code(trained):
    run = Run.open(trained)
    with pytest.raises(ConfigError, match="continuous"):
        run.compress(run.experiment.dataset.test[np.arange(2)])


def test_the_package_of_the_coders_is_optional(folders, monkeypatch):
    monkeypatch.setattr(ans, "constriction", None)
    with pytest.raises(UserError, match=r"gradlog\[codec\]"):
        Run.open(folders["masked"]).decompress(b"")


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        (("--mode=compress",), "--output"),
        (("--mode=decompress", "--output=x"), "--source"),
        (("--mode=sample", "--output=x"), "--output"),
    ],
)
def test_a_missing_or_foreign_flag_is_named(mistake, folders, flags, flag):
    assert flag in mistake(f"--workdir={folders['masked']}", *flags)


def test_no_file_is_overwritten(mistake, files, folders):
    before = (files / "masked").read_bytes()
    flags = ("--mode=compress", f"--output={files / 'masked'}")
    assert "exists" in mistake(f"--workdir={folders['masked']}", *flags)
    assert (files / "masked").read_bytes() == before
