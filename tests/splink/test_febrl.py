"""Linkage beside Splink: the same records, comparisons and blocking rules, and the truth is known.

The records are those of Febrl, made up and then spoilt; who is who stands in their names. Either program learns
without being told. A table of both is printed; ours may not be worse by more than MARGIN.
"""

import collections
import csv
import dataclasses
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import splink.comparison_level_library as splink_levels
import splink.comparison_library as splink_comparisons
from concierge_server import binary, environment
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("CONCIERGE_DATA", REPOSITORY.parent / "shared" / "data")) / "febrl"

# How much less ours may be in F1: about what one pair in two hundred makes.
MARGIN = 0.005
# The probability from which on a pair counts, where it is not the one that serves each best.
CERTAIN = 0.95
# The least probability that is asked for at all.
LEAST = 0.001
SEED = 1
# Two computations of one weight differ by rounding only, in bits.
ROUNDING = 1e-6

NAME = ["exact", {"jaro_winkler": 0.92}, {"jaro_winkler": 0.88}, {"jaro_winkler": 0.7}]
PLACE = ["exact", {"jaro_winkler": 0.9}, {"jaro_winkler": 0.8}]
CODE = ["exact", {"edits": 1}]
NUMBER = ["exact", {"edits": 1}, {"edits": 2}]
CATEGORY = ["exact"]

COLUMNS = {
    "given_name": NAME,
    "surname": NAME,
    "street_number": CODE,
    "address_1": PLACE,
    "address_2": PLACE,
    "suburb": PLACE,
    "postcode": CODE,
    "state": CATEGORY,
    "date_of_birth": CODE,
    "soc_sec_id": NUMBER,
}
# One number is given to one person only, and birthdays are about equally common: rarity says nothing.
WITHOUT_FREQUENCIES = {"soc_sec_id", "date_of_birth"}

ALL = ["soc_sec_id", "date_of_birth", "address_2", "address_1", "suburb", "postcode", "surname", "given_name"]
FEW = ["date_of_birth", "suburb", "postcode", "surname", "given_name"]


@dataclasses.dataclass(frozen=True)
class Case:
    """Records with what is compared of them."""

    dataset: str
    columns: tuple
    blocking: tuple

    def __str__(self):
        return f"{self.dataset}, {len(self.columns)} columns"

    @property
    def file(self):
        return DATA / f"{self.dataset}.csv"


CASES = [
    Case("dataset2", tuple(COLUMNS), tuple(ALL)),
    Case("dataset3", tuple(COLUMNS), tuple(ALL)),
    Case("dataset2", tuple(FEW), tuple(FEW)),
    Case("dataset3", tuple(FEW), tuple(FEW)),
]


@dataclasses.dataclass
class Result:
    """What a program found: pairs with their probabilities, the likeliest first."""

    pairs: list
    seconds: float

    def kept(self, probability):
        return [pair for pair, found in self.pairs if found >= probability]


def person(record):
    """Who a record is of: rec-17-org and rec-17-dup-0 are of 17."""
    return record.split("-")[1]


def rows(case):
    """The records as the file has them, what is empty as None."""
    with case.file.open() as file:
        heading, *rows = [[value.strip() or None for value in row] for row in csv.reader(file) if row]
    return [dict(zip(heading, row, strict=True)) for row in rows]


