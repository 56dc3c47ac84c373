"""The lake's files as they are, read by DuckDB and by pyarrow: what was sent, each once, whose it is, and nobody who went."""

import json
import os
import time
import urllib.request
from datetime import datetime, timedelta, timezone

import duckdb
import pyarrow.dataset
import pyarrow.parquet
import pytest
from concierge_server import WRITE_KEY, Server

PEOPLE = 40
START = datetime(2026, 11, 1, tzinfo=timezone.utc)
GONE = "u7"
WAIT_SECONDS_MAX = 60
POLL_SECONDS = 0.1


def orders_of(user):
    """What a user bought. Amounts are eighths, so that their sums are exact in any order."""
    return [((user * 7 + order) % 800) / 8 for order in range(1 + user % 7)]


def tier_of(user):
    """A trait that a third of all lack."""
    return (None, "gold", "silver")[user % 3]


def ingest(server, batch):
    request = urllib.request.Request(server.url + "/v1/batch", json.dumps({"batch": batch}).encode())
    request.add_header("Authorization", f"Bearer {WRITE_KEY}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def fill(server):
    """People who browse, log in, buy and are asked for decisions; one of them is erased."""
    buyers = {"state": "live", "condition": {"event": "Order Completed", "count": {"op": "gte", "value": 3}}}
    assert server.request("PUT", "/api/v1/audiences/buyers", buyers)[0] == 201
    assert server.request("PUT", "/api/v1/placements/hero", {"state": "live", "default": {"title": "none"}})[0] == 201
    variants = [{"key": key, "content": {"title": key}} for key in ("a", "b")]
    sale = {"state": "live", "placement": "hero", "variants": variants, "record_traits": ["tier", "city"]}
    status, answer = server.request("PUT", "/api/v1/experiences/sale", sale)
    assert status == 201, answer
    for user in range(PEOPLE):
        device, who = f"d{user}", f"u{user}"
        page = {"page": {"path": f"/p{user % 3}"}, "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"}
        batch = [{"type": "page", "anonymousId": device, "context": page}]
        batch += [
            {
                "type": "track",
                "event": "Order Completed",
                "anonymousId": device,
                "userId": who,
                "timestamp": (START + timedelta(hours=user, minutes=order)).isoformat(),
                "properties": {"revenue": revenue, "currency": "SEK", "note": 'a "quoted", ü'},
            }
            for order, revenue in enumerate(orders_of(user))
        ]
        if tier_of(user):
            batch.append({"type": "identify", "anonymousId": device, "userId": who, "traits": {"tier": tier_of(user)}})
        ingest(server, batch)
        asked = {"identifiers": {"user_id": who, "anonymous_id": device}, "placements": ["hero"]}
        server.post("/v1/decide", asked)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A folder of files of a server that has stopped."""
    data = tmp_path_factory.mktemp("data")
    with Server(data) as server:
        fill(server)
        ask = {"type": "erase", "identifier": {"type": "user_id", "value": GONE}}
        status, answer = server.request("POST", "/api/v1/privacy/requests", ask)
        assert status in (200, 201, 202), answer
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while server.get(f"/api/v1/privacy/requests/{answer['id']}")["state"] != "done":
            assert time.monotonic() < deadline, "the erasure goes on and on"
            time.sleep(POLL_SECONDS)
    return data / "lake"


@pytest.fixture(scope="module")
def tables(lake):
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    for table in ("events", "decisions", "exposures", "membership_changes", "links"):
        files = f"read_parquet('{lake}/{table}/**/*.parquet', hive_partitioning = true)"
        database.execute(f"create view {table} as select * from {files}")
    database.execute(
        "create view people as select strand, arg_max(profile, seq) as profile from links group by strand"
    )
    return database


def one(database, query):
    return database.execute(query).fetchone()


def rest():
    return [user for user in range(PEOPLE) if f"u{user}" != GONE]


def test_events(tables):
    bought = [revenue for user in rest() for revenue in orders_of(user)]
    found = one(tables, "select count(*), sum(revenue), min(currency), max(currency) from events where name = 'Order Completed'")
    assert found == (len(bought), sum(bought), "SEK", "SEK")
    assert one(tables, "select count(distinct seq) = count(*) from events") == (True,)
    pages = dict(tables.execute("select page_path, count(*) from events where type = 'page' group by 1").fetchall())
    assert pages == {f"/p{path}": sum(user % 3 == path for user in rest()) for path in range(3)}
    assert one(tables, "select distinct os, device_type from events where type = 'page'") == ("iOS", "mobile")
    notes = one(tables, "select distinct json_extract_string(properties, '$.note') from events where properties <> '{}'")
    assert notes == ('a "quoted", ü',)


def test_the_day_of_a_file_is_when_its_rows_were_received(tables):
    query = "select count(*) from events where cast(day as varchar) <> strftime(received_at, '%Y-%m-%d')"
    assert one(tables, query) == (0,)


def test_a_person_is_all_strands_of_the_profile(tables):
    query = """
        select user_id, profile, count(*) from events join people using (strand) join (
            select distinct profile, max(user_id) over (partition by profile) as owner
            from events join people using (strand)
        ) using (profile) where owner is not null group by 1, 2 having user_id is null
    """
    anonymous = tables.execute(query).fetchall()
    # The page that each of them saw before logging in is theirs.
    assert len(anonymous) == PEOPLE - 1 and all(count == 1 for _, _, count in anonymous)


def test_decisions_and_exposures(tables):
    assert one(tables, "select count(*), count(distinct decision) from decisions") == (PEOPLE - 1, PEOPLE - 1)
    assert one(tables, "select count(*) from exposures where experience = 'sale' and propensity = 0.5") == (PEOPLE - 1,)
    query = "select count(*) from decisions d join exposures e using (decision) where d.variant <> e.variant"
    assert one(tables, query) == (0,)
    member = one(tables, "select count(*) from decisions where list_contains(cast(memberships as varchar[]), 'buyers')")
    assert member == (sum(len(orders_of(user)) >= 3 for user in rest()),)


def test_traits_that_are_recorded(tables):
    for table in ("decisions", "exposures"):
        query = f"select json_extract_string(traits, '$.tier'), count(*) from {table} group by 1"
        expected = {tier: sum(tier_of(user) == tier for user in rest()) for tier in (None, "gold", "silver")}
        assert dict(tables.execute(query).fetchall()) == expected
        query = f"select count(*) from {table} where traits_withheld = '[]' and json_extract(traits, '$.city') = 'null'"
        assert one(tables, query) == (PEOPLE - 1,)


def test_membership_changes(tables):
    entered = one(tables, "select count(*) from membership_changes where audience = 'buyers' and change = 'entered'")
    assert entered == (sum(len(orders_of(user)) >= 3 for user in rest()),)


def test_purposes_can_be_filtered(tables):
    allowed = one(tables, "select count(*) from events where list_contains(cast(purposes as varchar[]), 'analytics')")
    assert allowed == one(tables, "select count(*) from events")


def test_nothing_is_left_of_who_was_erased(lake):
    for folder, _, files in os.walk(lake):
        for file in files:
            path = os.path.join(folder, file)
            text = str(pyarrow.parquet.read_table(path, partitioning=None).to_pylist())
            assert f"'{GONE}'" not in text and f"'d{GONE[1:]}'" not in text


def test_pyarrow_reads_the_same(lake, tables):
    events = pyarrow.dataset.dataset(lake / "events", partitioning="hive").to_table()
    assert (events.num_rows,) == one(tables, "select count(*) from events")
    assert sum(value for value in events["revenue"].to_pylist() if value is not None) == one(tables, "select sum(revenue) from events")[0]


def test_a_person_is_found_by_the_statistics_of_pages(lake, tables):
    """Files are sorted by strand, and say so."""
    for folder, _, files in os.walk(lake / "events"):
        for file in files:
            metadata = pyarrow.parquet.ParquetFile(os.path.join(folder, file)).metadata
            group = metadata.row_group(0)
            assert [column.column_index for column in group.sorting_columns] == [0, 2]
            assert group.column(0).statistics.has_min_max and group.column(0).has_column_index


REVENUE = {
    "kind": "sum",
    "event": "Order Completed",
    "property": "revenue",
    "where": [
        {"property": "channel", "op": "eq", "value": "web"},
        {"context": "page.path", "op": "eq", "value": "/cart"},
    ],
    "cap": {"quantile": 0.9},
}


def test_a_metric_that_is_tried_has_the_numbers_that_it_has_once_it_is_saved(tmp_path):
    def buy(number, who, amount):
        properties = {"revenue": amount, "channel": "shop" if number % 5 == 0 else "web"}
        context = {"page": {"path": "/cart" if number % 4 else "/app"}}
        return {"type": "track", "event": "Order Completed", **who, "properties": properties, "context": context}

    with Server(tmp_path) as server:
        assert server.request("PUT", "/api/v1/placements/hero", {"state": "live", "default": {}})[0] == 201
        sale = {"state": "live", "placement": "hero", "variants": [{"key": "a"}, {"key": "b"}]}
        assert server.request("PUT", "/api/v1/experiences/sale", sale)[0] == 201
        for user in range(300):
            server.post("/v1/decide", {"identifiers": {"anonymous_id": f"d{user}"}, "placements": ["hero"]})
        time.sleep(1)
        orders = [buy(n, {"anonymousId": f"d{n % 300}"}, n % 91 / 8) for n in range(600)]
        # A third log in, and go on with another device.
        known = [n for n in range(300) if n % 3 == 0]
        orders += [{"type": "identify", "anonymousId": f"d{n}", "userId": f"u{n}"} for n in known]
        orders += [buy(n, {"anonymousId": f"e{n}", "userId": f"u{n}"}, n % 13 / 4) for n in known]
        for start in range(0, len(orders), 100):
            ingest(server, orders[start : start + 100])
    # What was in memory is in files now; more comes that is in none yet.
    with Server(tmp_path) as server:
        ingest(server, [buy(n, {"anonymousId": f"d{n}"}, n / 8) for n in range(40)])
        tried = server.post("/api/v1/experiences/sale/results", {"metric": {"key": "revenue", **REVENUE}})
        assert server.request("PUT", "/api/v1/metrics/revenue", {"state": "live", **REVENUE})[0] == 201
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            saved = server.get("/api/v1/experiences/sale/results?metric=revenue")
            if saved["measured"] == 1 and saved["metrics"][0]["arms"] == tried["metrics"][0]["arms"]:
                break
            assert time.monotonic() < deadline, (saved["metrics"], tried["metrics"])
            time.sleep(POLL_SECONDS)
        assert sum(arm["units"] for arm in tried["arms"]) == 300
        assert {arm["value"] > 0 for arm in tried["metrics"][0]["arms"]} == {True}
        for name in ("arms", "split", "several", "verdict"):
            assert saved[name] == tried[name]
        width = {"context": "screen.width", "op": "gt", "value": 1}
        for refused in ({"event": "Visit Started"}, {"where": [width]}):
            metric = {"kind": "count", "event": "Order Completed", **refused}
            status, answer = server.request("POST", "/api/v1/experiences/sale/results", {"metric": metric})
            assert status == 422, (refused, answer)
            assert "wait for its sums" in json.dumps(answer), answer
