"""How a connector proves to an application who it is: basic, a key in a header, or OAuth2 client credentials.

Secrets are references (``env:NAME``, ``file:PATH``) and are read when the connector opens.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from bus.config import secret
from bus.errors import AccessError, ConfigError

if TYPE_CHECKING:
    from adapters.connectors.http import Answer, HttpConfig

LIFETIME = 300.0  #: seconds that a token is used whose answer says nothing of its end
MARGIN = 30.0  #: seconds before its end that a token is renewed; a tenth of its life where that is less

Post = Callable[[str, Mapping[str, str], bytes], Awaitable["Answer"]]  #: URL, headers, body; raises Unavailable


class Auth(Protocol):
    """What proves a request."""

    async def headers(self) -> Mapping[str, str]:
        """The headers of a request. Raises AccessError, ConfigError, Unavailable."""

    def forget(self, refused: Mapping[str, str]) -> bool:
        """The application refuses these headers: True where others can be had."""


class Fixed:
    """Headers that stay as they are."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    async def headers(self) -> Mapping[str, str]:
        """The headers."""
        return self._headers

    def forget(self, refused: Mapping[str, str]) -> bool:
        """There are no others."""
        return False


class ClientCredentials:
    """OAuth2 client credentials (RFC 6749 section 4.4): a token is fetched, kept, and renewed before its end."""

    def __init__(self, config: HttpConfig, where: str, post: Post) -> None:
        self._url = secret(config.token_url or "", where=where)
        self._id = secret(config.client_id or "", where=where)
        self._secret = secret(config.client_secret or "", where=where)
        self._scope, self._in_body = config.scope, config.client_auth == "body"
        self._where, self._post = f"{where} token_url", post
        self._token, self._until = "", 0.0
        self._fetching = asyncio.Lock()  # of many requests at once one fetches

    async def headers(self) -> Mapping[str, str]:
        """The token that is kept, or a new one."""
        async with self._fetching:
            if monotonic() >= self._until:
                await self._fetch()
            return self._proof()

    def forget(self, refused: Mapping[str, str]) -> bool:
        """Has the next request fetch a new token, unless another one has done so since these headers were given."""
        if refused == self._proof():
            self._until = 0.0
        return True

    def _proof(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    async def _fetch(self) -> None:
        form = {"scope": self._scope} if self._scope else {}
        if "grant_type=" not in self._url.partition("?")[2]:  # some want it in the address, and RFC 6749 only once
            form["grant_type"] = "client_credentials"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._in_body:
            form |= {"client_id": self._id, "client_secret": self._secret}
        else:  # RFC 6749 section 2.3.1: each is form-encoded first
            headers["Authorization"] = basic(quote(self._id, safe=""), quote(self._secret, safe=""))
        answer = await self._post(self._url, headers, urlencode(form).encode())
        if answer.status in {400, 401, 403}:
            raise AccessError(
                f"the client's credentials are refused (HTTP {answer.status})",
                where=self._where,
                hint="check client_id, client_secret and scope with the application's owner",
            )
        answer.check(self._where)
        self._keep(answer.json(self._where))

    def _keep(self, document: Any) -> None:
        token = document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ConfigError("the answer has no access_token", where=self._where, hint="is this the token's address?")
        try:
            life = float(document.get("expires_in") or LIFETIME)  # a number, or a text with one
        except (TypeError, ValueError):
            life = LIFETIME
        self._token, self._until = token, monotonic() + life - min(MARGIN, life / 10)


def basic(user: str, password: str) -> str:
    """The header of RFC 7617."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def made(config: HttpConfig, where: str, post: Post) -> Auth:
    """What the options say. Raises ConfigError where a secret is not there."""
    if config.client_secret:
        return ClientCredentials(config, where, post)
    if config.password:
        user = secret(config.username or "", where=where)
        return Fixed({"Authorization": basic(user, secret(config.password, where=where))})
    if config.api_key:
        return Fixed({config.api_key_header: secret(config.api_key, where=where)})
    return Fixed({})
