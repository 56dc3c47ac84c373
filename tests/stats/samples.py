"""Samples of the kinds that experiments have, drawn from seeds."""

import numpy as np

SEEDS = range(12)


def sizes(draw):
    """Units of two arms, from a handful to thousands, evenly split or not."""
    return int(draw.integers(20, 4_000)), int(draw.integers(20, 4_000))


def values(draw, count, kind):
    """What so many units did."""
    if kind == "revenue":
        return draw.lognormal(3, 1, count) * (draw.random(count) < 0.4)
    if kind == "visits":
        return draw.poisson(3.5, count).astype(float)
    return draw.normal(20, 6, count)


def shares(draw, count):
    """Who of so many units converted; at least one did and one did not."""
    converted = (draw.random(count) < draw.uniform(0.05, 0.9)).astype(float)
    converted[:2] = [0.0, 1.0]
    return converted


def two_arms(seed, kind="normal"):
    draw = np.random.default_rng(seed)
    one, other = sizes(draw)
    return values(draw, one, kind), values(draw, other, kind) * draw.uniform(0.9, 1.2)


def with_history(seed):
    """Pairs of a value and what was before, for two arms."""
    draw = np.random.default_rng(seed)

    def arm(count, lift):
        before = draw.gamma(2, 5, count)
        return np.column_stack([before * 0.7 + draw.normal(8, 3, count) + lift, before])

    one, other = sizes(draw)
    return arm(one, 0.0), arm(other, draw.uniform(-1, 1))


def with_both(seed):
    """A numerator and its denominator, then the same before, for two arms; some units have no history."""
    draw = np.random.default_rng(seed)

    def arm(count, lift):
        taste = draw.beta(2, 5, count)
        pages, before = draw.integers(1, 9, count), draw.integers(1, 9, count) * draw.integers(0, 2, count)
        above = draw.binomial(pages, np.clip(taste + lift, 0, 1))
        return np.column_stack([above, pages, draw.binomial(before, taste), before]).astype(float)

    one, other = sizes(draw)
    return arm(one, 0.0), arm(other, draw.uniform(-0.05, 0.05))


def with_denominator(seed):
    """Pairs of a numerator and its denominator, for two arms."""
    draw = np.random.default_rng(seed)

    def arm(count):
        pages = draw.integers(1, 9, count)
        return np.column_stack([draw.binomial(pages, draw.beta(2, 5, count)), pages]).astype(float)

    one, other = sizes(draw)
    return arm(one), arm(other)
