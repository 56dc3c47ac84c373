"""Two real experiments, imported as events and read out by the program: its numbers are those of the raw files.

Exposures are stated by events, as for any experiment that somebody else decides. What is expected is computed from
the files with SciPy and from the formulas of the papers that the documentation names.
"""

import csv
import json
import math
import os
import time
import urllib.parse
from pathlib import Path

import pytest
from scipy import stats

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("CONCIERGE_DATA", REPOSITORY.parent / "shared" / "data"))
HILLSTROM = DATA / "hillstrom" / "hillstrom_email_experiment.csv"
COOKIE_CATS = DATA / "cookie-cats" / "cookie_cats.csv"

EXPOSED = "2026-02-01T12:00:00Z"
DAY = "2026-02-%02dT13:00:00Z"
SECONDS_MAX = 600

# A row is one event; what it is called stands in it.
MAPPING = """
format = "jsonl"
[time]
column = "at"
"""
EVENT = """
[[events]]
name = "{name}"
when = [{{ column = "event", op = "eq", value = "{name}" }}]
[events.identifiers]
user_id = "user"
[events.properties]
{properties}
"""
EVENTS = {
    "Experience Viewed": 'experience = "experience"\nvariant = "variant"',
    "Visited": 'source = { value = "mail" }',
    "Played": 'source = { value = "app" }',
    "Order Completed": 'revenue = { column = "revenue", type = "number" }',
}


def rows_of(path):
    if not path.exists():
        pytest.skip(f"the experiment is not at {path}; set CONCIERGE_DATA to the folder that holds {path.parent.name}/")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def define(server, kind, key, document):
    status, answer = server.request("PUT", f"/api/v1/{kind}/{key}", {"state": "live", **document})
    assert status in (200, 201), answer


def experiment(server, key, variants):
    define(server, "placements", "elsewhere", {})
    document = {"placement": "elsewhere", "allocation": {"kind": "external"}, "control": variants[0]}
    define(server, "experiences", key, document | {"variants": [{"key": variant} for variant in variants]})


def import_events(server, folder, events):
    """Imports (user, event, time, properties)."""
    mapping, file = folder / "mapping.toml", folder / "events.jsonl"
    tables = (EVENT.format(name=name, properties=properties) for name, properties in EVENTS.items())
    mapping.write_text(MAPPING + "".join(tables))
    with file.open("w") as out:
        for user, event, at, properties in events:
            out.write(json.dumps({"user": user, "event": event, "at": at, **properties}) + "\n")
    server.run("import", "--mapping", mapping, file)


def results(server, key, units, **query):
    """The results once all units are counted."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        found = server.get(f"/api/v1/experiences/{key}/results?{urllib.parse.urlencode(query)}")
        if sum(arm["units"] for arm in found["arms"]) == units and found["lag_seconds"] < 2 and found["measured"] == 1:
            return found
        assert time.monotonic() < deadline, {name: found[name] for name in ("arms", "lag_seconds", "measured")}
        time.sleep(0.5)


def arms(found, metric):
    (result,) = (result for result in found["metrics"] if result["metric"] == metric)
    return {arm["arm"]: arm for arm in result["arms"]}


def close(found, expected):
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


class Sample:
    def __init__(self, values, is_share=False):
        self.values, self.n = values, len(values)
        self.mean = math.fsum(values) / self.n
        around = math.fsum((value - self.mean) ** 2 for value in values)
        # The variance of a share is p(1 − p), by convention with n.
        self.variance = around / (self.n if is_share else self.n - 1)


def check(arm, control, treatment, comparisons):
    """Welch's test, and the asymptotic confidence sequence (Waudby-Smith et al., equations 9, 155, 161)."""
    difference = treatment.mean - control.mean
    error = math.sqrt(control.variance / control.n + treatment.variance / treatment.n)
    relative = math.sqrt(
        treatment.variance / (control.mean**2 * treatment.n)
        + treatment.mean**2 * control.variance / (control.mean**4 * control.n)
    )
    alpha = 0.05 / comparisons
    comparison = arm["comparison"]
    close(arm["value"], treatment.mean)
    close(comparison["absolute"]["lift"], difference)
    close(comparison["absolute"]["std_error"], error)
    close(comparison["relative"]["lift"], difference / control.mean)
    close(comparison["relative"]["std_error"], relative)
    return difference, error, alpha, comparison


