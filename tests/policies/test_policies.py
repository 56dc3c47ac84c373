"""Policies beside independent ones: scipy's quadrature, obp and mabwiser, over inputs drawn from fixed seeds."""

import numpy as np
import pytest
from mabwiser.mab import MAB, LearningPolicy
from obp.policy import EpsilonGreedy
from obp.policy import LinUCB as ObpLinUCB
from scipy import integrate, stats

EXACT = 1e-9


def sums(values):
    values = np.asarray(values, dtype=float)
    return [len(values), float(values.sum()), float((values**2).sum())]


def best_by_scipy(distributions):
    """P(i is the largest) by scipy's adaptive quadrature, with its own distribution functions."""
    lows, highs = zip(*(d.ppf([1e-13, 1 - 1e-13]) for d in distributions))
    ends = sorted({*lows, *highs, *(float(d.mean()) for d in distributions)})
    shares = []
    for i, own in enumerate(distributions):
        others = [d for j, d in enumerate(distributions) if j != i]
        density = lambda x: own.pdf(x) * np.prod([d.cdf(x) for d in others])  # noqa: E731
        pieces = zip(ends, ends[1:])
        shares.append(sum(integrate.quad(density, a, b, epsabs=1e-13, epsrel=1e-11, limit=400)[0] for a, b in pieces))
    return np.array(shares)


@pytest.mark.parametrize("seed", range(8))
def test_thompson_of_rates(ask, seed):
    rng = np.random.default_rng(seed)
    arms = rng.integers(2, 7)
    counts = rng.integers(1, [20, 300, 20_000, 500_000][seed % 4], arms)
    successes = rng.binomial(counts, np.clip(rng.normal(0.03 if seed % 2 else 0.4, 0.01, arms), 0, 1))
    found = ask(ask="thompson", binary=True, arms=[[int(n), float(s), float(s)] for n, s in zip(counts, successes)])
    expected = best_by_scipy([stats.beta(1 + s, 1 + n - s) for n, s in zip(counts, successes)])
    np.testing.assert_allclose(found, expected, atol=EXACT)


@pytest.mark.parametrize("seed", range(6))
def test_thompson_of_means(ask, seed):
    rng = np.random.default_rng(100 + seed)
    arms = [rng.gamma(1.0, 40.0 + rng.normal(0, 6), rng.integers(5, 400)) * (rng.random() < 0.9) for _ in range(4)]
    found = ask(ask="thompson", binary=False, arms=[sums(arm) for arm in arms])
    pooled = sum(((a - a.mean()) ** 2).sum() for a in arms) / sum(len(a) - 1 for a in arms)
    deviation = lambda a: np.sqrt((((a - a.mean()) ** 2).sum() + pooled) / len(a) / len(a))  # noqa: E731
    expected = best_by_scipy([stats.norm(a.mean(), deviation(a)) for a in arms])
    np.testing.assert_allclose(found, expected, atol=EXACT)


@pytest.mark.parametrize("seed", range(4))
def test_top_two_as_drawn(ask, seed):
    """The share of top-two Thompson sampling, by drawing as the paper says."""
    rng = np.random.default_rng(seed)
    counts, successes = np.array([400, 300, 500, 60]), rng.binomial([400, 300, 500, 60], [0.10, 0.11, 0.12, 0.08])
    arms = [[int(n), float(s), float(s)] for n, s in zip(counts, successes)]
    best = ask(ask="thompson", binary=True, arms=arms)
    beta, rounds = 0.5, 200_000
    draw = lambda: rng.beta(1 + successes, 1 + counts - successes, (rounds, 4)).argmax(axis=1)  # noqa: E731
    first = draw()
    second = draw()
    while (again := second == first).any():
        second[again] = draw()[again]
    played = np.where(rng.random(rounds) < beta, first, second)
    expected = np.bincount(played, minlength=4) / rounds
    error = np.sqrt(expected * (1 - expected) / rounds)
    assert (np.abs(np.array(ask(ask="top_two", best=best, beta=beta)) - expected) < 5 * error + 1e-6).all()


def test_epsilon_greedy_as_obp_draws(ask):
    arms = [[100, 9.0, 9.0], [100, 14.0, 14.0], [100, 11.0, 11.0]]
    policy = EpsilonGreedy(n_actions=3, epsilon=0.2, random_state=7)
    policy.action_counts = np.array([100, 100, 100])
    policy.reward_counts = np.array([9.0, 14.0, 11.0]) / 100
    policy.n_trial, rounds = 300, 100_000
    drawn = np.bincount([policy.select_action()[0] for _ in range(rounds)], minlength=3) / rounds
    np.testing.assert_allclose(ask(ask="greedy", arms=arms, epsilon=0.2), drawn, atol=5 * np.sqrt(0.25 / rounds))


def linear_history(seed, arms, features, rows):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(rows), rng.normal(0, 1, (rows, features - 1))])
    action = rng.integers(0, arms, rows)
    reward = (rng.random(rows) < 1 / (1 + np.exp(-(x * rng.normal(0, 1, (arms, features))[action]).sum(1)))) * 1.0
    return x, action, reward, rng.normal(0, 1, (20, features))


