"""Exported tables, read by DuckDB: as many rows, and the same sums, as the server answers with."""

import json
from datetime import datetime, timedelta, timezone

import duckdb
import pytest

PEOPLE = 60
FORMATS = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}
START = datetime(2026, 11, 1, tzinfo=timezone.utc)


def consent(user):
    """Every tenth refuses analytics."""
    return {"consent": {"categoryPreferences": {"analytics": user % 10 != 0}}}


def orders_of(user):
    """What a user bought: how much, and when. Amounts are eighths, so that their sums are exact in any order."""
    return [(((user * 7 + order) % 800) / 8, START + timedelta(hours=user, minutes=order)) for order in range(user % 7)]


@pytest.fixture(scope="module")
def shop(server):
    """A server with people, most of whom bought something, and an audience of those who spent a lot."""
    audience = {
        "state": "live",
        "purpose": "analytics",
        "condition": {"event": "Order Completed", "within": "365d", "sum": {"property": "revenue", "op": "gt", "value": 100}},
    }
    status, answer = server.request("PUT", "/api/v1/audiences/spenders", audience)
    assert status == 201, answer
    for user in range(PEOPLE):
        who = {"userId": f"u{user}", "anonymousId": f'a "{user}", ü', "context": consent(user)}
        batch = [{"type": "identify", "traits": {"plan": "pro" if user % 2 else "free", "number": user}, **who}]
        batch += [
            {
                "type": "track",
                "event": "Order Completed",
                "timestamp": at.isoformat(),
                "properties": {"revenue": revenue, "items": ["a", "b"]},
                **who,
            }
            for revenue, at in orders_of(user)
        ]
        ingest(server, batch)
    return server


def ingest(server, batch):
    """Sends a batch as a client does, with the write key."""
    import urllib.request

    from concierge_server import WRITE_KEY

    request = urllib.request.Request(server.url + "/v1/batch", json.dumps({"batch": batch}).encode())
    request.add_header("Authorization", f"Bearer {WRITE_KEY}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def exported(shop, folder, table, form, purpose="analytics", **options):
    """A view of an exported table in a fresh DuckDB."""
    file = folder / f"{table}-{purpose}.{form}"
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    shop.run("export", table, "--purpose", purpose, "--format", form, "--to", file, *flags)
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    database.execute(f"create view exported as select * from {FORMATS[form]}('{file}')")
    return database


def one(database, query):
    return database.execute(query).fetchone()


@pytest.mark.parametrize("form", FORMATS)
def test_events(shop, tmp_path, form):
    database = exported(shop, tmp_path, "events", form)
    granting = [user for user in range(PEOPLE) if user % 10 != 0]
    bought = [order for user in granting for order in orders_of(user)]
    orders = "from exported where name = 'Order Completed'"
    revenue = "cast(json_extract(properties, '$.revenue') as double)"
    found = one(database, f"select count(*), sum({revenue}), min(epoch_ms(event_time)), max(epoch_ms(event_time)) {orders}")
    count, total, first, last = found
    assert (count, total) == (len(bought), sum(revenue for revenue, _ in bought))
    times = [round(at.timestamp() * 1000) for _, at in bought]
    assert (first, last) == (min(times), max(times))
    # Positions tell events apart, and every event is one that the server shows of that person.
    assert one(database, "select count(distinct position) = count(*) from exported") == (True,)
    profile, rows = one(database, "select profile, count(*) from exported group by profile order by 2 desc, 1 limit 1")
    assert len(shop.get(f"/api/v1/profiles/{profile}/timeline", limit=500)["items"]) == rows
    assert one(database, "select count(*) from exported where user_id in ('u0', 'u10')") == (0,)


def test_events_of_a_stretch(shop, tmp_path):
    since, until = START + timedelta(hours=20), START + timedelta(hours=30, minutes=2)
    options = {"since": since.isoformat(), "until": until.isoformat()}
    database = exported(shop, tmp_path, "events", "parquet", "personalization", **options)
    expected = [at for user in range(PEOPLE) for _, at in orders_of(user) if since <= at < until]
    assert one(database, "select count(*) from exported") == (len(expected),)


@pytest.mark.parametrize("form", FORMATS)
def test_profiles(shop, tmp_path, form):
    database = exported(shop, tmp_path, "profiles", form)
    count, numbers, suppressed = one(
        database,
        "select count(*), sum(cast(json_extract(traits, '$.number') as integer)), count(*) filter (where suppressed) from exported",
    )
    granting = [user for user in range(PEOPLE) if user % 10 != 0]
    assert (count, numbers, suppressed) == (len(granting), sum(granting), 0)
    profile, user = one(database, "select profile, user_id from exported order by user_id limit 1")
    found = shop.get("/api/v1/profiles/lookup", type="user_id", value=user)
    assert found["id"] == profile
    plans = dict(database.execute("select json_extract_string(traits, '$.plan'), count(*) from exported group by 1").fetchall())
    assert plans == {"pro": sum(user % 2 for user in granting), "free": sum(1 - user % 2 for user in granting)}


@pytest.mark.parametrize("form", FORMATS)
def test_memberships(shop, tmp_path, form):
    database = exported(shop, tmp_path, "memberships", form)
    members = shop.get("/api/v1/audiences/spenders/members", limit=500)
    assert members["count"] > 10
    found = database.execute("select profile from exported where audience = 'spenders' order by 1").fetchall()
    assert [profile for (profile,) in found] == sorted(member["profile"] for member in members["items"])
    # What is folded for analytics is not seen for another purpose.
    other = exported(shop, tmp_path, "memberships", "parquet", "personalization")
    assert one(other, "select count(*) from exported") == (0,)


def test_consents(shop, tmp_path):
    database = exported(shop, tmp_path, "consents", "parquet")
    said = dict(database.execute("select said, count(*) from exported where purpose = 'analytics' group by 1").fetchall())
    assert said == {"denied": PEOPLE // 10, "granted": PEOPLE - PEOPLE // 10}
    assert one(database, "select count(*) from exported where purpose = 'analytics' and granted <> (said = 'granted')") == (0,)


def test_columns_are_typed(shop, tmp_path):
    database = exported(shop, tmp_path, "events", "parquet")
    types = {name: kind for name, kind, *_ in database.execute("describe exported").fetchall()}
    assert types["position"] == "BIGINT" and types["historical"] == "BOOLEAN"
    assert types["event_time"] == types["received_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["properties"] in ("JSON", "VARCHAR")