def check_fixed(arm, control, treatment, comparisons):
    difference, error, alpha, comparison = check(arm, control, treatment, comparisons)
    a, b = control.variance / control.n, treatment.variance / treatment.n
    freedom = (a + b) ** 2 / (a**2 / (control.n - 1) + b**2 / (treatment.n - 1))
    deviations = math.sqrt(control.variance), math.sqrt(treatment.variance)
    test = stats.ttest_ind_from_stats(
        treatment.mean, deviations[1], treatment.n, control.mean, deviations[0], control.n, equal_var=False
    )
    half = stats.t.ppf(1 - alpha / 2, freedom) * error
    close(comparison["absolute"]["low"], difference - half)
    close(comparison["absolute"]["high"], difference + half)
    close(comparison["p_value"], test.pvalue)


def check_sequential(arm, control, treatment, comparisons):
    difference, error, alpha, comparison = check(arm, control, treatment, comparisons)
    n, variance = control.n + treatment.n, error**2
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / 5000)
    k = n * rho**2 + 1
    half = math.sqrt(n * variance) * math.sqrt(2 * k * math.log(math.sqrt(k) / alpha) / (n * rho) ** 2)
    close(comparison["absolute"]["low"], difference - half)
    close(comparison["absolute"]["high"], difference + half)
    evidence = rho**2 * difference**2 * n / (2 * k * variance) - math.log(k) / 2
    close(comparison["p_value"], min(1.0, math.exp(-evidence)))


def check_split(found, counts):
    """The mixture of multinomials over a Dirichlet distribution (Lindon and Malek), equal shares planned.

    Of two concentrations, one near the planned shares and one for gross mismatches, the mean is the evidence.
    """

    def evidence(concentration):
        total, share = sum(counts), 1 / len(counts)
        found = math.lgamma(concentration) - math.lgamma(concentration + total)
        for count in counts:
            found += math.lgamma(concentration * share + count) - math.lgamma(concentration * share)
            found -= count * math.log(share)
        return math.exp(found)

    mean = (evidence(10_000) + evidence(100)) / 2
    assert found["split"]["p_value"] == pytest.approx(min(1.0, 1 / mean), rel=1e-6)
    assert found["split"]["verdict"] == "as_planned"


MAILS = {"No E-Mail": "none", "Mens E-Mail": "mens", "Womens E-Mail": "womens"}


@pytest.fixture(scope="module")
def mails(server, tmp_path_factory):
    rows = rows_of(HILLSTROM)
    experiment(server, "mails", list(MAILS.values()))
    for key, document in {
        "visited": {"kind": "conversion", "event": "Visited", "window": "14d"},
        "bought": {"kind": "conversion", "event": "Order Completed", "window": "14d", "before": "0s"},
        "spent": {"kind": "sum", "event": "Order Completed", "property": "revenue", "window": "14d"},
        "order_value": {"kind": "mean", "event": "Order Completed", "property": "revenue", "window": "14d"},
    }.items():
        define(server, "metrics", key, document)
    events = []
    for number, row in enumerate(rows):
        user = f"customer {number}"
        exposure = {"experience": "mails", "variant": MAILS[row["segment"]]}
        events.append((user, "Order Completed", "2026-01-25T12:00:00Z", {"revenue": float(row["history"])}))
        events.append((user, "Experience Viewed", EXPOSED, exposure))
        if row["visit"] == "1":
            events.append((user, "Visited", DAY % 2, {}))
        if row["conversion"] == "1":
            events.append((user, "Order Completed", DAY % 3, {"revenue": float(row["spend"])}))
    import_events(server, tmp_path_factory.mktemp("mails"), events)
    return rows


def of_arm(rows, column):
    return {
        arm: [float(row[column]) for row in rows if row["segment"] == segment] for segment, arm in MAILS.items()
    }


