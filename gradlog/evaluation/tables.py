"""Tables and lines of results on the terminal."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlog.data.dataset import BITS_PER_DIM
from gradlog.evaluation.comparison import WHAT_A_BOUND_BOUNDS, is_of_two_laws
from gradlog.evaluation.uncertainty import count_of
from gradlog.terminal import Column, console, say, show_rows, table_of

if TYPE_CHECKING:
    from gradlog.evaluation.compression import Compressed

Row = dict[str, Any]
Columns = Mapping[Column, Callable[[Any], str]]


def show_results(results: list[Row]) -> None:
    """Print a row for each result, then the parts of its error and the account of the last step."""
    show_rows("bits per dimension", in_unit(_RESULTS, _unit(results[0])), results)
    for line in WHAT_THE_COLUMNS_ARE:
        say(line)
    newest = {result["estimator"]: result for result in results}  # by step; the files have all
    for result in results:
        if result["account"] and result is newest[result["estimator"]]:
            _show_account(result)
        for line in _remarks(result):
            say(line)
    for step in dict.fromkeys(result["step"] for result in results):
        at_step = {result["estimator"]: result for result in results if result["step"] == step}
        if {"orders", "upper"} <= at_step.keys():
            say(_both_sides(step, at_step["upper"], at_step["orders"]))


def _both_sides(step: int, upper: Row, orders: Row) -> str:
    """Return the interval for the bits of a model of tokens, and the spread of its lower end."""
    low, high = _number(upper["interval"]["low"], 4), _number(orders["interval"]["high"], 4)
    spread = next(line for line in upper["account"] if line["term"] == "upper")
    spread = spread | {"unit": _unit(upper)}
    return (
        f"step {step}: the model's own {_unit(upper)} lie between "
        f"{_number(upper['bits_per_dim'], 4)} (upper) and {_number(orders['bits_per_dim'], 4)} "
        f"(orders), with both errors [{low}, {high}]; the line 'upper' is {_value(spread)}: "
        "if its error is not far smaller, few images carry it and more orders are needed"
    )


_RESULTS = {
    Column("step"): lambda row: str(row["step"]),
    Column("estimator", text=True): lambda row: row["estimator"],
    Column(BITS_PER_DIM): lambda row: _number(row["bits_per_dim"], 4),
    Column("± s.e."): lambda row: _number(row["standard_error"], 4),
    Column("± draws", optional=2): lambda row: _number(row["estimator_standard_error"], 4),
    Column("images", optional=1): lambda row: _images(row),
    Column("NFE", optional=3): lambda row: _number(row["nfe"], 0),
    Column("JVPs", optional=3): lambda row: _number(row.get("jvp_evaluations"), 0),
    Column("s", optional=3): lambda row: _number(row["seconds"], 1),
}
# The one definition of the words for the error and the cost of a number.
WHAT_THE_COLUMNS_ARE = (
    "± s.e.: standard error of the mean over images",
    "± draws: its part from the estimator's own random draws: probes, or a bound's times or masks",
    "NFE: score evaluations an image; JVPs: Jacobian-vector products an image, one for each probe",
)


def show_compressed(path: Path, found: "Compressed", unit: str) -> None:
    """Print the size of a compressed file, and where its bits are."""
    rows = [*found.bits_per_dim.items(), ("the file", sum(found.bits_per_dim.values()))]
    title = f"{path}: {found.images} images in {len(found.data):,} bytes"
    show_rows(title, in_unit(_COMPRESSED, unit), rows)


_COMPRESSED = {
    Column("part", text=True): lambda row: row[0],
    Column(BITS_PER_DIM): lambda row: _number(row[1], 4),
}


def show_classifications(found: list[Row]) -> None:
    """Print a row for each estimator and checkpoint, then the classes that are confused."""
    show_rows("classes by likelihood", _CLASSIFICATIONS, found)
    for row in found:
        say(f"{row['estimator']} at step {row['step']}: {_confused(row)}{_over(row)}")


_CLASSIFICATIONS = {
    Column("step"): lambda row: str(row["step"]),
    Column("estimator", text=True): lambda row: row["estimator"],
    Column("accuracy"): lambda row: _number(row["accuracy"], 4),
    Column("± s.e."): lambda row: _number(row["standard_error"], 4),
    Column("95 % interval", optional=1): lambda row: " to ".join(
        _number(row.get("interval", {}).get(end), 4)  # older results have none
        for end in ("low", "high")
    ),
    Column("log p(class|x)", optional=1): lambda row: _number(
        row["log_posterior_of_true_class"], 4
    ),
    Column("images"): lambda row: _images(row),
    Column("failed", optional=1): lambda row: str(len(row["failed"])),
}


def _confused(row: Row) -> str:
    """Return the pairs of classes that are confused, the most frequent first."""
    confusion = row["confusion"]
    names = row.get("classes", range(len(confusion)))  # older results have only numbers
    counts = {
        (names[true], names[taken]): count
        for true, counts in enumerate(confusion)
        for taken, count in enumerate(counts)
        if count and true != taken
    }
    pairs = sorted(counts, key=lambda pair: -counts[pair])[:8]
    found = [f"{true} taken for {taken} ({counts[true, taken]})" for true, taken in pairs]
    return ", ".join(found) or "no class is confused with another"


def show_differences(rows: list[Row]) -> None:
    """Print the paired differences between estimators, and what a gap means."""
    if not rows:
        return
    say(f"differences on the same images, {_unit(rows[0])}:")
    for row in rows:
        say(f"  step {row['step']}: {_difference(row)}")
    if any(map(is_of_two_laws, rows)):
        say(f"note: {WHAT_A_BOUND_BOUNDS}")


def show_comparison(rows: list[Row]) -> None:
    """Print the paired differences between checkpoints or runs."""
    unit = _unit(rows[0]) if rows else BITS_PER_DIM
    say(f"differences on the same images, {unit} (negative: the first is better):")
    for row in rows:
        say(f"  {row['estimator']}: {_difference(row)}")
    sides = ("minuend_folder", "subtrahend_folder")
    if any(len({Path(row[side]).parent.parent.parent for side in sides}) > 1 for row in rows):
        say(
            "note: two runs of one seed each are two networks: the interval covers other test "
            "images, not other seeds. To compare two settings, train several seeds (--mode=sweep)"
        )


def show_over_training(found: Row) -> None:
    """Print a row for each step of each estimator, then the best step and its probability."""
    if not found["estimators"]:
        say("note: bits over training need two checkpoints that were evaluated")
        return
    for name, each in found["estimators"].items():
        title = f"{name} over training, on {each['num_images']} images"
        rows = [row | {"is_best": row["step"] == each["best"]} for row in each["rows"]]
        show_rows(title, in_unit(_STEPS, _unit(rows[0])), rows)
        say(_best(name, each))
    say(f"note: {found['note']}")


_STEPS = {
    Column("step"): lambda row: f"{'* ' if row['is_best'] else ''}{row['step']}",
    Column(BITS_PER_DIM): lambda row: _number(row["bits_per_dim"], 4),
    Column("± s.e."): lambda row: _number(row["standard_error"], 4),
    Column("minus best"): lambda row: (
        "best" if row["is_best"] else _number(row["minus_best"]["bits_per_dim"], 4)
    ),
    Column("± s.e. of that", optional=1): lambda row: (
        "" if row["is_best"] else _number(row["minus_best"]["standard_error"], 4)
    ),
    Column("P(best)"): lambda row: _number(row["probability_best"], 3),
}


def _best(name: str, found: Row) -> str:
    row = next(row for row in found["rows"] if row["step"] == found["best"])
    if found["num_images"] == 1:
        return f"{name}: one image is too few to find the best step"
    others = [each for each in found["rows"] if each is not row]
    second = min(others, key=lambda each: each["minus_best"]["bits_per_dim"])
    return (
        f"{name}: step {row['step']} is the best with probability "
        f"{_number(row['probability_best'], 2)}; step {second['step']} is next, "
        f"{_value(second['minus_best'] | {'unit': _unit(row)})} above it"
    )


def show_quality(results: list[Row]) -> None:
    """Print a column for the samples of each result and one for data, and remarks on them."""
    for result in results:
        rows = result["rows"]
        title = (
            f"quality at step {result['step']} against {rows[0]['reference_count']} "
            f"{result['against']} data, by {rows[0]['num_features']} {result['features']} features"
        )
        columns = (Column("", text=True), *(Column(row["set"]) for row in rows))
        cells = [(name, *map(show, rows)) for name, show in _QUALITY.items()]
        console.print(table_of(title, columns, cells))
        for line in _quality_remarks(result):
            say(line)


def _short(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3g}"


_QUALITY = {
    "FID": lambda row: f"{row['fid']:.4g} ± {_short(row['fid_standard_error'])}",
    "FID, n to infinity": lambda row: _short(row["fid_extrapolated"]),
    "KID": lambda row: f"{_short(row['kid'])} ± {_short(row['kid_standard_error'])}",
    "precision": lambda row: f"{row['precision']:.3f}",
    "recall": lambda row: f"{row['recall']:.3f}",
    "n": lambda row: str(row["count"]),
}


def _quality_remarks(result: Row) -> list[str]:
    found = []
    if failed := result.get("failed"):
        count = result["rows"][0]["count"]
        found.append(f"warning: the numbers are of {count_of(count, failed, 'samples')}")
    if result["features"] != "inception":
        found.append(
            f"note: these numbers compare {result['features']} features; published FIDs compare "
            "Inception features, config.quality.features = 'inception'"
        )
    for row in result["rows"]:
        if row["count"] <= row["num_features"]:
            found.append(
                f"note: {row['count']} {row['set']} are not more than the {row['num_features']} "
                "features: this FID depends mostly on their number; take more"
            )
    return found


def _difference(row: Row) -> str:
    return (
        f"{row['minuend']} - {row['subtrahend']}: {_number(row['bits_per_dim'], 4)} "
        f"± {_number(row['standard_error'], 4)}, 95 % {_interval(row['interval'])}, "
        f"{count_of(row['num_images'], row.get('failed_in_either', 0))}"
    )


def _show_account(result: Row) -> None:
    condition = f", given {result['condition']!r}" if result.get("condition") else ""
    title = f"account of {result['estimator']} at step {result['step']}{condition}{_over(result)}"
    as_sample = result.get("eps", {}).get("start") == "as_sample"
    names = {"eps": "eps (x is the sample at eps)"} if as_sample else {}
    lines = (line | {"term": names.get(line["term"], line["term"])} for line in result["account"])
    show_rows(title, in_unit(_ACCOUNT, _unit(result)), lines)


_ACCOUNT = {
    Column("term", text=True): lambda line: line["term"],
    Column(BITS_PER_DIM): lambda line: _number(line["bits_per_dim"], 4),
    Column("± s.e."): lambda line: _number(line["standard_error"], 4),
    Column("nats"): lambda line: _number(line["nats"], 2),
    Column("meaning", text=True, optional=1): lambda line: line.get("meaning", ""),
}


def _remarks(result: Row) -> list[str]:
    """Return lines on the parts of the mean's error, and on the numerical error."""
    name = f"{result['estimator']} at step {result['step']}"
    mean, interval = _number(result["bits_per_dim"], 4), _interval(result.get("interval"))
    found = [f"{name}: {mean} {_unit(result)}, 95 % {interval}{_over(result)}"]
    if condition := result.get("condition"):
        found.append(
            f"{name}: the model knows classes; these are the bits of {condition!r}, which it has "
            "seen in a part of its training, and not those of a sum over the classes"
        )
    if split := _split(result):
        found.append(f"{name}: {split}")
    if pilot := result.get("pilot"):
        found.append(
            f"{name}: a pilot of {pilot['jvps']:.0f} products planned those of the images; NFE, "
            "JVPs and seconds include its share"
        )
    if discretization := result.get("discretization"):
        change = _value(discretization | {"unit": _unit(result)})
        found.append(
            f"{name}: the sum is also computed with half the nodes, at no extra evaluations; all "
            f"nodes change it by {change}"
        )
    if convergence := result.get("convergence"):
        found.append(_convergence(name, convergence | {"unit": _unit(result)}))
    return found


