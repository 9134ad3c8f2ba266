"""Bits per dimension: every result, the account of the one that counts, what its error is of."""

from gradlog.evaluation.results import Result
from gradlog.report import figures
from gradlog.report.blocks import (
    CODE,
    NUMBER,
    TEXT,
    Block,
    Chart,
    Columns,
    Fold,
    Missing,
    Paragraph,
    Table,
)
from gradlog.report.commands import command
from gradlog.report.comparable import differing
from gradlog.report.numbers import interval, number, of_all, seconds, share, uncertain
from gradlog.report.run_files import RunFiles
from gradlog.report.svg import svg_of

MEANINGS = {
    "prior": "the end of the path under the prior",
    "divergence": "the change of volume that the network makes along the path: the integral of "
    "its divergence",
    "diffusion": "the denoising error over all noise levels: what a bound has in the place of the "
    "divergence",
    "volume": "the change of volume that the process itself makes, the same for every image",
    "eps": "the step from the datum to the noise of eps, where the path begins",
    "dequantization": "the density of the noise that fills each level; uniform noise costs nothing",
    "importance": "what several draws of the dequantization gain over one",
    "units": "from the model's units to those of the data: log2(levels/2), the “+ 7” of 8 bits",
}
_AS_SAMPLE = "the datum is read as the sample at eps: no step, and nothing to pay"
_COLUMNS = (
    ("step", NUMBER),
    ("estimator", CODE),
    ("bits/dim ± s.e.", NUMBER),
    ("95 % interval", NUMBER),
    ("own error", NUMBER),
    ("images", NUMBER),
    ("NFE", NUMBER),
    ("JVPs", NUMBER),
    ("seconds", NUMBER),
)


def blocks(files: RunFiles) -> list[Block]:
    """All results as a table, and the account of the first in full."""
    found, notes = files.read_results
    best = files.headline
    if best is None:
        return notes or [Missing("No checkpoint has been evaluated.", _evaluate(files))]
    others = [result for result in found if result is not best and result.summary["account"]]
    compared = [result for result in found if _is_in(files.comparable, result)]
    return [
        *notes,
        _table(compared, best),
        *_of_other_settings(files, [r for r in found if not _is_in(files.comparable, r)]),
        Paragraph(
            "The standard error (s.e.) is that of the mean over test images. The own error is the "
            "part of it that the estimator's random numbers explain, given where each datum was "
            "placed by its dequantization and its noise at eps."
        ),
        *_remarks(best),
        Columns([account_chart(files, best), _split(best)]),
        _account(best),
        *_others(others),
    ]


def _is_in(comparable: dict[str, list[Result]], result: Result) -> bool:
    return any(result is each for each in comparable[result.summary["estimator"]])


def _of_other_settings(files: RunFiles, results: list[Result]) -> list[Block]:
    """Results that are no better or worse than those above: something else was computed."""
    if not results:
        return []
    columns = (*_COLUMNS, ("where it differs", CODE))
    rows = [(*_row(result), _differences(files, result)) for result in results]
    return [Table("With other settings, not to be compared with those above", columns, rows)]


def _differences(files: RunFiles, result: Result) -> str:
    found = differing(result, files.comparable[result.summary["estimator"]][0])
    return ", ".join(f"{name} = {value}" for name, value in found.items())


def _evaluate(files: RunFiles) -> str:
    return command(files.root, "--mode=eval")


def _others(results: list[Result]) -> list[Block]:
    """The accounts of further results, shown when asked for."""
    tables = [table for result in results for table in (_account(result), _split(result))]
    return [Fold(f"The accounts of the other {len(results)} results", tables)] if results else []


def _name(result: Result) -> str:
    return f"Account of {result.folder.name} at step {result.summary['step']}"


def _table(found: list[Result], best: Result) -> Table:
    rows = [_row(result) for result in found]
    return Table("Bits per dimension of the test set", _COLUMNS, rows, [found.index(best)])


def _row(result: Result) -> tuple[str, ...]:
    summary = result.summary
    return (
        str(summary["step"]),
        result.folder.name,
        uncertain(summary["bits_per_dim"], summary["standard_error"]),
        interval(summary.get("interval")),
        number(summary["estimator_standard_error"]),
        of_all(summary["num_images"], len(summary["failed"])),
        number(summary["nfe"], 0),
        number(summary.get("jvp_evaluations"), 0),
        seconds(summary["seconds"]),
    )


def account_chart(files: RunFiles, result: Result) -> Chart:
    """Its terms as bars."""
    summary = result.summary
    lines, total = summary["account"], summary["bits_per_dim"]
    told = ", ".join(f"{line['term']} {number(line['bits_per_dim'])}" for line in lines)
    draw = lambda: figures.account(lines, total, summary["standard_error"])  # noqa: E731
    return Chart(
        f"{_name(result)}, bits/dim",
        svg_of(draw, f"{files.prefix}account-{summary['step']}-{result.folder.name}"),
        f"Bars of bits per dimension: {told}; their sum {number(total)}.",
    )


def _account(result: Result) -> Table:
    start = result.summary.get("eps", {}).get("start")
    meanings = MEANINGS | ({"eps": _AS_SAMPLE} if start == "as_sample" else {})
    rows = [
        (
            line["term"],
            uncertain(line["bits_per_dim"], line["standard_error"]),
            number(line["nats"], 2),
            meanings.get(line["term"], ""),
        )
        for line in result.summary["account"]
    ]
    columns = (("term", CODE), ("bits/dim ± s.e.", NUMBER), ("nats", NUMBER), ("what it is", TEXT))
    return Table(_name(result), columns, rows)


def _split(result: Result) -> Table:
    rows = [
        (row["source"], number(row["standard_error"]), share(row["share"]))
        for row in result.summary.get("error_split") or []
    ]
    columns = (("random is", TEXT), ("s.e., bits/dim", NUMBER), ("share of variance", NUMBER))
    return Table("What the standard error is of", columns, rows)


def _remarks(result: Result) -> list[Block]:
    """What the numerics still hide, and which images are in no mean."""
    summary, found = result.summary, []
    if summary["failed"]:
        over = of_all(summary["num_images"], len(summary["failed"]))
        found.append(f"The mean is over {over} images; these failed: {_some(summary['failed'])}.")
    if change := summary.get("discretization"):
        value = uncertain(change["bits_per_dim"], change["standard_error"], 5)
        found.append(f"The last refinement of the nodes changed the mean by {value} bits/dim.")
    if change := summary.get("convergence"):
        value = uncertain(change["change_bits_per_dim"], change["standard_error"], 6)
        tighter = ", ".join(f"{key} = {value:g}" for key, value in change["tightened"].items())
        found.append(
            f"Tightened to {tighter}, the first {change['images']} images change by {value} "
            "bits/dim."
        )
    return [Paragraph(" ".join(found))] if found else []


def _some(numbers: list[int]) -> str:
    """The first of them."""
    named = ", ".join(map(str, numbers[:20]))
    return f"{named}{' and more' if numbers[20:] else ''}"