@pytest.mark.parametrize("seed,arms,features", [(1, 2, 3), (2, 4, 8), (3, 6, 20)])
def test_linucb_to_the_last_digit(ask, seed, arms, features):
    """obp keeps A⁻¹ by rank-one updates, mabwiser solves; both agree with a Cholesky factor to rounding."""
    x, action, reward, contexts = linear_history(seed, arms, features, 400)
    rows = [[int(a), float(r), list(map(float, v))] for a, r, v in zip(action, reward, x)]
    found = ask(ask="linear", rows=rows, arms=arms, alpha=0.5, v=1.0, x=contexts.tolist(), **{"lambda": 1.0})
    bounds = np.array([context["upper_bounds"] for context in found["contexts"]])

    mab = MAB(list(range(arms)), LearningPolicy.LinUCB(alpha=0.5, l2_lambda=1.0))
    mab.fit(action, reward, x)
    theirs = [[expected[arm] for arm in range(arms)] for expected in mab.predict_expectations(contexts)]
    np.testing.assert_allclose(bounds, theirs, rtol=0, atol=EXACT)

    obp = ObpLinUCB(dim=features, n_actions=arms, epsilon=0.5)
    for a, r, v in zip(action, reward, x):
        obp.update_params(int(a), float(r), v[None, :])
    for context, bound in zip(contexts, bounds):
        chosen = obp.select_action(context[None, :])
        sigma = [float(np.sqrt(context @ obp.A_inv[a] @ context)) for a in range(arms)]
        scores = (context[None, :] @ obp.theta_hat).flatten() + 0.5 * np.array(sigma)
        np.testing.assert_allclose(bound, scores, rtol=0, atol=EXACT)
        assert chosen[0] == bound.argmax()


def test_lints_as_drawn(ask):
    """The propensity of LinTS by quadrature, beside drawing coefficients with numpy."""
    x, action, reward, contexts = linear_history(9, 3, 4, 300)
    rows = [[int(a), float(r), list(map(float, v))] for a, r, v in zip(action, reward, x)]
    found = ask(ask="linear", rows=rows, arms=3, alpha=0.5, v=0.7, x=contexts[:5].tolist(), **{"lambda": 2.0})
    rng, rounds = np.random.default_rng(0), 200_000
    drawn = []
    for arm in range(3):
        own = x[action == arm]
        inverse = np.linalg.inv(2.0 * np.eye(4) + own.T @ own)
        mean = inverse @ own.T @ reward[action == arm]
        np.testing.assert_allclose(found["coefficients"][arm], mean, atol=EXACT)
        drawn.append(rng.multivariate_normal(mean, 0.49 * inverse, rounds))
    for context, answer in zip(contexts[:5], found["contexts"]):
        played = np.bincount(np.stack([d @ context for d in drawn]).argmax(axis=0), minlength=3) / rounds
        np.testing.assert_allclose(answer["best"], played, atol=5 * np.sqrt(0.25 / rounds))


@pytest.mark.parametrize("seed", range(4))
def test_accelerator(ask, seed):
    """The stated formula, with the size of effects by drawing."""
    rng = np.random.default_rng(seed)
    arms = [rng.normal(mean, scale, 500) for mean, scale in [(1.0, 1.0), (1.05, 1.2), (0.9, 0.8), (1.0, 1.0)]]
    found = np.array(ask(ask="accelerator", arms=[sums(arm) for arm in arms], control=0))
    pooled = sum(((a - a.mean()) ** 2).sum() for a in arms) / sum(len(a) - 1 for a in arms)
    unit = np.array([np.sqrt((((a - a.mean()) ** 2).sum() + pooled) / len(a)) for a in arms])
    mean = np.array([a.mean() for a in arms])
    error = np.sqrt(unit[1:] ** 2 / 500 + unit[0] ** 2 / 500)
    effects = np.abs(rng.normal(mean[1:] - mean[0], error, (400_000, 3)))
    q = np.bincount(effects.argmax(axis=1), minlength=3) / len(effects)
    share = unit[0] / (unit[0] + (q @ unit[1:]) / np.sqrt(q @ q))
    np.testing.assert_allclose(found, [share, *((1 - share) * q)], atol=6e-3)
    assert abs(found.sum() - 1) < EXACT


@pytest.mark.parametrize("seed", range(4))
def test_epochs(ask, seed):
    """The stratified difference in means, in numpy: no package has it."""
    rng = np.random.default_rng(seed)
    epochs = []
    for week in range(6):
        sizes = rng.integers(20, 900, 2)
        epochs.append([rng.gamma(1 + week, 3.0, size) for size in sizes])
    told = [[sums(arm), sums(control), len(arm) + len(control)] for arm, control in epochs]
    found = ask(ask="epochs", epochs=told)
    weights = np.array([units for _, _, units in told]) / sum(units for _, _, units in told)
    difference = sum(w * (a.mean() - c.mean()) for w, (a, c) in zip(weights, epochs))
    variance = sum(w**2 * (a.var(ddof=1) / len(a) + c.var(ddof=1) / len(c)) for w, (a, c) in zip(weights, epochs))
    control = sum(w * c.mean() for w, (_, c) in zip(weights, epochs))
    np.testing.assert_allclose(found, [difference, variance, control], rtol=EXACT)
