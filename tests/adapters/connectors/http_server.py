"""uvicorn in a process of its own, with an application of the tests in it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.servers.program import Program
from tests.servers.server import HOST, speaks_http

APPLICATION = "tests.adapters.connectors.http_application:app"
FHIR = "tests.adapters.connectors.fhir_application:app"


class HttpServer(Program):
    """The running application, and what a test does to it."""

    scheme: ClassVar[str] = "http"

    def __init__(self, application: str = APPLICATION) -> None:
        super().__init__()
        self._application = application

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.port}"

    def module(self) -> Sequence[str]:
        options = ["--log-level", "error", "--no-access-log", "--timeout-graceful-shutdown", "1"]
        return ["uvicorn", self._application, "--host", HOST, "--port", str(self.port), *options]

    def answers(self) -> bool:
        return speaks_http(self.port)

    async def control(self, what: str, given: Any = None) -> dict[str, Any]:
        """Does something to the application, past everything that stands between it and the bus; returns what it
        has seen.
        """
        return await asyncio.to_thread(self.control_now, what, given)

    def control_now(self, what: str, given: Any = None) -> dict[str, Any]:
        """The same, where nothing else must run meanwhile."""
        body = json.dumps(given).encode()
        request = urllib.request.Request(f"{self.url}/kendali/{what}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            seen: dict[str, Any] = json.load(answer)
        return seen
