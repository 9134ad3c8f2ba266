"""No mode writes through a link in a workdir: one line names it, and its target stays as it was."""

import pytest

FLAGS = {
    "train": ("--config.training.steps=30",),
    "eval": ("--config.likelihood.name=bound",),
    "study": ("--config.study.name=score_field",),
}


def _link(place, target, contents):
    """Put a link where a file or a folder was, which it then points to."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(target)
    elif isinstance(contents, str):
        target.write_text(contents)
    else:
        target.mkdir()
    place.symlink_to(target)


def _contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("train", name) for name in (".lock", "config.json", "metrics.jsonl", "curves.png")),
        ("eval", "eval/20/bound/.lock"),
        ("report", "report.html"),
    ],
)
def test_a_link_to_a_file_is_not_followed(mistake, workdir, tmp_path, mode, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _link(workdir / name, elsewhere / "thesis", "of the user")
    before = _contents(elsewhere), _contents(workdir / "checkpoints")
    flags = FLAGS.get(mode, ())
    assert str(workdir / name) in mistake(f"--workdir={workdir}", f"--mode={mode}", *flags)
    assert (_contents(elsewhere), _contents(workdir / "checkpoints")) == before


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("train", name) for name in ("checkpoints", "previews", "tensorboard")),
        *(("eval", name) for name in ("eval", "eval/20", "eval/20/bound")),
        *(("sample", "samples/20"), ("encode", "encodings"), ("export", "export")),
        *(("quality", "quality/kept"), ("compare", "compare"), ("classifier", "classifier")),
        ("study", "study"),
    ],
)
def test_a_link_to_a_folder_is_not_followed(mistake, workdir, tmp_path, mode, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _link(workdir / name, elsewhere / "folder", None)
    before = _contents(elsewhere)
    flags = FLAGS.get(mode, ())
    assert str(workdir / name) in mistake(f"--workdir={workdir}", f"--mode={mode}", *flags)
    assert _contents(elsewhere) == before


def test_a_summary_is_not_written_through_a_link(mistake, workdir, tmp_path):
    link, thesis = tmp_path / "summary.json", tmp_path / "thesis"
    _link(link, thesis, "of the user")
    assert str(link) in mistake(f"--workdir={workdir}", "--mode=eval", f"--summary={link}")
    assert thesis.read_text() == "of the user"


def test_the_workdir_itself_may_be_a_link(command, workdir, tmp_path):
    (tmp_path / "latest").symlink_to(workdir)
    assert command(f"--workdir={tmp_path / 'latest'}", "--mode=report")[0] == 0
    assert (workdir / "report.html").is_file()
