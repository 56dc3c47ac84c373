"""Writes made-up people as CSV, a fifth of them twice and misspelt, to measure how long linkage takes:

    python tests/splink/synthetic.py 1000000 > people.csv

A record is named p<person>-<copy>, so that the truth can be told. Names are as uneven as real ones are: the
frequency of the n-th is proportional to 1/n.
"""

import bisect
import csv
import datetime
import itertools
import random
import sys

CONSONANTS, VOWELS = "bcdfghjklmnprstvw", "aeiouy"
GIVEN_NAMES, SURNAMES, TOWNS = 2_000, 50_000, 3_000
SHARE_TWICE = 0.2
ERROR_RATE, MISSING_RATE = 0.15, 0.05
HEADING = ["id", "given_name", "surname", "date_of_birth", "city", "postcode", "email", "phone"]
BIRTH_FIRST, BIRTH_DAYS = datetime.date(1935, 1, 1), 27_000


def words(draw, count, syllables):
    """So many different words."""
    made = {}
    while len(made) < count:
        word = "".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(draw.randint(2, syllables)))
        made.setdefault(word + draw.choice(["", "n", "s", "r"]))
    return list(made)


def uneven(draw, values):
    """Draws of which the n-th value comes in proportion to 1/n."""
    shares = list(itertools.accumulate(1 / place for place in range(1, len(values) + 1)))
    return lambda: values[bisect.bisect(shares, draw.random() * shares[-1])]


def misspelt(draw, value):
    """The value with one character left out, doubled, exchanged or swapped with the next."""
    place = draw.randrange(len(value))
    before, letter, after = value[:place], value[place], value[place + 1 :]
    replaced = str(draw.randint(0, 9)) if letter.isdigit() else draw.choice(CONSONANTS + VOWELS)
    return draw.choice([before + after, before + letter + letter + after, before + replaced + after,
                        before + after[:1] + letter + after[1:]])


def copy(draw, record):
    def field(value):
        chance = draw.random()
        if chance < MISSING_RATE:
            return ""
        return misspelt(draw, value) if chance < MISSING_RATE + ERROR_RATE else value

    return [field(value) for value in record]


def people(draw, records):
    """Records until there are so many."""
    given_name, surname = uneven(draw, words(draw, GIVEN_NAMES, 3)), uneven(draw, words(draw, SURNAMES, 4))
    towns = [(town, str(draw.randint(10_000, 99_999))) for town in words(draw, TOWNS, 4)]
    town = uneven(draw, towns)
    for person in itertools.count():
        given, family, (city, postcode) = given_name(), surname(), town()
        born = BIRTH_FIRST + datetime.timedelta(days=draw.randrange(BIRTH_DAYS))
        email = f"{given}.{family}{draw.randint(1, 999)}@example.org"
        phone = f"07{draw.randrange(10**8):08}"
        record = [given, family, born.isoformat(), city, postcode, email, phone]
        yield [f"p{person}-0", *record]
        records -= 1
        if records > 0 and draw.random() < SHARE_TWICE:
            yield [f"p{person}-1", *copy(draw, record)]
            records -= 1
        if records <= 0:
            return


def main():
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(HEADING)
    writer.writerows(people(random.Random(1), int(sys.argv[1])))


if __name__ == "__main__":
    main()
