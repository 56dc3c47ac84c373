"""Two arms: Welch, shares, sequences, CUPED, ratios, quantiles and Bayes, beside independent packages."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
import tea_tasting
from experiment_toolkit.sequential import msprt_pvalue
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (
    ProportionStatistic,
    QuantileClusteredStatistic,
    QuantileStatistic,
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)
from oracle import assert_close, found
from samples import SEEDS, shares, sizes, two_arms, with_both, with_denominator, with_history
from statsmodels.stats import proportion
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

SCALES = ["absolute", "relative"]
KINDS = ["normal", "visits", "revenue"]
# Packages give p as 1 − P(below), which has 16 digits of 1 and none of a small p.
P_ABSOLUTE = 1e-12


def ask_effect(scale, by, **arms):
    ((kind, both),) = arms.items()
    both = [part.tolist() if isinstance(part, np.ndarray) else part for part in both]
    return found([{"ask": "effect", "scale": scale, "arms": {kind: both}, "by": by}])[0]


def mean_statistic(values):
    return SampleMeanStatistic(n=len(values), sum=values.sum(), sum_squares=(values**2).sum())


def assert_frequentist(ours, theirs):
    assert_close(ours["estimate"], theirs.expected, "the effect")
    assert_close(ours["std_error"], theirs.uplift.stddev, "the standard error")
    assert_close(ours["low"], theirs.ci[0], "the lower end", absolute=1e-9)
    assert_close(ours["high"], theirs.ci[1], "the upper end", absolute=1e-9)
    assert_close(ours["p_value"], theirs.p_value, "p", absolute=P_ABSOLUTE)


def gbstats_welch(one, other, scale):
    return TwoSidedTTest(one, other, FrequentistConfig(difference_type=scale)).compute_result()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_welch_is_that_of_gbstats(scale, kind, seed):
    one, other = two_arms(seed, kind)
    ours = ask_effect(scale, "welch", mean=(one, other))
    assert_frequentist(ours, gbstats_welch(mean_statistic(one), mean_statistic(other), scale))


@pytest.mark.parametrize("seed", SEEDS)
def test_welch_is_that_of_scipy_and_statsmodels(seed):
    one, other = two_arms(seed)
    ours = ask_effect("absolute", "welch", mean=(one, other))
    theirs = scipy.stats.ttest_ind(other, one, equal_var=False)
    interval = theirs.confidence_interval()
    assert_close(ours["degrees_of_freedom"], theirs.df, "the degrees of freedom")
    # SciPy's own tail keeps the digits of a small p.
    assert_close(ours["p_value"], theirs.pvalue, "p", absolute=0)
    assert_close(ours["low"], interval.low, "the lower end", absolute=1e-9)
    compared = CompareMeans(DescrStatsW(other), DescrStatsW(one))
    assert_close(ours["high"], compared.tconfint_diff(usevar="unequal")[1], "the upper end", absolute=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_absolute_effect_is_that_of_tea_tasting(seed):
    one, other = two_arms(seed)
    ours = ask_effect("absolute", "welch", mean=(one, other))
    theirs = tea_tasting_result(tea_tasting.Mean("value"), {"value": (one, other)})
    assert_close(ours["estimate"], theirs.effect_size, "the effect")
    assert_close(ours["low"], theirs.effect_size_ci_lower, "the lower end", absolute=1e-9)
    assert_close(ours["p_value"], theirs.pvalue, "p", absolute=P_ABSOLUTE)


def tea_tasting_result(metric, columns):
    import pyarrow

    arms = [len(one) for one in next(iter(columns.values()))]
    table = {name: np.concatenate(both) for name, both in columns.items()}
    table["variant"] = np.repeat([0, 1], arms)
    return tea_tasting.Experiment(metric=metric).analyze(pyarrow.table(table))["metric"]


@pytest.mark.parametrize("seed", SEEDS)
def test_shares_are_those_of_statsmodels(seed):
    draw = np.random.default_rng(seed)
    one, other = (shares(draw, count) for count in sizes(draw))
    ours = ask_effect("absolute", "normal", share=(one, other))
    wald = proportion.test_proportions_2indep(
        other.sum(), len(other), one.sum(), len(one), method="wald", compare="diff"
    )
    assert_close(ours["p_value"], wald.pvalue, "p", absolute=0)
    pooled = found([{"ask": "pooled", "control": one.tolist(), "treatment": other.tolist()}])[0]
    theirs = proportion.proportions_ztest([other.sum(), one.sum()], [len(other), len(one)])[1]
    assert_close(pooled, theirs, "the pooled p", absolute=0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", SCALES)
def test_shares_are_those_of_gbstats(scale, seed):
    draw = np.random.default_rng(seed)
    one, other = (shares(draw, count) for count in sizes(draw))
    statistics = [ProportionStatistic(n=len(arm), sum=arm.sum()) for arm in (one, other)]
    assert_frequentist(ask_effect(scale, "welch", share=(one, other)), gbstats_welch(*statistics, scale))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("units", [500, 5_000, 50_000])
@pytest.mark.parametrize("scale", SCALES)
def test_the_asymptotic_sequence_is_that_of_gbstats(scale, units, seed):
    one, other = two_arms(seed, KINDS[seed % 3])
    ours = ask_effect(scale, {"asymptotic": units}, mean=(one, other))
    config = SequentialConfig(difference_type=scale, sequential_tuning_parameter=units)
    theirs = SequentialTwoSidedTTest(mean_statistic(one), mean_statistic(other), config).compute_result()
    assert_frequentist(ours, theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_msprt_is_that_of_experiment_toolkit(seed):
    """The package knows arms of one size and one deviation only, so that is what it is given."""
    draw = np.random.default_rng(seed)
    count, deviation = int(draw.integers(50, 5_000)), draw.uniform(0.5, 5)
    one = draw.normal(0, deviation, count)
    other = one[::-1] + draw.uniform(-0.3, 0.3)
    ours = ask_effect("absolute", {"mixture": 0.1}, mean=(one, other))
    theirs = msprt_pvalue(other.mean() - one.mean(), one.std(ddof=1), count, 0.1)
    assert_close(ours["p_value"], theirs, "p", absolute=0)
    # The interval's end is where p would be 5 %.
    end = ours["high"] - ours["estimate"]
    assert_close(msprt_pvalue(end, one.std(ddof=1), count, 0.1), 0.05, "p at the end", relative=1e-7)


def adjusted_statistic(pairs, theta):
    value, before = pairs.T
    return RegressionAdjustedStatistic(
        n=len(pairs),
        post_statistic=mean_statistic(value),
        pre_statistic=mean_statistic(before),
        post_pre_sum_of_products=(value * before).sum(),
        theta=theta,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", SCALES)
def test_cuped_is_that_of_gbstats(scale, seed):
    one, other = with_history(seed)
    theta = compute_theta(adjusted_statistic(one, 0), adjusted_statistic(other, 0))
    theirs = gbstats_welch(adjusted_statistic(one, theta), adjusted_statistic(other, theta), scale)
    assert_frequentist(ask_effect(scale, "welch", cuped=(one, other)), theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_cuped_is_that_of_tea_tasting(seed):
    one, other = with_history(seed)
    ours = ask_effect("absolute", "welch", cuped=(one, other))
    columns = {"value": (one[:, 0], other[:, 0]), "before": (one[:, 1], other[:, 1])}
    theirs = tea_tasting_result(tea_tasting.Mean("value", "before"), columns)
    assert_close(ours["estimate"], theirs.effect_size, "the effect", absolute=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_post_stratification_is_a_saturated_regression(seed):
    """statsmodels: a mean for each stratum and arm, weighted by strata; HC2 is the variance of means exactly."""
    draw = np.random.default_rng(seed)
    strata = int(draw.integers(2, 6))
    arms = [[draw.normal(stratum * 5, 2, int(draw.integers(5, 300))) for stratum in range(strata)] for _ in "ab"]
    ours = ask_effect("absolute", "normal", strata=[[values.tolist() for values in arm] for arm in arms])
    cells = arms[0] + arms[1]
    design = np.repeat(np.eye(2 * strata), [len(cell) for cell in cells], axis=0)
    fitted = statsmodels.api.OLS(np.concatenate(cells), design).fit(cov_type="HC2")
    sizes = np.array([len(one) + len(other) for one, other in zip(*arms)])
    weights = sizes / sizes.sum()
    theirs = fitted.t_test(np.concatenate([-weights, weights]))
    assert_close(ours["estimate"], theirs.effect[0], "the effect")
    assert_close(ours["std_error"], theirs.sd[0, 0], "the standard error")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", SCALES)
def test_ratios_are_those_of_gbstats(scale, seed):
    def statistic(pairs):
        above, below = pairs.T
        return RatioStatistic(
            n=len(pairs),
            m_statistic=mean_statistic(above),
            d_statistic=mean_statistic(below),
            m_d_sum_of_products=(above * below).sum(),
        )

    one, other = with_denominator(seed)
    theirs = gbstats_welch(statistic(one), statistic(other), scale)
    assert_frequentist(ask_effect(scale, "welch", ratio=(one, other)), theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_ratios_are_those_of_tea_tasting(seed):
    one, other = with_denominator(seed)
    ours = ask_effect("absolute", "welch", ratio=(one, other))
    columns = {"above": (one[:, 0], other[:, 0]), "below": (one[:, 1], other[:, 1])}
    theirs = tea_tasting_result(tea_tasting.RatioOfMeans("above", "below"), columns)
    assert_close(ours["estimate"], theirs.effect_size, "the effect")
    assert_close(ours["low"], theirs.effect_size_ci_lower, "the lower end", absolute=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_adjusted_ratios_are_those_of_tea_tasting(seed):
    one, other = with_both(seed)
    ours = ask_effect("absolute", "welch", cuped_ratio=(one, other))
    names = ["above", "below", "above_before", "below_before"]
    columns = {name: (one[:, place], other[:, place]) for place, name in enumerate(names)}
    theirs = tea_tasting_result(tea_tasting.RatioOfMeans(*names), columns)
    assert_close(ours["estimate"], theirs.effect_size, "the effect", absolute=1e-9)
    assert_close(ours["low"], theirs.effect_size_ci_lower, "the lower end", absolute=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_adjusted_ratios_are_means_of_linearized_units(seed):
    """gbstats: the means of what each unit adds to a ratio, less θ times what it added before."""
    one, other = with_both(seed)

    def parts(arm, around):
        (above, below, above_before, below_before) = around.mean(axis=0)
        ratio, ratio_before = above / below, above_before / below_before
        value = ratio + (arm[:, 0] - ratio * arm[:, 1]) / below
        before = ratio_before + (arm[:, 2] - ratio_before * arm[:, 3]) / below_before
        return np.column_stack([value, before])

    joined = np.concatenate([one, other])
    value, before = parts(joined, joined).T
    theta = np.cov(value, before)[0, 1] / before.var(ddof=1)
    adjusted = [mean_statistic(parts(arm, arm) @ [1, -theta]) for arm in (one, other)]
    theirs = gbstats_welch(*adjusted, "absolute")
    assert_frequentist(ask_effect("absolute", "welch", cuped_ratio=(one, other)), theirs)


def quantile_parts(values, share):
    """The quantile, and the order statistics at its interval's ends, by NumPy."""
    half = scipy.stats.norm.ppf(0.975) * np.sqrt(share * (1 - share) / len(values))
    return np.quantile(values, [share, share - half, share + half])


