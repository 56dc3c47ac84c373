"""Splits, planned looks, the exact sequence, many tests, power, caps and standings, beside independent packages."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from gbstats.utils import check_srm
from oracle import ask, assert_close, found
from samples import SEEDS
from savvi.multinomial import Multinomial
from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_splits_are_those_of_scipy_and_gbstats(seed):
    draw = np.random.default_rng(seed)
    weights = draw.integers(1, 9, int(draw.integers(2, 12))).astype(float)
    counts = draw.multinomial(20_000, weights / weights.sum())
    question = {"ask": "split", "counts": counts.tolist(), "weights": weights.tolist(), "concentration": None}
    ours = found([question])[0]["p_value"]
    theirs = scipy.stats.chisquare(counts, weights / weights.sum() * counts.sum()).pvalue
    assert_close(ours, theirs, "p of SciPy", absolute=0)
    assert_close(ours, check_srm(counts.tolist(), weights.tolist()), "p of gbstats", absolute=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_sequential_splits_are_those_of_savvi(seed):
    draw = np.random.default_rng(seed)
    shares = [np.array([0.5, 0.5]), np.array([0.75, 0.25]), np.array([0.25, 0.25, 0.5])][seed % 3]
    counts = draw.multinomial(int(draw.integers(100, 30_000)), shares * draw.uniform(0.97, 1, len(shares)))
    counts[-1] -= counts[-1] // 50
    test = Multinomial(0.05, shares, k=10_000)
    test.update(counts)
    question = {"ask": "split", "counts": counts.tolist(), "weights": shares.tolist(), "concentration": 10_000.0}
    # Both are differences of logarithms of gamma of some 10⁵, which have 11 digits behind the point.
    assert_close(found([question])[0]["ln_e_value"], math.log(test.odds), "the evidence", absolute=1e-9)


def spotify_bounds(fractions, level, power):
    """The bounds that Spotify's Confidence computes its sequential intervals with."""
    return bounds(np.array(fractions), level, rho=power, ztrun=8, sides=2).bounds


@pytest.mark.parametrize("fractions", [[0.25, 0.5, 0.75, 1.0], [0.1, 0.5, 1.0], [0.2, 0.4, 0.6, 0.8]])
@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_planned_looks_are_those_of_spotify(power, fractions):
    """The package searches a bound until a chance is right to 10⁻⁷, on a grid of a twentieth: four digits of z."""
    ours = found([{"ask": "looks", "fractions": fractions, "level": 0.05, "power": power}])[0]
    for mine, theirs in zip(ours, spotify_bounds(fractions, 0.05, power)):
        assert_close(mine, theirs, "the bound", relative=1e-4)


def test_two_looks_spend_what_two_integrals_say():
    """By SciPy's adaptive integral, to nine digits."""
    for fraction in [0.2, 0.5, 0.9]:
        for power in [1.0, 2.0, 3.0]:
            ours = found([{"ask": "looks", "fractions": [fraction, 1.0], "level": 0.05, "power": power}])[0]
            first = 0.025 * fraction**power
            assert_close(ours[0], scipy.stats.norm.isf(first), "the first bound")
            step = math.sqrt(1 - fraction)

            def passed(z):
                later = scipy.stats.norm.sf((ours[1] - math.sqrt(fraction) * z) / step)
                return scipy.stats.norm.pdf(z) * later

            spent = scipy.integrate.quad(passed, -12, ours[0], epsabs=1e-14, epsrel=1e-12, limit=400)[0]
            assert_close(spent, 0.025 - first, "what is spent")


def exact_sequence(scale, one, other):
    """The same construction with SciPy's functions and searches: (low, high, ln e)."""
    arms = [(arm.sum(), len(arm) - arm.sum()) for arm in (one, other)]
    mixed = sum(
        scipy.special.betaln(0.5 + yes, 0.5 + no) - scipy.special.betaln(0.5, 0.5) for yes, no in arms
    )

    def loss(shares):
        return -sum(
            scipy.special.xlogy(yes, share) + scipy.special.xlog1py(no, -share)
            for (yes, no), share in zip(arms, shares)
        )

    def above(effect):
        if scale == "absolute":
            low, high, link = max(0, -effect), min(1, 1 - effect), lambda share: share + effect
        else:
            low, high, link = 0, min(1, 1 / effect), lambda share: share * effect
        least = scipy.optimize.minimize_scalar(
            lambda share: loss((share, min(max(link(share), 0), 1))), bounds=(low, high), method="bounded",
            options={"xatol": 1e-13, "maxiter": 2_000},
        )  # fmt: skip
        return mixed + least.fun - math.log(20)

    rates = [yes / (yes + no) for yes, no in arms]
    if scale == "absolute":
        at, ends = rates[1] - rates[0], (-1 + 1e-9, 1 - 1e-9)
    else:
        at, ends = rates[1] / rates[0], (1e-6, 1e6)
    low, high = (scipy.optimize.brentq(above, at, end, xtol=1e-12) for end in ends)
    together = sum(yes for yes, _ in arms) / (len(one) + len(other))
    shift = 0 if scale == "absolute" else 1
    return low - shift, high - shift, mixed + loss((together, together))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", ["absolute", "relative"])
