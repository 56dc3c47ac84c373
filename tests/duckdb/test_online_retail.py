"""A year of real orders, imported by the program: its audiences hold exactly the people that SQL finds in the same file.

The definitions and the mapping are those of examples/online-retail, so that the example is kept true too.
"""

import os
from collections import Counter
from pathlib import Path

import duckdb
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "online-retail"
DATA = Path(os.environ.get("CONCIERGE_DATA", REPOSITORY.parent / "shared" / "data"))
ORDER_LINES = DATA / "online-retail" / "online_retail.csv.gz"

# The largest page that the server gives.
PAGE_MAX = 500

# An order is an invoice with a customer that is no cancellation (those begin with C). The shop's clock is London's.
# A few invoices were keyed in over two minutes: an order is placed when its first line is. Prices are decimals and
# are added as such. Customers were numbers to whoever wrote the file, so they end in ".0".
ORDERS = """
    create view orders as
    select
        InvoiceNo as invoice,
        split_part(CustomerID, '.', 1) as customer,
        min(cast(timezone('Europe/London', cast(InvoiceDate as timestamp)) as timestamp)) as placed,
        sum(cast(Quantity as decimal(18, 0)) * cast(UnitPrice as decimal(18, 4))) as revenue
    from read_csv('{file}', header = true, all_varchar = true)
    where CustomerID is not null and CustomerID <> '' and InvoiceNo not like 'C%'
    group by InvoiceNo, CustomerID
"""

CANCELLATIONS = """
    create view cancellations as
    select
        split_part(CustomerID, '.', 1) as customer,
        min(cast(timezone('Europe/London', cast(InvoiceDate as timestamp)) as timestamp)) as cancelled
    from read_csv('{file}', header = true, all_varchar = true)
    where CustomerID is not null and CustomerID <> '' and InvoiceNo like 'C%'
    group by InvoiceNo, CustomerID
"""

# What the shop's clock shows at an instant in UTC.
LONDON = "create macro london(instant) as timezone('Europe/London', timezone('UTC', instant))"

SPENT_OVER_1000_IN_90_DAYS = """
    select customer from orders
    where placed > cast($now as timestamp) - interval 90 days and placed <= cast($now as timestamp)
    group by customer
    having sum(revenue) > 1000
"""

THREE_ORDERS_IN_180_DAYS_AND_NONE_IN_30 = """
    select customer from orders
    where placed > cast($now as timestamp) - interval 180 days and placed <= cast($now as timestamp)
    group by customer
    having count(*) >= 3 and max(placed) <= cast($now as timestamp) - interval 30 days
"""

# The months are those of the shop's clock, the one of $now left out.
IN_3_OF_6_MONTHS_AND_NOT_IN_60_DAYS = """
    with months as (
        select customer, placed, date_diff('month', london(placed), london(cast($now as timestamp))) as ago from orders
        where placed <= cast($now as timestamp)
    )
    select customer from months
    group by customer
    having count(distinct ago) filter (where ago between 1 and 6) >= 3
        and max(placed) <= cast($now as timestamp) - interval 60 days
"""

RETURNED_WITHIN_14_DAYS = """
    select distinct orders.customer from orders
    join cancellations using (customer)
    where placed > cast($now as timestamp) - interval 365 days
        and cancelled <= cast($now as timestamp)
        and cancelled > placed and cancelled < placed + interval 14 days
"""

LARGE_SECOND_ORDER_THEN_NONE_FOR_90_DAYS = """
    select distinct second.customer from orders as second
    where second.revenue >= 500
        and second.placed + interval 90 days <= cast($now as timestamp)
        and exists (
            from orders as first
            where first.customer = second.customer
                and first.placed < second.placed and second.placed < first.placed + interval 30 days
        )
        and not exists (
            from orders as third
            where third.customer = second.customer
                and third.placed > second.placed and third.placed < second.placed + interval 90 days
        )
"""

AUDIENCES = {
    "spent_over_1000_in_90_days": SPENT_OVER_1000_IN_90_DAYS,
    "regulars_gone_quiet": THREE_ORDERS_IN_180_DAYS_AND_NONE_IN_30,
    "monthly_buyers_gone_quiet": IN_3_OF_6_MONTHS_AND_NOT_IN_60_DAYS,
    "quick_returners": RETURNED_WITHIN_14_DAYS,
    "large_second_order_then_silence": LARGE_SECOND_ORDER_THEN_NONE_FOR_90_DAYS,
}

# The second is in the middle of a trading day, so that the edges of the windows fall among orders.
INSTANTS = ["2011-12-09 00:00:00", "2011-09-14 12:30:00"]


@pytest.fixture(scope="module")
def orders():
    if not ORDER_LINES.exists():
        pytest.skip(f"the orders are not at {ORDER_LINES}; set CONCIERGE_DATA to the folder that holds online-retail/")
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(ORDERS.format(file=ORDER_LINES))
    connection.execute(CANCELLATIONS.format(file=ORDER_LINES))
    connection.execute(LONDON)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def shop(orders, server):
    """A server that holds the example's definitions and every order."""
    server.run("apply", "-f", EXAMPLE / "definitions")
    import_orders(server)
    yield server


def import_orders(server):
    return server.run("import", "--mapping", EXAMPLE / "mapping.toml", ORDER_LINES)


def customers(orders, query, now):
    return {customer for (customer,) in orders.execute(query, {"now": now}).fetchall()}


def members(shop, audience, at):
    """Who is in the audience; a preview, which may look at fewer people, agrees where it looked at all."""
    path = f"/api/v1/audiences/{audience}/members"
    listed = shop.get(path, at=at, limit=1)
    assert listed["withheld"] == 0
    found = [item["user_id"] for item in pages(shop, path, at=at)]
    assert listed["count"] == len(found) == len(set(found))
    preview = shop.post(f"/api/v1/audiences/{audience}/preview", {"at": at})
    if preview["is_exact"]:
        assert preview["count"]["value"] == len(found)
    assert preview["count"]["low"] <= preview["count"]["value"] <= preview["count"]["high"]
    return set(found)


def pages(shop, path, **query):
    """What a list holds, page by page to its end."""
    while True:
        page = shop.get(path, limit=PAGE_MAX, **query)
        yield from page["items"]
        if not page["next_cursor"]:
            return
        query["cursor"] = page["next_cursor"]


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_audience_holds_the_people_that_sql_finds(orders, shop, audience, now):
    expected = customers(orders, AUDIENCES[audience], now)
    assert len(expected) > 25, "too few people to prove anything"
    found = members(shop, audience, now.replace(" ", "T") + "Z")
    assert {"missing": expected - found, "surplus": found - expected} == {"missing": set(), "surplus": set()}


def test_importing_the_same_file_again_changes_nothing(orders, shop):
    import_orders(shop)
    most_active = orders.execute(
        "select customer, count(*) from orders group by customer order by 2 desc, 1 limit 3"
    ).fetchall()
    counted = {customer: order_count(shop, customer) for customer, _ in most_active}
    assert counted == dict(most_active)


def order_count(shop, customer):
    profile = shop.get("/api/v1/profiles/lookup", type="user_id", value=customer)
    names = Counter(item["name"] for item in pages(shop, f"/api/v1/profiles/{profile['id']}/timeline"))
    return names["Order Completed"]
