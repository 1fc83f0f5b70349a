"""What the HTTP connectors share: a client that proves who it is, keeps to the addresses that it may call, waits as
long as an application asks for, and raises the errors of the bus.

No error carries a value: of an address only scheme and host are told, of an answer only its status.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from time import monotonic
from typing import Any, Literal, Self

import aiohttp
from pydantic import Field, model_validator
from yarl import URL

from adapters.connectors import http_auth
from adapters.connectors.http_addresses import ForbiddenAddress, guarded
from bus.config import secret
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.ports import ConnectorConfig

LARGEST = 32 * 1024 * 1024  #: bytes of one answer
STREAMED = 1024 * 1024  #: bytes of a request from which on it goes in parts
LONGEST = 3600.0  #: seconds that an application may ask to be left alone at a time
REDIRECTS = 5
CONNECTIONS = 32

GONE = frozenset((HTTPStatus.NOT_FOUND, HTTPStatus.GONE))

#: Whatever the event: the address knows no such method, or another form of content.
UNFIT = frozenset((HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE))

_BUSY = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))
_MOVED = frozenset((301, 302, 303, 307, 308))
_PROOF = re.compile(r"(authorization|cookie|key|token|secret|password)$", re.IGNORECASE)  # names of headers
_CHUNK = 64 * 1024


class HttpConfig(ConnectorConfig):
    """Options of every connector that calls an application over HTTP."""

    url: str = Field(description="the application's address, https://…, or by reference: env:NAME")
    username: str | None = Field(default=None, description="basic authentication: the user")
    password: str | None = Field(default=None, description="basic authentication, by reference: env:NAME")
    api_key: str | None = Field(default=None, description="a key that goes in a header, by reference: env:NAME")
    api_key_header: str = Field(default="X-API-Key", description="the header of `api_key`")
    token_url: str | None = Field(default=None, description="OAuth2 client credentials: where tokens are given")
    client_id: str | None = Field(default=None, description="OAuth2: the client, by reference or as it is")
    client_secret: str | None = Field(default=None, description="OAuth2, by reference: env:NAME")
    scope: str = Field(default="", description="OAuth2: the scopes, separated by blanks")
    client_auth: Literal["basic", "body"] = Field(
        default="basic", description="OAuth2: where the client's secret goes, a header or the form"
    )
    headers: Mapping[str, str] = Field(
        default_factory=dict, examples=[{"Accept-Language": "id"}], description="further headers of each request"
    )
    ca: str | None = Field(default=None, description="a PEM file with the authority that the application trusts in")
    timeout: float = Field(default=30, gt=0, description="seconds until a request counts as failed")
    allow_local: bool = Field(
        default=False, description="may call this machine, its link and a cloud's metadata addresses"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        """At most one way to authenticate, and all that it needs."""
        ways = [name for name in ("password", "api_key", "client_secret") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other")
        if bool(self.password) != bool(self.username):
            raise ValueError("username and password go together")
        if len({bool(self.token_url), bool(self.client_id), bool(self.client_secret)}) > 1:
            raise ValueError("token_url, client_id and client_secret go together")
        return self

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        """Addresses are those of the web, or references to them."""
        for name in ("url", "token_url"):
            address = getattr(self, name)
            if address is not None and not address.startswith(("https://", "http://", "env:", "file:")):
                raise ValueError(f"{name} is not https://…, http://… or a reference")
        return self

    @model_validator(mode="after")
    def _secret_headers(self) -> Self:
        """What proves a request stands in no contract."""
        for name, value in self.headers.items():
            if _PROOF.search(name) and not value.startswith(("env:", "file:")):
                raise ValueError(f"the header {name} is a secret: write env:NAME or file:PATH")
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application answered, its body read."""

    status: int
    headers: Mapping[str, str]
    links: Mapping[str, URL]  #: of the Link header, by rel (RFC 8288)
    body: bytes

    def json(self, where: str) -> Any:
        """The body's JSON; numbers with a point are Decimals. Raises ConfigError where it is none."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise ConfigError("the answer is no JSON", where=where, hint="is this the right address?") from None

    def check(self, where: str, *, rejects: bool = False, of_one: bool = False) -> None:
        """Raises what the status means, nothing for 2xx and 304.

        ``rejects``: a request that the application understood and refused concerns one event (Rejected), not the
        endpoint (ConfigError). ``of_one``: the address is that of one record, which may be missing.
        """
        status = self.status
        if status // 100 == 2 or status == HTTPStatus.NOT_MODIFIED:  # noqa: PLR2004 - every kind of success
            return
        told = f"the application answers HTTP {status}"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise AccessError(told, where=where, hint="check the credentials and what they may do")
        if self.busy:
            raise Unavailable(told, where=where)
        if status < HTTPStatus.BAD_REQUEST:
            raise ConfigError(f"{told}: it has moved", where=where, hint="write its new address into the contract")
        if status in GONE and not of_one:
            raise ConfigError(f"{told}: there is no such address", where=where, hint="check url in the contract")
        if rejects and status not in UNFIT:
            raise Rejected(told, where=where)
        raise ConfigError(f"{told}: it refuses the request", where=where, hint="check the options of the connector")

    @property
    def busy(self) -> bool:
        """Whether the same request may succeed later: 408, 425, 429 and all 5xx."""
        return self.status in _BUSY or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class HttpClient:
    """Calls one application. ``open`` before the first request; ``close`` lets go of the connections.

    ``where`` begins every error."""

    def __init__(self, config: HttpConfig, where: str) -> None:
        self._config, self._where = config, where
        self._session: aiohttp.ClientSession | None = None
        self._auth: http_auth.Auth = http_auth.Fixed({})
        self._shut_until = 0.0
        self._headers: dict[str, str] = {}
        self._origin = URL()

    async def open(self) -> None:
        """Reads the secrets. Raises ConfigError."""
        await self.close()
        self._origin = self.address(secret(self._config.url, where=f"{self._where}.url")).origin()
        self._auth = http_auth.made(self._config, self._where, self._post_form)
        self._headers = {name: secret(value, where=self._where) for name, value in self._config.headers.items()}
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            ssl=self._trust(),
            socket_factory=guarded(allow_local=self._config.allow_local),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._config.timeout),
        )

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, url: str | URL, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Reads an address, over redirects. Raises BusError."""
        target = self.address(url)
        for _ in range(REDIRECTS + 1):
            answer = await self._proven("GET", target, headers or {}, None)
            location = answer.headers.get("Location")
            if answer.status not in _MOVED or not location:
                return answer
            onward = self.address(target.join(_parsed(location, self._where)))
            if target.scheme == "https" != onward.scheme:
                raise ConfigError("the application redirects from https to http", where=self._where)
            target = onward
        raise ConfigError(f"the application redirects more than {REDIRECTS} times", where=self._where)

    async def send(self, method: str, url: str | URL, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Sends one request; a redirect is returned as it is. Raises BusError."""
        return await self._proven(method, self.address(url), headers, body)

    def address(self, url: str | URL) -> URL:
        """An absolute http(s) address without credentials. Raises ConfigError."""
        parsed = url if isinstance(url, URL) else _parsed(url, self._where)
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ConfigError("the address is not http:// or https:// and a host", where=self._where)
        if parsed.user or parsed.password:
            raise ConfigError(
                "the address holds credentials", where=self._where, hint="use username and password, by reference"
            )
        return parsed

    async def _proven(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """One request with what proves it; where a token has been withdrawn early, once more with a new one.

        What proves it goes to the origin of ``url`` in the contract alone, wherever a link or a redirect leads.
        """
        if url.origin() != self._origin:
            return await self._request(method, url, headers, body)
        for last in (False, True):
            proof = await self._auth.headers()
            answer = await self._request(method, url, {**self._headers, **headers, **proof}, body)
            if answer.status != HTTPStatus.UNAUTHORIZED or last or not self._auth.forget(proof):
                break
        return answer

    async def _post_form(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return await self._request("POST", self.address(url), headers, body)

    async def _request(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        if self._session is None:
            raise ConfigError("the connector is not open", where=self._where)
        if (rest := self._shut_until - monotonic()) > 0:
            raise Unavailable(f"the application asks to be left alone for {rest:.0f} s more", where=self._where)
        place = f"{self._where} {url.origin()}"
        data = BytesIO(body) if body is not None and len(body) > STREAMED else body
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as response:
                answer = Answer(
                    response.status,
                    response.headers,
                    _links(response),
                    await _limited(response, place),
                )
        except ValueError:  # InvalidURL is one, and so is what a name of a host or a header cannot be
            raise ConfigError("the address or a header is malformed", where=self._where) from None
        except TimeoutError:
            raise Unavailable(f"no answer within {self._config.timeout:g} s", where=place) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unreached(error, place) from None
        self._heed(answer)
        return answer

    def _heed(self, answer: Answer) -> None:
        """Remembers how long an application that is busy asks to be left alone."""
        if answer.busy:
            until = monotonic() + retry_after(answer.headers.get("Retry-After", ""))
            self._shut_until = max(self._shut_until, until)

    def _trust(self) -> ssl.SSLContext | bool:
        if self._config.ca is None:
            return True
        try:
            return ssl.create_default_context(cafile=self._config.ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cannot read the authority ({type(error).__name__})", where=f"{self._where}.ca"
            ) from None


def _links(response: aiohttp.ClientResponse) -> dict[str, URL]:
    """The Link header; one that cannot be read leads nowhere."""
    try:
        return {rel: url for rel, link in response.links.items() if isinstance(url := link["url"], URL)}
    except ValueError:
        return {}


def _unreached(error: Exception, where: str) -> BusError:
    """What a failed connection means. The error's own text may hold the address with its parameters."""
    if isinstance(getattr(error, "os_error", error), ForbiddenAddress):
        return ConfigError(
            "the address is this machine's, its link's or a cloud's metadata",
            where=where,
            hint="allow_local = true allows it",
        )
    return Unavailable(f"cannot be reached ({type(error).__name__})", where=where)


def retry_after(value: str) -> float:
    """The seconds of a Retry-After header (RFC 9110 section 10.2.3), at most an hour; 0 for none that is readable."""
    try:
        seconds = float(value) if value.strip().isdigit() else _until(parsedate_to_datetime(value))
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, min(LONGEST, seconds))


def _until(moment: datetime) -> float:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


def _parsed(url: str, where: str) -> URL:
    try:
        return URL(url)
    except ValueError:
        raise ConfigError("not an address", where=where, hint="write https://…") from None


async def _limited(response: aiohttp.ClientResponse, where: str) -> bytes:
    """The body, unless it is too large for memory."""
    parts, size = [], 0
    async for part in response.content.iter_chunked(_CHUNK):
        size += len(part)
        if size > LARGEST:
            raise ConfigError(
                f"the answer is larger than {LARGEST // 1024**2} MiB", where=where, hint="ask for smaller pages"
            )
        parts.append(part)
    return b"".join(parts)