def test_the_exact_sequence_by_other_searches(scale, seed):
    draw = np.random.default_rng(seed)
    one = (draw.random(int(draw.integers(100, 2_000))) < 0.2).astype(float)
    other = (draw.random(int(draw.integers(30, 300))) < 0.3).astype(float)
    question = {"ask": "exact", "scale": scale, "control": one.tolist(), "treatment": other.tolist()}
    ours = found([question])[0]
    low, high, ln_e_value = exact_sequence(scale, one, other)
    assert_close(ours["ln_e_value"], ln_e_value, "the evidence", absolute=1e-9)
    # SciPy's minimum is good to the square root of its precision.
    assert_close(ours["low"], low, "the lower end", relative=1e-6, absolute=1e-7)
    assert_close(ours["high"], high, "the upper end", relative=1e-6, absolute=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("correction", ["bonferroni", "holm", "fdr_bh", "fdr_by"])
def test_corrections_are_those_of_statsmodels(correction, seed):
    draw = np.random.default_rng(seed)
    p_values = draw.beta(0.4, 2, int(draw.integers(1, 60)))
    ours = found([{"ask": "adjust", "correction": correction, "p_values": p_values.tolist()}])[0]
    for mine, theirs in zip(ours, multipletests(p_values, method=correction)[1]):
        assert_close(mine, theirs, "p")


@pytest.mark.parametrize("seed", SEEDS)
def test_alarms_by_evidence_are_benjamini_and_hochbergs_of_its_inverse(seed):
    """Wang and Ramdas: e-BH is the procedure of Benjamini and Hochberg over 1/e."""
    draw = np.random.default_rng(seed)
    evidence = draw.normal(1, 4, int(draw.integers(1, 60)))
    ours = found([{"ask": "evidence", "ln_e_values": evidence.tolist(), "level": 0.05}])[0]
    theirs = multipletests(np.minimum(np.exp(-evidence), 1), alpha=0.05, method="fdr_bh")[0]
    assert ours == theirs.tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_power_is_that_of_statsmodels(seed):
    draw = np.random.default_rng(seed)
    deviation, ratio, count = draw.uniform(0.5, 9), draw.uniform(0.05, 4), draw.uniform(100, 9_000)
    # Some standard errors: where the power is almost 1, effects cannot be told apart by it.
    effect = draw.uniform(0.5, 5) * deviation * math.sqrt((1 + 1 / ratio) / count)
    theirs = NormalIndPower()
    power = theirs.power(effect / deviation, count, 0.05, ratio)
    question = {"ask": "power", "effect": effect, "unit_variance": deviation**2, "control": count}
    ours = found([question | {"treatment": count * ratio}])[0]
    assert_close(ours["power"], power, "the power")
    assert_close(ours["detectable"], effect, "the detectable effect", relative=1e-8)
    needed = theirs.solve_power(effect / deviation, None, 0.05, 0.8, ratio)
    question = {"ask": "needed", "effect": effect, "unit_variance": deviation**2, "ratio": ratio, "power": 0.8}
    # The package's search ends at six digits.
    assert_close(found([question])[0]["control"], needed, "the units needed", relative=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_caps_are_numpys_percentiles_without_zeros(seed):
    draw = np.random.default_rng(seed)
    values = draw.lognormal(3, 1, 500) * (draw.random(500) < 0.3)
    ours = found([{"ask": "cap", "values": values.tolist(), "share": 0.99}])[0]
    assert_close(ours, np.percentile(values[values != 0], 99), "the cap")


def standings_by_quadrature(arms):
    """The chance to be best and the loss of each arm, by SciPy's distributions and adaptive integral."""
    spread = [arm.std() for arm in arms]
    points = sorted(arm.mean() + step * width for arm, width in zip(arms, spread) for step in (-3, 0, 3))
    low = min(max(arm.support()[0], arm.mean() - 12 * width) for arm, width in zip(arms, spread))
    high = max(min(arm.support()[1], arm.mean() + 12 * width) for arm, width in zip(arms, spread))
    points = [point for point in points if low < point < high]

    def integrate(function):
        return scipy.integrate.quad(function, low, high, points=points, epsabs=1e-13, epsrel=1e-11, limit=2_000)[0]

    def others(position, x):
        return math.prod(arm.cdf(x) for place, arm in enumerate(arms) if place != position)

    chances = [integrate(lambda x: arm.pdf(x) * others(place, x)) for place, arm in enumerate(arms)]
    largest = sum(integrate(lambda x: x * arm.pdf(x) * others(place, x)) for place, arm in enumerate(arms))
    return [(chance, largest - arm.mean()) for chance, arm in zip(chances, arms)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["beta", "gaussian"])
def test_standings_by_adaptive_integrals(kind, seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(2, 5))
    if kind == "beta":
        parts = [(float(draw.integers(1, 60)), float(draw.integers(200, 900))) for _ in range(count)]
        arms = [scipy.stats.beta(*part) for part in parts]
    else:
        parts = [(draw.normal(), draw.uniform(0.1, 1)) for _ in range(count)]
        arms = [scipy.stats.norm(*part) for part in parts]
    ours = found([{"ask": "standings", "arms": [[kind, *part] for part in parts]}])[0]
    for mine, theirs in zip(ours, standings_by_quadrature(arms)):
        assert_close(mine[0], theirs[0], "the chance", absolute=1e-8)
        assert_close(mine[1], theirs[1], "the loss", absolute=1e-8)


BAD = [
    ([], [1.0, 2.0], "there are no units"),
    ([1.0], [1.0, 2.0], "one unit does not tell"),
    ([3.0, 3.0, 3.0], [1.0, 2.0], "all units of an arm have the same value"),
    ([-1.0, -2.0, -4.0], [1.0, 2.0], "a relative effect needs one above 0"),
    ([1e200, 3e200], [1.0, 2.0], "too large or too small"),
]


@pytest.mark.parametrize("by", ["welch", "normal", {"asymptotic": 5_000}, {"mixture": 0.1}, {"posterior": None}])
@pytest.mark.parametrize("control, treatment, why", BAD)
def test_what_cannot_be_told_is_said(control, treatment, why, by):
    question = {"ask": "effect", "scale": "relative", "arms": {"mean": [control, treatment]}, "by": by}
    assert why in ask([question])[0]["error"]
