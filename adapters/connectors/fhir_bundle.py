"""Requests to a FHIR server that go together, in a Bundle of type ``batch`` (R4, http.html#transaction).

Such a Bundle is no transaction: the server carries out each request by itself, in an order of its own, and answers
each. So it may hold what different keys wait for, and never two requests of one. While a Bundle is on its way the next
one gathers: there is no waiting for others, and the slower the server, the more go together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import structlog
from yarl import URL

from adapters.connectors import fhir
from adapters.connectors.http import Answer, HttpClient
from bus.errors import ConfigError

log = structlog.get_logger(__name__)

BUNDLED = frozenset(("GET", "POST", "PUT"))  #: JSON Patch has no place in a Bundle of R4
CONDITIONS = {"If-None-Exist": "ifNoneExist", "If-Match": "ifMatch"}  #: a header and its name in a Bundle
UNKNOWN = frozenset((HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED))


@dataclass(slots=True, eq=False)
class _Request:
    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, outcome: Answer | BaseException) -> None:
        """Tells whoever still waits for it."""
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


@dataclass(frozen=True, slots=True)
class _Part(Answer):
    """One answer of a Bundle."""

    document: Any

    def json(self, where: str) -> Any:
        """As it was read: numbers with a point are Decimals still."""
        return self.document


class Bundles:
    """Asks as its client does (``get``, ``send``), and sends together what is asked at the same time.

    A Bundle that the server refuses as a whole (some do for one resource that they cannot read) is sent again one
    request at a time: who asked for something else hears nothing of it. Raises what the client raises, and ConfigError
    where the server knows no Bundles.
    """

    def __init__(self, client: HttpClient, base: URL, where: str) -> None:
        self._client, self._where = client, where
        self._base, self._below = URL(str(base).rstrip("/")), str(base)
        self._waiting: list[_Request] = []
        self._sending: asyncio.Task[None] | None = None
        self._refused = False

    async def get(self, url: URL, *, headers: Mapping[str, str]) -> Answer:
        """Reads an address."""
        return await self.send("GET", url, headers=headers, body=None)

    async def send(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """One request, with whatever else is asked meanwhile."""
        request = _Request(method, url, headers, body)
        if method not in BUNDLED:
            return await self._alone(request)
        self._waiting.append(request)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await request.answer

    async def close(self) -> None:
        """Lets go of what waits."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        for each in self._waiting:
            each.answer.cancel()

    async def _send_all(self) -> None:
        together: list[_Request] = []
        try:
            while self._waiting:
                await asyncio.sleep(0)  # whoever runs beside this one asks now
                together = [each for each in self._waiting if not each.answer.done()]
                self._waiting.clear()
                for each, outcome in zip(together, await self._outcomes(together), strict=True):
                    each.settle(outcome)
        finally:
            for each in together:
                each.answer.cancel()  # where it has none: this has been cancelled

    async def _outcomes(self, together: Sequence[_Request]) -> Sequence[Answer | BaseException]:
        """What becomes of each."""
        if len(together) > 1:
            try:
                answers = await self._asked(together)
            except Exception as error:
                return [error] * len(together)
            if answers is not None:
                return answers
            if not self._refused:
                self._refused = True
                log.info("a Bundle is refused as a whole and goes one by one", where=self._where)
        return await asyncio.gather(*map(self._alone, together), return_exceptions=True)

    async def _alone(self, request: _Request) -> Answer:
        if request.method == "GET":
            return await self._client.get(request.url, headers=request.headers)
        return await self._client.send(request.method, request.url, headers=request.headers, body=request.body)

    async def _asked(self, together: Sequence[_Request]) -> list[Answer] | None:
        """The answer to each; None where the server has refused the Bundle as a whole."""
        entries = b",".join(self._entry(each) for each in together)
        body = b'{"resourceType":"Bundle","type":"batch","entry":[' + entries + b"]}"
        headers = {**fhir.ACCEPT, "Content-Type": fhir.CONTENT_TYPE}
        if all(each.method != "GET" for each in together):  # some servers leave out what a search has found, too
            headers["Prefer"] = "return=minimal"
        answer = await self._client.send("POST", self._base, headers=headers, body=body)
        if answer.status in UNKNOWN:
            raise ConfigError(
                f"the server answers HTTP {answer.status} to a Bundle", where=self._where, hint="write bundle = false"
            )
        if answer.status == HTTPStatus.UNAUTHORIZED or (
            answer.busy and answer.status != HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            answer.check(self._where)
        return _answers(answer, len(together)) if answer.status == HTTPStatus.OK else None

    def _entry(self, request: _Request) -> bytes:
        """A request as a Bundle has it."""
        asked = {"method": request.method, "url": str(request.url).removeprefix(self._below)}
        asked |= {name: request.headers[header] for header, name in CONDITIONS.items() if header in request.headers}
        text = json.dumps(asked).encode()
        return b'{"request":' + text + (b',"resource":' + request.body if request.body else b"") + b"}"


def _answers(answer: Answer, count: int) -> list[Answer] | None:
    """The answers in a Bundle, in the order of what was asked; None where these are not they."""
    try:
        document = json.loads(answer.body, parse_float=Decimal)
        entries = document["entry"]
        answers = [_answer_of(entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return answers if document.get("type") == "batch-response" and len(answers) == count else None


def _answer_of(entry: Mapping[str, Any]) -> Answer:
    response = entry["response"]
    document = entry.get("resource") or response.get("outcome")
    status = int(response["status"][:3])  # "201 Created"
    return _Part(status, {}, {}, json.dumps(document, default=str).encode() if document else b"", document)
