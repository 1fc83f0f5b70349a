"""Polls an operation of a SOAP service.

Records, keys, paging, `since` and `watermark` are as with http_poll, whose parameters are here the names of the
operation's request: `permintaan.sejak` is the element `sejak` in `permintaan`. Paths into the answer (`records`,
`next`) begin below the answer's element. Both are checked against the WSDL when the source opens. What the answer
leaves out is null, an empty list is no record; dates and times are ISO 8601, decimals exact.

The WSDL is kept, so that a start needs no service; it is asked for once a day, and where an answer is not as it says.
Calls go to `url` alone.

It does not see deletes, states between two polls, and changes that leave the watermark where it is. A fault of the
receiver (Server) is tried again, one of the sender (Client) stops the source: its contract does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from yarl import URL

from adapters.connectors.http import Answer
from adapters.connectors.http_poll import HttpPoll, PollConfig
from adapters.connectors.soap import SoapClient, SoapConfig
from bus.config import secret
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState


class SoapPollConfig(SoapConfig, PollConfig):
    """Options of a source with ``connector = "soap_poll"``."""

    paging: Literal["none", "page", "offset", "cursor"] = Field(
        default="none", description="none, page, offset or cursor"
    )

    @model_validator(mode="after")
    def _cursor(self) -> Self:
        if self.paging == "cursor" and not self.cursor_param:
            raise ValueError("paging = cursor needs `cursor_param`")
        return self


class SoapPoll:
    """A source over an operation: what http_poll makes of addresses, over calls."""

    Config: ClassVar[type[ConnectorConfig]] = SoapPollConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=False)

    def __init__(self, config: SoapPollConfig, context: Context) -> None:
        where = f"{context.app} source.{context.name}"
        self._calls = _Calls(config, SoapClient(config, context.folder, where, rejects=False), where)
        self._polling = HttpPoll(config, context, self._calls)

    @property
    def idle(self) -> float:
        """Seconds between two reads while there is nothing new."""
        return self._polling.idle

    async def open(self, position: Position | None) -> None:
        """Reads the WSDL and goes to the position. Raises ConfigError, AccessError, Unavailable."""
        await self._polling.open(position)

    async def read(self) -> Batch | None:
        """The next page that has something new; None behind the last one."""
        return await self._polling.read()

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Remembers what was stored, so that it can be left out when it comes again."""
        await self._polling.commit(batch, rejections)

    async def reread(self, key: str) -> Record | None:
        """The record of that key as it is now, searched for in all pages."""
        return await self._polling.reread(key)

    async def state(self) -> SourceState:
        """As http_poll's."""
        return await self._polling.state()

    async def close(self) -> None:
        """Closes the connections."""
        await self._polling.close()


class _Calls:
    """Calls as http_poll sees them: the query of an address has the parameters, the answer is JSON."""

    def __init__(self, config: SoapPollConfig, soap: SoapClient, where: str) -> None:
        self._config, self._soap, self._where = config, soap, where
        self._fixed: dict[str, Any] = {}

    async def open(self) -> None:
        config = self._config
        await self._soap.open()
        self._fixed = {
            name: secret(value, where=f"{self._where}.parameters") if isinstance(value, str) else value
            for name, value in config.parameters.items()
        }
        paging = {"page": config.page_param, "offset": config.offset_param, "cursor": config.cursor_param}
        self._soap.operation.check_request(config.parameters, "parameters")
        used = {"since": config.since, "size_param": config.size_param, "paging": paging.get(config.paging)}
        for option, name in used.items():
            self._soap.operation.check_request([name] if name else [], option)
        self._soap.operation.check_answer(config.records, "records")
        self._soap.operation.check_answer(config.next if config.paging == "cursor" else "", "next")

    async def close(self) -> None:
        await self._soap.close()

    def address(self, url: str | URL) -> URL:
        return self._soap.http.address(url)

    async def get(self, url: str | URL, *, headers: Mapping[str, str] | None = None) -> Answer:
        answer = await self._soap.call({**URL(url).query, **self._fixed})
        return Answer(200, {}, {}, json.dumps(answer).encode())
