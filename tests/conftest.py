"""What the Python suites share: one real server, and the way to it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "harness"))

from concierge_server import fresh_server  # noqa: E402


@pytest.fixture(scope="module")
def server():
    with fresh_server() as running:
        yield running