def _convergence(name: str, found: Row) -> str:
    if not found["images"]:
        return (
            f"warning: {name}: no image succeeded with both tolerances: the convergence is unknown"
        )
    settings = ", ".join(f"{key} = {value:g}" for key, value in found["tightened"].items())
    return (
        f"{name}: with {settings} the first {found['images']} images change by "
        f"{_number(found['change_bits_per_dim'], 6)} ± {_number(found['standard_error'], 6)} "
        f"{_unit(found)}"
    )


def _split(result: Row) -> str:
    """Return the parts of the mean's error in words; '' if none is known."""
    rows, sampled = result.get("error_split") or [], result["standard_error"]
    shares = [
        f"{row['source']} {_number(row['standard_error'], 4)} ({100 * row['share']:.0f} %)"
        for row in rows
        if row["share"] is not None
    ]
    if shares:
        # A source of unknown error may be a part of another row.
        known = [row["source"] for row in rows if row["standard_error"] is not None]
        shares += [
            f"{row['source']} unknown"
            for row in rows
            if row["standard_error"] is None and not any(row["source"] in name for name in known)
        ]
        return f"parts of the standard error: {', '.join(shares)}"
    reported = math.hypot(*(row["standard_error"] or 0.0 for row in rows))
    if sampled is None or reported <= sampled:
        return ""
    return (
        f"the sampled standard error {_number(sampled, 4)} is smaller than the part from random "
        f"draws {_number(reported, 4)}: there are too few images to split it"
    )


