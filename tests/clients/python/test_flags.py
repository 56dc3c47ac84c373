"""Feature flags through OpenFeature's Python client and its provider of the remote evaluation protocol."""

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from concierge_server import WRITE_KEY

NOBODY = EvaluationContext()


def someone(key, **attributes):
    return EvaluationContext(targeting_key=key, attributes=attributes)


@pytest.fixture(scope="module")
def flags(server):
    """Placements that are flags of each type."""
    for key, default in {"checkout": {"value": False}, "bare": None}.items():
        server.put(f"/api/v1/placements/{key}", {"state": "live", "default": default})
    server.put(
        "/api/v1/experiences/checkout_pro",
        {
            "state": "live",
            "placement": "checkout",
            "eligibility": {"trait": "plan", "op": "eq", "value": "pro"},
            "variants": [{"key": "on", "content": {"value": True}}],
        },
    )
    values = {"colour": "blue", "size": 3, "factor": 1.5, "hero": {"title": "Hi", "level": 2}}
    for key, value in values.items():
        content = value if isinstance(value, dict) else {"value": value}
        variants = [{"key": variant, "content": content} for variant in "ab"]
        server.put(f"/api/v1/placements/{key}", {"state": "live"})
        server.put(f"/api/v1/experiences/{key}_test", {"state": "live", "placement": key, "variants": variants})
    return values


def provider(server, key):
    return OFREPProvider(server.url, headers_factory=lambda: {"X-API-Key": key})


@pytest.fixture
def client(server, flags):
    api.set_provider(provider(server, WRITE_KEY), "flags")
    return api.get_client("flags")


def test_values_of_each_type(client, flags):
    context = someone("python-typed")
    assert client.get_string_value("colour", "none", context) == flags["colour"]
    assert client.get_integer_value("size", 0, context) == flags["size"]
    assert client.get_float_value("factor", 0.0, context) == flags["factor"]
    assert client.get_object_value("hero", {}, context) == flags["hero"]
    assert client.get_boolean_value("checkout", True, context) is False
    assert client.get_string_value("bare", "of the code", context) == "of the code"


def test_details_tell_what_was_decided_and_why(server, client):
    details = client.get_object_details("hero", {}, someone("python-split"))
    assert details.reason == Reason.SPLIT
    assert details.variant in ("a", "b")
    assert details.flag_metadata["experience"] == "hero_test"
    assert details.flag_metadata["propensity"] == 0.5
    again = client.get_object_details("hero", {}, someone("python-split"))
    assert again.variant == details.variant

    server.track({"type": "track", "event": "After", "userId": "python-split"})
    profile = server.get("/api/v1/profiles/lookup", type="user_id", value="python-split")
    recorded = server.get(f"/api/v1/profiles/{profile['id']}/decisions")["items"]
    ids = {decision["id"] for record in recorded for decision in record["decisions"]}
    assert {one.flag_metadata["decision_id"] for one in (details, again)} <= ids


def test_an_event_changes_the_next_evaluation(server, client):
    user = "python-buyer"
    assert client.get_boolean_details("checkout", True, someone(user)).reason == Reason.STATIC
    server.track({"type": "identify", "userId": user, "anonymousId": "python-phone", "traits": {"plan": "pro"}})
    details = client.get_boolean_details("checkout", False, someone(user))
    assert (details.value, details.reason, details.variant) == (True, Reason.TARGETING_MATCH, "on")
    by_device = someone("python-phone", targetingKeyType="anonymous_id")
    assert client.get_boolean_value("checkout", False, by_device) is True


def test_errors_come_as_the_client_knows_them(server, client):
    unknown = client.get_boolean_details("nothing", True, someone("python-lost"))
    assert (unknown.value, unknown.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    nobody = client.get_boolean_details("checkout", True, NOBODY)
    assert nobody.error_code == ErrorCode.TARGETING_KEY_MISSING
    confused = client.get_boolean_details("checkout", True, someone("a", userId="b"))
    assert confused.error_code == ErrorCode.INVALID_CONTEXT
    mistyped = client.get_boolean_details("colour", True, someone("python-typed"))
    assert mistyped.error_code == ErrorCode.TYPE_MISMATCH
    api.set_provider(provider(server, "nobody's"), "stranger")
    stranger = api.get_client("stranger").get_boolean_details("checkout", True, someone("a"))
    assert (stranger.value, stranger.error_code) == (True, ErrorCode.GENERAL)
    assert "unauthorized" in stranger.error_message