def true_pairs(case):
    people = collections.Counter(person(row["rec_id"]) for row in rows(case))
    return sum(count * (count - 1) // 2 for count in people.values())


def settings(case):
    """The case as our settings."""

    def comparison(column):
        rarity = column not in WITHOUT_FREQUENCIES
        return {"column": column, "levels": COLUMNS[column], "term_frequency": rarity}

    return {
        "id": "rec_id",
        "seed": SEED,
        "blocking": [[column] for column in case.blocking],
        "comparisons": [comparison(column) for column in case.columns],
    }


def ours(case, folder, *arguments):
    """Runs the program; answers with the pairs it wrote and how many seconds it took."""
    written, pairs = folder / "settings.json", folder / "pairs.jsonl"
    written.write_text(json.dumps(settings(case)))
    command = [binary(), "match", case.file, "--settings", written, "--threshold", str(LEAST), "--out", pairs]
    started = time.monotonic()
    subprocess.run([*command, *arguments], env=environment(), check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    return [json.loads(line) for line in pairs.read_text().splitlines()], seconds


def concierge(case, folder):
    found, seconds = ours(case, folder)
    return Result([((pair["a"], pair["b"]), pair["probability"]) for pair in found], seconds)


def splink_level(column, level):
    if level == "exact":
        return splink_levels.ExactMatchLevel(column, term_frequency_adjustments=column not in WITHOUT_FREQUENCIES)
    ((kind, bound),) = level.items()
    if kind == "edits":
        return splink_levels.DamerauLevenshteinLevel(column, bound)
    return splink_levels.JaroWinklerLevel(column, bound)


def linker(case, model=None):
    """The case as Splink's settings; with a model of ours, its probabilities are taken over."""

    def comparison(column):
        levels = [splink_level(column, level) for level in COLUMNS[column]] + [splink_levels.ElseLevel()]
        if model:
            (learnt,) = (it for it in model["comparisons"] if it["column"] == column)
            for level, probabilities in zip(levels, learnt["levels"], strict=True):
                level.configure(m_probability=probabilities["m"], u_probability=probabilities["u"])
        return splink_comparisons.CustomComparison(
            output_column_name=column, comparison_levels=[splink_levels.NullLevel(column), *levels]
        )

    given = {"probability_two_random_records_match": model["lambda"]} if model else {}
    creator = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="rec_id",
        blocking_rules_to_generate_predictions=[block_on(column) for column in case.blocking],
        comparisons=[comparison(column) for column in case.columns],
        **given,
    )
    return Linker(DuckDBAPI().register(rows(case)), creator, log_level="ERROR")


def splink(case):
    """Learns and predicts as Splink's documentation does it."""
    started = time.monotonic()
    learning = linker(case)
    # Splink wants to be told of rules that hardly fail, and of which share of the matches they find.
    certain = [block_on("date_of_birth", "surname"), block_on("date_of_birth", "given_name")]
    learning.training.estimate_probability_two_random_records_match(certain, recall=0.8)
    learning.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=SEED)
    for column in case.blocking:
        learning.training.estimate_parameters_using_expectation_maximisation(block_on(column))
    found = predicted(learning)
    seconds = time.monotonic() - started
    pairs = [((row["rec_id_l"], row["rec_id_r"]), row["match_probability"]) for row in found]
    return Result(sorted(pairs, key=lambda pair: -pair[1]), seconds)


def predicted(learnt):
    return learnt.inference.predict(threshold_match_probability=LEAST).as_record_list()


@dataclasses.dataclass
class Score:
    """How good a choice of pairs is."""

    precision: float
    recall: float

    @property
    def f1(self):
        together = self.precision + self.recall
        return 2 * self.precision * self.recall / together if together else 0.0

    @classmethod
    def of(cls, pairs, total):
        right = sum(person(a) == person(b) for a, b in pairs)
        return cls(right / max(len(pairs), 1), right / total)


def best(result, total):
    """The score at the number of pairs that serves best."""
    found, right = Score(0.0, 0.0), 0
    for number, ((a, b), _) in enumerate(result.pairs, 1):
        right += person(a) == person(b)
        score = Score(right / number, right / total)
        found = max(found, score, key=lambda score: score.f1)
    return found


POLICIES = {
    "best F1": best,
    f"at {CERTAIN}": lambda result, total: Score.of(result.kept(CERTAIN), total),
}


@pytest.fixture(scope="module")
def records():
    if not DATA.exists():
        pytest.skip(f"the records are not at {DATA}; set CONCIERGE_DATA to the folder that holds febrl/")


@pytest.fixture(scope="module")
def measured(records, tmp_path_factory, request):
    """Both programs on every case, in one run; the table is printed whatever the tests say of it."""
    both = {}
    for number, case in enumerate(CASES):
        folder = tmp_path_factory.mktemp(f"case{number}")
        both[case] = {"Concierge": concierge(case, folder), "Splink": splink(case)}
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join(table(both)))
    return both


def table(both):
    yield "| records | program | policy | precision | recall | F1 | seconds |"
    yield "|---|---|---|---|---|---|---|"
    for case, results in both.items():
        total = true_pairs(case)
        for program, result in results.items():
            for policy, judge in POLICIES.items():
                score = judge(result, total)
                numbers = f"{score.precision:.4f} | {score.recall:.4f} | {score.f1:.4f} | {result.seconds:.1f}"
                yield f"| {case} | {program} | {policy} | {numbers} |"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_ours_is_not_worse_than_splink(measured, case, policy):
    total, judge = true_pairs(case), POLICIES[policy]
    score = {program: judge(result, total) for program, result in measured[case].items()}
    assert score["Concierge"].f1 >= score["Splink"].f1 - MARGIN, score


@pytest.mark.parametrize("case", [CASES[1], CASES[3]], ids=str)
def test_a_weight_is_the_one_that_splink_gives_with_the_same_model(records, case, tmp_path):
    model = tmp_path / "model.json"
    found, _ = ours(case, tmp_path, "--save-model", model)
    weights = {frozenset((pair["a"], pair["b"])): pair["weight"] for pair in found}
    rows = predicted(linker(case, json.loads(model.read_text())))
    theirs = {frozenset((row["rec_id_l"], row["rec_id_r"])): row["match_weight"] for row in rows}
    assert len(weights) > 1000, "too few pairs to prove anything"
    assert weights.keys() == theirs.keys()
    differing = {tuple(pair): (weight, theirs[pair]) for pair, weight in weights.items()
                 if abs(weight - theirs[pair]) > ROUNDING}
    assert not differing