def _images(row: Row) -> str:
    """Return the number of images of a mean, and of how many if it is not over all images."""
    count = row["num_images"]
    of = max(count + len(row["failed"]), row.get("test_set_size") or 0)
    return f"{count} of {of}" if of > count else str(count)


def _over(row: Row) -> str:
    """Return a note for a mean without its failed images; '' if none failed."""
    count, failed = row["num_images"], len(row["failed"])
    return f"; mean over {count_of(count, failed)}" if failed else ""


def show_findings(found: Sequence[Row]) -> None:
    """Print a row for each thing in a workdir: its kind, its place, and whether it is damaged."""
    names = {"what": "what", "where": "path", "state": "state", "detail": "detail"}
    columns = {Column(name, text=True): itemgetter(key) for name, key in names.items()}
    show_rows("files of the workdir", columns, found)


def _value(row: Row) -> str:
    return f"{_number(row['bits_per_dim'], 5)} ± {_number(row['standard_error'], 5)} {_unit(row)}"


def _unit(row: Row) -> str:
    """Return what the bits of a row are called; rows of earlier versions have no own unit."""
    return row.get("unit", BITS_PER_DIM)


def in_unit(columns: Columns, unit: str) -> Columns:
    """Return the columns with the unit as the name of the bits."""
    return {
        replace(column, name=unit) if column.name == BITS_PER_DIM else column: cell
        for column, cell in columns.items()
    }


def _interval(interval: Row | None) -> str:
    if interval is None or interval["low"] is None or not math.isfinite(interval["low"]):
        return "-"
    return f"[{interval['low']:.4f}, {interval['high']:.4f}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