def sorted_draws(draw):
    return np.sort(draw.lognormal(2, 1, int(draw.integers(200, 3_000))) * 10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_quantiles_are_those_of_gbstats(share, seed):
    draw = np.random.default_rng(seed)
    arms = [sorted_draws(draw) for _ in "ab"]

    def statistic(values):
        at, low, high = quantile_parts(values, share)
        count = len(values)
        return QuantileStatistic(
            n=count, n_star=count, nu=share, quantile_hat=at, quantile_lower=low, quantile_upper=high
        )

    theirs = gbstats_welch(*map(statistic, arms), "absolute")
    assert_frequentist(ask_effect("absolute", "welch", quantile=(share, *arms)), theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_clustered_quantiles_are_those_of_gbstats(seed):
    draw = np.random.default_rng(seed)
    share = 0.5

    def arm():
        units = int(draw.integers(100, 600))
        per_unit = draw.integers(1, 6, units)
        values = draw.lognormal(2, 0.7, per_unit.sum()) * np.repeat(draw.lognormal(2, 0.5, units), per_unit)
        below = values <= np.quantile(values, share)
        starts = np.concatenate([[0], np.cumsum(per_unit)[:-1]])
        return np.sort(values), np.column_stack([np.add.reduceat(below, starts), per_unit]).astype(float)

    def statistic(values, pairs):
        at, low, high = quantile_parts(values, share)
        below, has = pairs.T
        return QuantileClusteredStatistic(
            n=len(values), n_star=len(values), nu=share,
            quantile_hat=at, quantile_lower=low, quantile_upper=high,
            main_sum=below.sum(), main_sum_squares=(below**2).sum(),
            denominator_sum=has.sum(), denominator_sum_squares=(has**2).sum(),
            main_denominator_sum_product=(below * has).sum(), n_clusters=len(pairs),
        )  # fmt: skip

    one, other = arm(), arm()
    ours = ask_effect("absolute", "welch", clustered=(share, one[0], other[0], one[1], other[1]))
    assert_frequentist(ours, gbstats_welch(statistic(*one), statistic(*other), "absolute"))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("prior", [None, (0.0, 0.1), (0.05, 0.3)])
def test_posteriors_are_those_of_gbstats(prior, seed):
    one, other = two_arms(seed)
    ours = ask_effect("relative", {"posterior": prior}, mean=(one, other))
    mean, deviation = prior or (0.0, 1.0)
    config = EffectBayesianConfig(
        difference_type="relative",
        prior_effect=GaussianPrior(mean=mean, variance=deviation**2, proper=prior is not None),
    )
    theirs = EffectBayesianABTest(mean_statistic(one), mean_statistic(other), config).compute_result()
    assert_close(ours["mean"], theirs.uplift.mean, "the mean")
    assert_close(ours["deviation"], theirs.uplift.stddev, "the deviation")
    assert_close(ours["chance"], theirs.chance_to_win, "the chance to win")
    assert_close(ours["low"], theirs.ci[0], "the lower end", absolute=1e-9)
    # The package's loss is a truncated mean times a chance, of which a small one keeps few digits.
    for ours_of, theirs_of in zip(ours["loss"], theirs.risk):
        assert_close(ours_of, theirs_of, "the loss", relative=1e-7, absolute=1e-9)
