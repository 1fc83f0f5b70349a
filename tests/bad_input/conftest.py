"""The bad day, lived once for all tests that look at it."""

from __future__ import annotations

import asyncio

import pytest

from tests.bad_input.day import Day, live


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """What was left of it."""
    return asyncio.run(live(tmp_path_factory.mktemp("bad-day")))
