"""The wheel, beside a project that has its own models/, data/ and configs/."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import tiny

CLASHES = ("models", "data", "configs", "sampling", "losses", "main")
USE = """
import json, os, signal, sys, warnings
# Other libraries add filters of their own.
import diffrax, flax.linen, jax, optax, orbax.checkpoint, PIL.Image, sklearn, tensorboardX
before = [dict(os.environ), list(warnings.filters), sys.excepthook, sys.path_hooks[:]]
before += [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
import gradlog
import gradlog.data, gradlog.likelihood, gradlog.sampling, gradlog.training
for name in getattr(gradlog, "__all__", ()):
    getattr(gradlog, name)
after = [dict(os.environ), list(warnings.filters), sys.excepthook, sys.path_hooks[:]]
after += [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
names = ("environment", "filters", "excepthook", "path_hooks", "SIGINT", "SIGTERM", "SIGALRM")
changed = [name for name, a, b in zip(names, before, after) if a != b]
import configs, data, losses, main, models, sampling
print(json.dumps({
    "changed": changed,
    "theirs": [each.OWNER for each in (configs, data, losses, main, models, sampling)],
    "place": gradlog.__file__,
    "twice": sorted(name for name in sys.modules if name in ("sde_lib", "likelihood", "studies")),
}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return the folder of a project, and a function that runs Python there with the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    # Built from a copy: the build leaves files behind.
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=tiny.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in listed.split("\0"):
        path = tiny.ROOT / name
        if name and not name.startswith(("tests/", "docs/")) and os.path.lexists(path):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "source" / name, follow_symlinks=False)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, f"--target={folder / 'site'}", folder / "source"], check=True)
    shutil.rmtree(folder / "source")
    for name in CLASHES:
        (folder / "project" / name).mkdir(parents=True)
        (folder / "project" / name / "__init__.py").write_text("OWNER = 'project'\n")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder / "project",
            env={**os.environ, "PYTHONPATH": str(folder / "site"), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    return run


def test_the_library_is_imported_beside_clashing_names_and_changes_nothing(project):
    found = json.loads(project("-c", USE).splitlines()[-1])
    assert found["changed"] == []
    assert found["theirs"] == ["project"] * 6
    assert found["place"].startswith(str(project.folder / "site"))
    assert found["twice"] == []


def test_the_console_command_prints_its_help(project):
    command = project.folder / "site" / "bin" / "gradlog"
    assert "gradlog --workdir=" in project(str(command), "--help=eval")
    assert "configs/digits.py" in project(str(command), "--mode=configs")
    assert "--config=configs/digits.py" in project("-m", "gradlog", "--mode=completion")


def test_a_shipped_experiment_is_found_and_a_local_file_wins(project):
    least = ("model.hidden=8", "training.steps=2", "training.eval_every=0", "data.num_train=64")
    small = [f"--config.{key}" for key in least]
    mixture = ["-m", "gradlog", "--config=configs/toy/mixture.py", *small]
    assert "from the beginning to step 2" in project(*mixture, "--workdir=shipped")
    assert (project.folder / "project" / "shipped" / "checkpoints" / "2").is_dir()
    local = project.folder / "project" / "configs" / "toy" / "mixture.py"
    local.parent.mkdir()
    local.write_text(
        "from gradlog.configs.toy import mixture\n\n\ndef get_config():\n"
        "    config = mixture.get_config()\n    config.seed = 7\n    return config\n"
    )
    assert "*7 (0)" in project(*mixture, "--help=seed")


def test_templates_and_all_that_is_no_code_are_in_it(project):
    folder = tiny.ROOT / "gradlog"
    files = [path.relative_to(tiny.ROOT) for path in folder.rglob("*") if path.is_file()]
    others = [path for path in files if path.suffix not in (".py", ".pyc")]
    assert "run.html" in [path.name for path in others]
    assert [path for path in others if not (project.folder / "site" / path).is_file()] == []


@pytest.mark.slow
def test_a_sweep_starts_its_runs_without_a_checkout(project):
    (project.folder / "project" / "small.py").write_text(
        "from gradlog.configs.toy import mixture\nfrom gradlog.sweeps.overrides import seeds\n\n\n"
        "def get_config():\n    config = mixture.get_config()\n    config.model.hidden = 8\n"
        "    config.data.update(num_train=64, num_test=8)\n    config.training.steps = 2\n"
        "    config.likelihood.name = 'bound'\n    return config\n\n\n"
        "def sweep():\n    return seeds(2)\n"
    )
    project("-m", "gradlog", "--mode=sweep", "--sweep=small.py", "--workdir=sweep")
    found = json.loads((project.folder / "project" / "sweep" / "results.json").read_text())
    assert len(found["runs"]) == 2
