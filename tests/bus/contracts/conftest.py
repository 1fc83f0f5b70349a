"""The catalogue."""

from __future__ import annotations

import pytest

from bus.events import Catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()
