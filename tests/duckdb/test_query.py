"""SQL through the server: the same answers as DuckDB over the files, soon, for a purpose, and nothing but reading."""

import io
import json
import time
import urllib.error
import urllib.request

import duckdb
import pyarrow.ipc
import pytest
from concierge_server import TOKEN, WRITE_KEY, Server

PEOPLE = 60
REFUSERS = (3, 11)
# A query sees an event within two seconds of its acknowledgement; a shared machine gets more.
SEEN_SECONDS_MAX = 10
POLL_SECONDS = 0.05


def orders_of(user):
    return [((user * 5 + order) % 400) / 8 for order in range(user % 5)]


def ingest(server, batch):
    request = urllib.request.Request(server.url + "/v1/batch", json.dumps({"batch": batch}).encode())
    request.add_header("Authorization", f"Bearer {WRITE_KEY}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def ask(server, sql, purpose="analytics", **more):
    """The status, the type and the bytes of an answer."""
    body = json.dumps({"sql": sql, "purpose": purpose, **more}).encode()
    request = urllib.request.Request(server.url + "/api/v1/query", body)
    request.add_header("Authorization", f"Bearer {TOKEN}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def items(server, sql, purpose="analytics"):
    status, _, body = ask(server, sql, purpose)
    assert status == 200, body
    return json.loads(body)["items"]


def until_seen(server, sql, expected):
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while (found := items(server, sql)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(POLL_SECONDS)


def refusal(user):
    consent = {"consent": {"categoryPreferences": {"analytics": False}}}
    return {"type": "track", "event": "Consent Changed", "anonymousId": f"d{user}", "context": consent}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("data")) as server:
        for user in range(PEOPLE):
            batch = [{"type": "page", "anonymousId": f"d{user}", "context": {"page": {"path": f"/p{user % 4}"}}}]
            batch += [
                {
                    "type": "track",
                    "event": "Order Completed",
                    "anonymousId": f"d{user}",
                    "properties": {"revenue": revenue, "products": [{"sku": f"s{user}"}]},
                }
                for revenue in orders_of(user)
            ]
            ingest(server, batch)
        orders = sum(len(orders_of(user)) for user in range(PEOPLE))
        until_seen(server, "select count(*) as n from events where name = 'Order Completed'", [{"n": orders}])
        yield server


def test_an_event_is_seen_soon(server):
    ingest(server, [{"type": "track", "event": "Just Now", "anonymousId": "d0"}])
    until_seen(server, "select count(*) as n from events where name = 'Just Now'", [{"n": 1}])


def test_the_same_as_duckdb_says(server):
    database = duckdb.connect()
    database.execute("create table orders (who integer, revenue double)")
    rows = [(user, revenue) for user in range(PEOPLE) for revenue in orders_of(user)]
    database.executemany("insert into orders values (?, ?)", rows)
    query = """
        with spent as (
            select {who} as who, count(*) as n, sum(revenue) as total from {orders} group by 1
        )
        select n, count(*) as people, sum(total) as total, max(total) as most from spent group by n order by n
    """
    theirs = database.execute(query.format(who="who", orders="orders")).fetchall()
    ours = items(server, query.format(who="strand", orders="(select * from events where name = 'Order Completed')"))
    assert [tuple(row[name] for name in ("n", "people", "total", "most")) for row in ours] == theirs


def test_members_of_properties(server):
    query = "select properties->'products'->0->>'sku' as sku from events where revenue = (select max(revenue) from events)"
    most = max(revenue for user in range(PEOPLE) for revenue in orders_of(user))
    buyers = {f"s{user}" for user in range(PEOPLE) if most in orders_of(user)}
    assert {row["sku"] for row in items(server, query)} == buyers


def test_forms(server):
    query = "select type, count(*) as n from events where type = 'page' group by 1"
    status, kind, body = ask(server, query, format="csv")
    assert (status, kind.split(";")[0], body) == (200, "text/csv", b"type,n\npage,%d\n" % PEOPLE)
    status, kind, body = ask(server, query, format="arrow")
    assert (status, kind) == (200, "application/vnd.apache.arrow.stream")
    assert pyarrow.ipc.open_stream(io.BytesIO(body)).read_all().to_pylist() == [{"type": "page", "n": PEOPLE}]


def test_whoever_refuses_is_not_seen_from_then_on(server):
    query = "select count(distinct strand) as n from events where type = 'page'"
    assert items(server, query) == [{"n": PEOPLE}]
    for user in REFUSERS:
        ingest(server, [refusal(user)])
    assert items(server, query) == [{"n": PEOPLE - len(REFUSERS)}], "at once"
    assert items(server, query, "personalization") == [{"n": PEOPLE}], "they refused something else"
    # Marketing asks for agreement first, which nobody has given.
    assert items(server, query, "marketing") == [{"n": 0}]
    assert ask(server, query, "service")[0] == 400
    assert ask(server, query, "nothing")[0] == 400


def test_nothing_but_reading(server):
    for query in ("drop table events", "create table t as select 1", "insert into events select * from events", "set a = 1"):
        status, kind, body = ask(server, query)
        assert (status, kind, json.loads(body)["code"]) == (422, "application/problem+json", "invalid_query"), query
    status, _, body = ask(server, "select nobody from events")
    assert status == 422 and "nobody" in json.loads(body)["detail"]


def test_a_hostile_query_ends_and_the_server_goes_on(server):
    deep = "select 1" + "+1" * 5000
    assert json.loads(ask(server, deep)[2])["code"] == "query_limit"
    assert items(server, "select 1 as one") == [{"one": 1}]
