"""Off-policy estimates beside obp's, over generated logs and over the Open Bandit data."""

import numpy as np
import pandas as pd
import pytest
from obp.ope import estimators as obp

EXACT = 1e-9
# Two-sided 95 % by the normal approximation.
ERRORS = 1.959963984540054


def generated(seed, actions=5, rows=3000):
    rng = np.random.default_rng(seed)
    context = rng.normal(0, 1, rows)
    logits = np.outer(context, rng.normal(0, 1, actions)) + rng.normal(0, 0.5, actions)
    logging = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    logging = 0.05 / actions + 0.95 * logging
    target = rng.dirichlet(np.ones(actions), rows)
    action = (logging.cumsum(1) > rng.random((rows, 1))).argmax(1)
    reward = rng.gamma(2.0, 1.0 + action) * (rng.random(rows) < 0.3)
    model = np.outer(np.ones(rows), np.arange(actions)) * 0.6 + rng.normal(0.5, 0.2, (rows, actions))
    return logging, target, action, reward, model


METHODS = {
    "ips": lambda parameter: obp.InverseProbabilityWeighting(),
    "clipped": lambda parameter: obp.InverseProbabilityWeighting(lambda_=parameter),
    "snips": lambda parameter: obp.SelfNormalizedInverseProbabilityWeighting(),
    "direct": lambda parameter: obp.DirectMethod(),
    "doubly_robust": lambda parameter: obp.DoublyRobust(),
    "switch": lambda parameter: obp.SwitchDoublyRobust(lambda_=parameter),
    "shrunk": lambda parameter: obp.DoublyRobustWithShrinkage(lambda_=parameter),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed,parameter", [(1, 2.0), (2, 5.0), (3, 0.7)])
def test_equals_obp(ask, method, seed, parameter):
    logging, target, action, reward, model = generated(seed)
    every = np.arange(len(action))
    p, w = logging[every, action], target[every, action] / logging[every, action]
    rows = np.column_stack([reward, p, target[every, action], model[every, action], (target * model).sum(1)])
    found = ask(ask="off_policy", method=method, parameter=parameter, rows=rows.tolist())
    arguments = {
        "reward": reward,
        "action": action,
        "pscore": p,
        "action_dist": target[:, :, None],
        "estimated_rewards_by_reg_model": model[:, :, None],
        "position": np.zeros(len(action), dtype=int),
    }
    estimator = METHODS[method](parameter)
    assert found["value"] == pytest.approx(estimator.estimate_policy_value(**arguments), abs=EXACT)
    assert found["effective"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=EXACT)
    # Errors: of the mean of obp's terms; of the ratio, by the delta method.
    terms = estimator._estimate_round_rewards(**arguments)
    error = terms.std(ddof=1) / np.sqrt(len(terms))
    if method == "snips":
        error = np.sqrt((w**2 * (reward - found["value"]) ** 2).sum()) / w.sum()
    assert found["standard_error"] == pytest.approx(error, rel=EXACT)


@pytest.fixture(params=["men", "women"])
def campaign(request, open_bandit):
    def read(policy):
        return pd.read_csv(open_bandit / policy / request.param / f"{request.param}.csv")

    return {"name": request.param, "random": read("random"), "bts": read("bts")}


def from_the_log(ask, source, target, method, **question):
    """What a policy earns, estimated from a log; its shares by position, which is the context, and item."""
    items = target.shape[1]
    place, item = source.position.to_numpy() - 1, source.item_id.to_numpy()
    cells = [[n, int(p), int(i), float(r)] for n, (p, i, r) in enumerate(zip(place, item, source.click))]
    model = np.array(ask(ask="arm_means", rows=cells, actions=items))
    rows = np.column_stack(
        [
            source.click,
            source.propensity_score,
            target[place, item],
            model[np.arange(len(source)), item],
            (target[place] * model).sum(1),
        ]
    )
    return ask(ask="off_policy", method=method, parameter=1.0, rows=rows.tolist(), **question)


def assert_truth(found, goal):
    """The truth is the mean of a sample too, so it has an error of its own."""
    truth, truth_error = goal.click.mean(), goal.click.std() / np.sqrt(len(goal))
    error = np.hypot(found["standard_error"], truth_error)
    print(f"{found['value']:.5f} ± {found['standard_error']:.5f}, truth {truth:.5f} ± {truth_error:.5f}, {found}")
    assert abs(found["value"] - truth) <= ERRORS * error


@pytest.mark.parametrize("method", ["snips", "doubly_robust"])
def test_bts_from_the_log_of_random(ask, campaign, method):
    """Thompson sampling changed while it logged: its shares are how often it showed an item in a position."""
    bts, items = campaign["bts"], int(campaign["random"].item_id.max()) + 1
    target = np.zeros((3, items))
    np.add.at(target, (bts.position.to_numpy() - 1, bts.item_id.to_numpy()), 1.0)
    found = from_the_log(ask, campaign["random"], target / target.sum(1, keepdims=True), method)
    assert_truth(found, bts)


@pytest.mark.parametrize("method", ["snips", "doubly_robust"])
def test_random_from_the_log_of_bts(ask, campaign, method):
    """Where Thompson sampling all but stopped showing some items, there is a refusal and no number."""
    items = int(campaign["random"].item_id.max()) + 1
    target = np.full((3, items), 1 / items)
    if campaign["name"] == "women":
        with pytest.raises(AssertionError, match="the effective sample is 2.. of 10000 units, 100 are needed"):
            from_the_log(ask, campaign["bts"], target, method)
        return
    found = from_the_log(ask, campaign["bts"], target, method)
    assert found["warnings"] == 1, "little overlap is told"
    assert_truth(found, campaign["random"])
