"""The applications that speak HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.connectors.http_server import HttpServer, serving


@pytest.fixture(scope="session")
def http_process() -> Iterator[HttpServer]:
    """This process's application; tests take ``http_server``."""
    with serving() as server:
        yield server


@pytest.fixture
def http_server(http_process: HttpServer) -> HttpServer:
    """The application, empty."""
    http_process.control_now("kosong")
    return http_process
