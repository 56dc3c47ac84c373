"""Asks this project's statistics, by the example `oracle` of the crate `stats`, and compares the answers.

All inputs are drawn from seeds, so a failure can be played again.
"""

import json
import math
import os
import subprocess

# Two computations of one closed form differ by rounding only.
CLOSED_FORM = 1e-9
SECONDS_MAX = 1200


def program():
    """The oracle under test: STATS_BINARY, which `make` sets."""
    path = os.environ.get("STATS_BINARY")
    assert path, "set STATS_BINARY to the example `oracle` of the crate `stats`, or run this through `make test-stats`"
    return path


def ask(questions):
    """The answers to all questions, in their order; each is {"ok": …} or {"error": …}."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(
        [program()], input=lines, capture_output=True, text=True, check=True, timeout=SECONDS_MAX
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def found(questions):
    """The answers, none of which may be an error."""
    answers = ask(questions)
    for question, answer in zip(questions, answers):
        assert "ok" in answer, f"{answer} to {str(question)[:300]}"
    return [answer["ok"] for answer in answers]


def assert_close(ours, theirs, what, relative=CLOSED_FORM, absolute=1e-12):
    assert math.isclose(ours, theirs, rel_tol=relative, abs_tol=absolute), f"{what}: {ours!r}, not {theirs!r}"
