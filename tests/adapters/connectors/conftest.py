"""The applications that speak HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.connectors.http_server import FHIR, HttpServer, serving


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


@pytest.fixture(scope="session")
def fhir_process() -> Iterator[HttpServer]:
    """This process's FHIR server; tests take ``fhir_server``."""
    with serving(FHIR) as server:
        yield server


@pytest.fixture
def fhir_server(fhir_process: HttpServer) -> HttpServer:
    """The FHIR server, empty."""
    fhir_process.control_now("kosong")
    return fhir_process
