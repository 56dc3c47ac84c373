"""What the published Python clients send arrives, once, at the person it is about."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable

import pytest
import rudderstack.analytics.client as rudderstack
import segment.analytics.client as segment

from concierge_server import WRITE_KEY


@dataclass
class Vendor:
    """How one vendor's client is made."""

    name: str
    make: Callable[..., Any]
    options: dict

    def client(self, server, refused):
        def on_error(error, _batch):
            refused.append(error)

        return self.make(WRITE_KEY, host=server.url, on_error=on_error, **self.options)


VENDORS = [
    Vendor("segment", segment.Client, {}),
    Vendor("segment-gzip", segment.Client, {"gzip": True}),
    Vendor("rudderstack", rudderstack.Client, {}),
    Vendor("rudderstack-plain", rudderstack.Client, {"gzip": False}),
]


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
def vendor(request):
    return request.param


@pytest.fixture
def client(server, vendor):
    """A client that must have delivered everything without one refusal."""
    refused = []
    made = vendor.client(server, refused)
    yield made
    made.join()
    assert refused == []


def person(server, user_id):
    return server.get("/api/v1/profiles/lookup", type="user_id", value=user_id)


def event_names(server, profile):
    """How often each event name is on the person's timeline."""
    names, query = Counter(), {}
    while True:
        page = server.get(f"/api/v1/profiles/{profile['id']}/timeline", **query)
        names.update(item["name"] for item in page["items"])
        if not page["next_cursor"]:
            return names
        query = {"cursor": page["next_cursor"]}


def test_every_call_arrives_once(server, vendor, client):
    user, device = f"{vendor.name}-user", f"{vendor.name}-device"
    client.track(anonymous_id=device, event="Product Viewed", properties={"sku": "a1"})
    client.identify(user, {"plan": "pro", "seats": 3}, anonymous_id=device)
    client.track(user, "Order Completed", {"revenue": 19.5, "currency": "SEK"})
    client.page(user, "Docs", "Start", {"path": "/start"})
    client.screen(user, "App", "Home")
    client.group(user, "acme", {"industry": "toys"})
    client.alias(f"{vendor.name}-earlier", user)
    client.flush()

    profile = person(server, user)
    assert {name: profile["traits"][name]["value"] for name in ("plan", "seats")} == {"plan": "pro", "seats": 3}
    assert event_names(server, profile) == {
        "Product Viewed": 1,
        "Identify": 1,
        "Order Completed": 1,
        "Page Viewed": 1,
        "Screen Viewed": 1,
        "Group": 1,
        "Alias": 1,
    }


def test_events_of_a_device_and_of_its_user_are_one_person(server, vendor, client):
    user, device = f"{vendor.name}-owner", f"{vendor.name}-phone"
    client.track(anonymous_id=device, event="Product Viewed")
    client.identify(user, {}, anonymous_id=device)
    client.flush()

    by_device = server.get("/api/v1/profiles/lookup", type="anonymous_id", value=device)
    assert by_device["id"] == person(server, user)["id"]


def test_a_message_sent_twice_arrives_once(server, vendor, client):
    user, message = f"{vendor.name}-twice", f"{vendor.name}-message"
    for _ in range(2):
        client.track(user, "Order Completed", {"revenue": 5}, message_id=message)
        client.flush()

    assert event_names(server, person(server, user)) == {"Order Completed": 1}


def test_a_large_batch_arrives_whole(server, vendor, client):
    user, events = f"{vendor.name}-busy", 250
    for number in range(events):
        client.track(user, f"Step {number % 5}", {"number": number})
    client.flush()

    assert event_names(server, person(server, user)) == {f"Step {number}": events // 5 for number in range(5)}