@pytest.mark.parametrize("method", ["fixed", "sequential"])
def test_mails_are_read_out_as_the_file_says(server, mails, method):
    found = results(server, "mails", len(mails), method=method, adjusted="false")
    columns = {"visited": ("visit", True), "bought": ("conversion", True), "spent": ("spend", False)}
    for metric, (column, is_share) in columns.items():
        samples = {arm: Sample(values, is_share) for arm, values in of_arm(mails, column).items()}
        read = arms(found, metric)
        assert {arm: read[arm]["units"] for arm in read} == {arm: sample.n for arm, sample in samples.items()}
        judge = check_fixed if method == "fixed" else check_sequential
        for arm in ("mens", "womens"):
            judge(read[arm], samples["none"], samples[arm], comparisons=2)
    check_split(found, [arm["units"] for arm in found["arms"]])


def test_the_mean_of_an_order_is_a_ratio_of_sums(server, mails):
    found = arms(results(server, "mails", len(mails), method="fixed"), "order_value")
    spend, orders = of_arm(mails, "spend"), of_arm(mails, "conversion")
    for arm in MAILS.values():
        upper, lower = Sample(spend[arm]), Sample(orders[arm])
        ratio = upper.mean / lower.mean
        residuals = Sample([s - ratio * o for s, o in zip(spend[arm], orders[arm])])
        close(found[arm]["value"], ratio)
        close(found[arm]["std_error"], math.sqrt(residuals.variance / residuals.n) / lower.mean)


def test_what_customers_spent_before_is_taken_out(server, mails):
    """CUPED (Deng et al.): the difference of spend − θ·history, θ over both arms together."""
    found = arms(results(server, "mails", len(mails), method="fixed"), "spent")
    spend, history = of_arm(mails, "spend"), of_arm(mails, "history")
    for arm in ("mens", "womens"):
        both = [(y, x) for of in ("none", arm) for y, x in zip(spend[of], history[of])]
        mean_y, mean_x = (math.fsum(column) / len(both) for column in zip(*both))
        covariance = math.fsum((y - mean_y) * (x - mean_x) for y, x in both)
        theta = covariance / math.fsum((x - mean_x) ** 2 for _, x in both)
        adjusted = [Sample([y - theta * x for y, x in zip(spend[of], history[of])]) for of in ("none", arm)]
        comparison = found[arm]["comparison"]["absolute"]
        assert comparison["lift"] == pytest.approx(adjusted[1].mean - adjusted[0].mean, rel=1e-6)
        error = math.sqrt(sum(sample.variance / sample.n for sample in adjusted))
        assert comparison["std_error"] == pytest.approx(error, rel=1e-6)


@pytest.fixture(scope="module")
def gates(server, tmp_path_factory):
    rows = rows_of(COOKIE_CATS)
    experiment(server, "gates", ["gate_30", "gate_40"])
    for day in (1, 7):
        retention = {"kind": "retention", "event": "Played", "after": f"{day}d", "window": "1d"}
        define(server, "metrics", f"retention_{day}", retention)
    events = []
    for row in rows:
        user = f"player {row['userid']}"
        exposure = {"experience": "gates", "variant": row["test_version"]}
        events.append((user, "Experience Viewed", EXPOSED, exposure))
        for day in (1, 7):
            if row[f"retention_{day}"] == "True":
                events.append((user, "Played", DAY % (1 + day), {}))
    import_events(server, tmp_path_factory.mktemp("gates"), events)
    return rows


@pytest.mark.parametrize("method", ["fixed", "sequential"])
def test_gates_are_read_out_as_the_file_says(server, gates, method):
    found = results(server, "gates", len(gates), method=method)
    for day in (1, 7):
        samples = {
            gate: Sample([float(r[f"retention_{day}"] == "True") for r in gates if r["test_version"] == gate], True)
            for gate in ("gate_30", "gate_40")
        }
        read = arms(found, f"retention_{day}")["gate_40"]
        judge = check_fixed if method == "fixed" else check_sequential
        judge(read, samples["gate_30"], samples["gate_40"], comparisons=1)
    check_split(found, [arm["units"] for arm in found["arms"]])
