"""The sections of a run's page about bits/dim: results, training steps, paired differences."""

from typing import Any

from gradlog.evaluation.bits_per_dim import Result, common_settings
from gradlog.evaluation.comparison import WHAT_A_BOUND_BOUNDS, is_of_two_laws
from gradlog.evaluation.over_training import figure as draw_over_training
from gradlog.likelihood.parts import EPS, Part
from gradlog.report.charts import draw_account, render_svg
from gradlog.report.formatting import (
    format_command,
    format_count,
    format_interval,
    format_number,
    format_seconds,
    format_share,
    format_with_error,
)
from gradlog.report.page import (
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
from gradlog.report.run_folder import RunFolder, attempt, list_differing_settings, load_sealed

_NO_STEP = "the image is read as the sample at eps: there is no step and no cost"
_RESULT_COLUMNS = (
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
_STEP_COLUMNS = (
    ("step", NUMBER),
    ("bits/dim ± s.e.", NUMBER),
    ("is the best", NUMBER),
    ("minus the best ± s.e.", NUMBER),
    ("95 % interval", NUMBER),
    ("images", NUMBER),
)
_DIFFERENCE_COLUMNS = (
    ("difference ± s.e.", NUMBER),
    ("95 % interval", NUMBER),
    ("images", NUMBER),
)
_OVER_TRAINING_INCHES = 3.0
_MAX_FAILED = 20  # failed images that are listed


def show_bits(folder: RunFolder) -> list[Block]:
    """Show all results in a table, and the account of the best one in full."""
    results, notes = folder.read_results
    best = folder.headline
    if best is None:
        command = format_command(folder.root, "--mode=eval")
        return notes or [Missing("No checkpoint has been evaluated.", command)]
    shown, others = [], []
    for result in results:
        group = folder.comparable[result.summary["estimator"]]
        if any(result is each for each in group):
            shown.append(result)
        else:
            settings = list_differing_settings(result, group[0])
            where = ", ".join(f"{key} = {value}" for key, value in settings.items())
            others.append((*_list_result(result), where))
    title = "Bits per dimension of the test set"
    rows = [_list_result(result) for result in shown]
    blocks = [*notes, Table(title, _RESULT_COLUMNS, rows, [shown.index(best)])]
    if others:
        title = "With other settings, not to be compared with those above"
        blocks.append(Table(title, (*_RESULT_COLUMNS, ("where it differs", CODE)), others))
    blocks.append(
        Paragraph(
            "The standard error (s.e.) is that of the mean over test images. The own error is the "
            "part of it from the estimator's own random draws: probes, or a bound's times or masks."
            " It does not include the noise of the dequantization and the noise at eps."
        )
    )
    summary, remarks = best.summary, []
    if failed := summary["failed"]:
        over = format_count(summary["num_images"], len(failed))
        listed = ", ".join(map(str, failed[:_MAX_FAILED]))
        more = " and more" if failed[_MAX_FAILED:] else ""
        remarks.append(f"The mean is over {over} images. These failed: {listed}{more}.")
    if change := summary.get("discretization"):
        value = format_with_error(change["bits_per_dim"], change["standard_error"], 5)
        remarks.append(f"All nodes instead of half of them change the mean by {value} bits/dim.")
    if change := summary.get("convergence"):
        value = format_with_error(change["change_bits_per_dim"], change["standard_error"], 6)
        tighter = ", ".join(f"{key} = {value:g}" for key, value in change["tightened"].items())
        remarks.append(
            f"With {tighter} the first {change['images']} images change by {value} bits/dim."
        )
    if remarks:
        blocks.append(Paragraph(" ".join(remarks)))
    blocks += [Columns([show_account(best), _list_errors(best)]), _list_account(best)]
    tables = [
        table
        for result in results
        if result is not best and result.summary["account"]
        for table in (_list_account(result), _list_errors(result))
    ]
    if tables:
        blocks.append(Fold(f"The accounts of the other {len(tables) // 2} results", tables))
    return blocks


def show_account(result: Result) -> Chart:
    """Show the terms of a result's account as bars."""
    summary = result.summary
    lines, total = summary["account"], summary["bits_per_dim"]
    words = ", ".join(f"{line['term']} {format_number(line['bits_per_dim'])}" for line in lines)
    svg = render_svg(lambda: draw_account(lines, total, summary["standard_error"]))
    description = f"Bars of bits per dimension: {words}; their sum {format_number(total)}."
    return Chart(f"{_name_account(result)}, bits/dim", svg, description)


def show_over_training(folder: RunFolder) -> list[Block]:
    """Show each estimator's bits over training, and how certain the best step is."""
    paths = folder.glob("eval/over_training*.json")
    if not paths:
        if len(folder.steps) < 2:
            return []
        command = format_command(folder.root, "--mode=eval", "--steps=all")
        return [Missing("The checkpoints have not been compared over training.", command)]
    notes, comparisons, best = [], [], folder.headline
    for path in paths:
        stored, problems = attempt(lambda path=path: load_sealed(path))
        notes += problems
        if not stored:
            continue
        estimators = stored["estimators"]
        bests = ", ".join(f"{name}: step {each['best']}" for name, each in estimators.items())
        svg = render_svg(lambda stored=stored: draw_over_training(stored), _OVER_TRAINING_INCHES)
        description = f"Bits per dimension with intervals over steps. The best steps: {bests}."
        text, tables = f"{stored['note'][0].upper()}{stored['note'][1:]}.", []
        for name, each in estimators.items():
            steps = [row["step"] for row in each["rows"]]
            absent = [str(step) for step in folder.steps if step not in steps]
            if absent:
                text += (
                    f" By {name} {len(folder.steps) - len(absent)} of the {len(folder.steps)} "
                    f"checkpoints are compared; not step {', '.join(absent)}."
                )
            rows = [_list_step(row, row["step"] == each["best"]) for row in each["rows"]]
            title = f"Steps by {name}, compared on {each['num_images']} images"
            tables.append(Table(title, _STEP_COLUMNS, rows, [steps.index(each["best"])]))
        chart = Chart("Bits/dim over training", svg, description)
        # The comparison with the settings of the headline comes first.
        settings = stored.get("settings", {})
        first = best is not None and (
            settings.get(best.summary["estimator"]) == common_settings(best.folder)
        )
        comparisons.append((not first, [Columns([chart, Paragraph(text)]), *tables]))
    comparisons.sort(key=lambda pair: pair[0])
    shown = [block for _, blocks in comparisons[:1] for block in blocks]
    others = [block for _, blocks in comparisons[1:] for block in blocks]
    return [*notes, *shown, *([Fold("With other settings", others)] if others else [])]


def show_differences(folder: RunFolder) -> list[Block]:
    """Show paired differences between estimators, checkpoints and runs on the same images."""
    blocks, tables = [], {}
    for pattern in ("eval/*/differences.json", "compare/*.json"):
        tables[pattern] = rows = []
        for path in folder.glob(pattern):
            read, problems = attempt(lambda path=path: load_sealed(path)["rows"])
            rows += [(path.parent.name, row) for row in read or []]
            blocks += problems
    estimators, others = tables.values()
    if estimators:
        columns = (("step", NUMBER), ("estimators", TEXT), *_DIFFERENCE_COLUMNS)
        rows = [(step, *_list_difference(row)) for step, row in estimators]
        blocks.append(Table("Between estimators, bits/dim", columns, rows))
        if any(is_of_two_laws(row) for _, row in estimators):
            text = f"{WHAT_A_BOUND_BOUNDS[0].upper()}{WHAT_A_BOUND_BOUNDS[1:]}."
            blocks.append(Paragraph(text))
    if others:
        columns = (("estimator", CODE), ("of", TEXT), *_DIFFERENCE_COLUMNS)
        rows = [(row["estimator"], *_list_difference(row)) for _, row in others]
        title = "Between checkpoints or runs, bits/dim (negative: the first is better)"
        blocks.append(Table(title, columns, rows))
    if not blocks and folder.results and len(folder.steps) > 1:
        command = format_command(folder.root, "--mode=compare", "--steps=all")
        blocks.append(Missing("Nothing has been compared image by image.", command))
    return blocks


def _list_result(result: Result) -> tuple[str, ...]:
    summary = result.summary
    return (
        str(summary["step"]),
        result.folder.name,
        format_with_error(summary["bits_per_dim"], summary["standard_error"]),
        format_interval(summary.get("interval")),
        format_number(summary["estimator_standard_error"]),
        format_count(summary["num_images"], len(summary["failed"])),
        format_number(summary["nfe"], 0),
        format_number(summary.get("jvp_evaluations"), 0),
        format_seconds(summary["seconds"]),
    )


def _name_account(result: Result) -> str:
    condition = result.summary.get("condition")  # of class-conditional models
    given = f", given “{condition}”" if condition else ""
    return f"Account of {result.folder.name} at step {result.summary['step']}{given}"


def _list_account(result: Result) -> Table:
    has_no_step = result.summary.get("eps", {}).get("start") == "as_sample"
    rows = []
    for line in result.summary["account"]:
        meaning = line.get("meaning") or Part.named(line["term"]).meaning  # Version 0.1 has none.
        bits = format_with_error(line["bits_per_dim"], line["standard_error"])
        if has_no_step and line["term"] == EPS:
            meaning = _NO_STEP
        rows.append((line["term"], bits, format_number(line["nats"], 2), meaning))
    columns = (("term", CODE), ("bits/dim ± s.e.", NUMBER), ("nats", NUMBER), ("what it is", TEXT))
    return Table(_name_account(result), columns, rows)


def _list_errors(result: Result) -> Table:
    rows = [
        (row["source"], format_number(row["standard_error"]), format_share(row["share"]))
        for row in result.summary.get("error_split") or []
    ]
    columns = (("source", TEXT), ("s.e., bits/dim", NUMBER), ("share of variance", NUMBER))
    return Table("Sources of the standard error", columns, rows)


def _list_step(row: dict[str, Any], is_best: bool) -> tuple[str, ...]:
    difference = row["minus_best"]
    value, error = difference["bits_per_dim"], difference["standard_error"]
    return (
        str(row["step"]),
        format_with_error(row["bits_per_dim"], row["standard_error"]),
        format_share(row["probability_best"]),
        format_number(0.0) if is_best else format_with_error(value, error),
        "" if is_best else format_interval(difference["interval"]),
        str(row["num_images"]),
    )


def _list_difference(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['minuend']} − {row['subtrahend']}",
        format_with_error(row["bits_per_dim"], row["standard_error"]),
        format_interval(row["interval"]),
        format_count(row["num_images"], row.get("failed_in_either", 0)),
    )
