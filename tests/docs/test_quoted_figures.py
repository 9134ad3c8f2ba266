"""Figures in the pages that explain are those of `benchmarks/results`, to the digits shown."""

import functools
import json

import pytest

from tests.docs.pages import DOCS, ROOT


@functools.cache
def measured(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def row(name, **wanted):
    """The one row of a benchmark that has these values."""
    rows = [r for r in measured(name)["rows"] if wanted.items() <= r.items()]
    assert len(rows) == 1, (name, wanted, len(rows))
    return rows[0]


def equal_time(objective):
    return f"{row('equal_time_digits_cpu', objective=objective)['quadrature']:.3f}"


def spread(times):
    return f"{row('importance_sampling_digits', times=times)['standard_deviation']:.2f}"


def distance(problem, sampler, evaluations):
    """In units of the floor."""
    floor = measured("samplers_cpu")["floors"][problem]
    found = measured("samplers_cpu")["rows"]
    (of,) = (
        r["distance"]
        for r in found
        if (r["problem"], r["sampler"], round(r["nfe"])) == (problem, sampler, evaluations)
    )
    return f"{of / floor:.2f}"


def likelihoods(data):
    return measured(f"likelihood_{data}_cpu")["rows"]


def estimator(data, name, key, digits, *, of_mean=False):
    (of,) = (
        r for r in likelihoods(data) if (r["estimator"], r.get("goal") == "mean") == (name, of_mean)
    )
    return f"{of[key]:.{digits}f}"


def quoted(data, page, names):
    """Of each estimator: the page, how its line begins, and its figures for an image."""
    keys = {"forward_evaluations": 0, "jvp_evaluations": 0, "rms_error": 4}
    keys |= {"bias": 4, "bias_standard_error": 4}
    for name in names:
        found = [estimator(data, name, key, digits) for key, digits in keys.items()]
        yield page, f"| {TITLES[data]}, {label(name)} |", found


def label(name):
    """How a table names an estimator."""
    name, _, with_what = name.partition(", ")
    one_probe = "one probe" if name in ("scipy", "ode") else ""
    return f"`{name}`" + (f", {with_what or one_probe}" if with_what or one_probe else "")


TITLES = {
    "digits": "digits",
    "digits_999": "digits, 999 t",
    "photos16": "photos16",
    "oracle": "3,072 dimensions",
}


def scaling(name, key, digits):
    of = row("likelihood_scaling_cpu", dims=3072, estimator=name)
    return f"{of[key]:.{digits}f}"


def objective(name, key, digits):
    return f"{row('objectives_cpu', objective=name, dims=768)[key]:.{digits}f}"


def both(sampler, evaluations):
    return [distance(problem, sampler, evaluations) for problem in ("digits", "clusters")]


def draws(name, u):
    of = row("masked_draws_digits", draws=name, u=u)
    return [f"{of['variance']:.2g}", f"{of['ratio']:.1f}"]


# Of each: the page, how the line begins, and figures that it must have.
QUOTED = [
    ("discrete", "| number of masks | spread evenly", draws("count", "spread")),
    ("discrete", "| number of masks | each by itself", draws("count", "free")),
    ("discrete", "| time | spread evenly", draws("time", "spread")),
    ("discrete", "| time | each by itself", draws("time", "free")),
    ("discrete", "| one step of the chain | spread evenly", draws("step", "spread")),
    ("discrete", "| one step of the chain | each by itself", draws("step", "free")),
    ("choosing", "| `dsm` |", [equal_time(name) for name in ("dsm", "ssm_vr", "fsm")]),
    ("choosing", "| `ism` |", [objective("ism", "over_dsm", 0)]),
    ("choosing", "| `ssm` |", [objective("ssm_vr", "variance_over_esm", 1)]),
    ("choosing", "| uniform in t |", [spread("uniform in t")]),
    ("choosing", "| uniform in t, one", [spread("uniform in t, stratified")]),
    ("choosing", "| in proportion", [spread("importance (uniform in log rho)")]),
    ("choosing", "| the same, one", [spread("importance (uniform in log rho), stratified")]),
    ("choosing", "| `dpm_2m`, 20", both("DPM-Solver++ 2M", 20)),
    ("choosing", "| `heun`, 24", both("Heun", 49)),
    ("choosing", "| `ddim`, 50", both("DDIM", 50)),
    ("choosing", "| `dpm_sde`, 50", [distance("digits", "DPM-Solver++ SDE", 50)]),
    ("choosing", "| `predictor_corrector`", both("predictor-corrector", 1000)),
    (
        "choosing",
        "| a number for a paper",
        [
            estimator(data, name, "rms_error", digits)
            for data in ("digits", "photos16")
            for name, digits in (("quadrature", 4), ("ode", 3))
        ],
    ),
    (
        "choosing",
        "| large images",
        [
            scaling("quadrature, rademacher", "standard_deviation", 3),
            scaling("quadrature, rademacher", "jvp_evaluations", 0),
            scaling("ode", "standard_deviation", 3),
            scaling("ode", "jvp_evaluations", 0),
        ],
    ),
    *(
        quote
        for data in TITLES
        for quote in quoted(
            data,
            "likelihood",
            [r["estimator"] for r in likelihoods(data) if r.get("goal") != "mean"],
        )
    ),
    *(
        (
            "likelihood",
            f"| mean of {TITLES[data]}, {label(r['estimator'])} |",
            [f"{r['bits_per_dim']:.4f}", f"{r['rms_error']:.4f}", f"{r['jvp_evaluations']:.0f}"],
        )
        for data in TITLES
        for r in likelihoods(data)
        if r.get("goal") == "mean"
    ),
    *(
        quote
        for data in TITLES
        for quote in quoted(
            data,
            "../README",
            [
                r["estimator"]
                for r in likelihoods(data)
                if r.get("goal") != "mean"
                and r["estimator"] != "ode"
                and not r["estimator"].endswith("multistep")
            ],
        )
    ),
]


@pytest.mark.parametrize(("page", "begins", "figures"), QUOTED, ids=lambda value: str(value)[:40])
def test_a_figure_is_that_of_the_benchmark(page, begins, figures):
    lines = (DOCS / f"{page}.md").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(begins))
    assert [figure for figure in figures if figure not in line] == []
