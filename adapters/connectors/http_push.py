"""Calls an application's REST interface: a request for each event, or one for many.

`url` may hold fields (`https://siswa.example/siswa/{nisn}`). The body is JSON: all visible fields, or what `body`
names, dots making objects (`"siswa.nisn" = "nisn"`). Each request has `Idempotency-Key` (the event's id), the
attributes of CloudEvents' HTTP binding, and `ce-sequence`: the event's place in its publisher's stream, higher is
newer. With `signing_secret` it is signed by Standard Webhooks.

With `records` a request has a list of events, each as `body` says, and the application takes all of them or none: a 4xx
is met with ever shorter lists, until the one that it refuses is alone. A list has an `Idempotency-Key` of its own and
may come again in other company: what tells the events apart is their `$id` in `body`, what tells their order
`$sequence`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import to_jsonable_python
from yarl import URL

from adapters.connectors.event_attributes import OF_EVENT, SEQUENCE, identity_of, values_of
from adapters.connectors.http import GONE, Answer, HttpClient, HttpConfig
from adapters.connectors.http_records import put
from adapters.connectors.http_signature import SigningKey
from adapters.connectors.http_template import Template, below, names_in, place_in_host
from bus.config import secret
from bus.errors import ConfigError
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp

DIGITS = 20  #: of a sequence, so that it sorts as text as CloudEvents' extension asks for


class HttpPushConfig(HttpConfig):
    """Options of a target with ``connector = "http_push"``."""

    url: str = Field(description="the address, https://…/{field}, or by reference: env:NAME; the host holds no field")
    path: str = Field(default="", description="goes behind `url`, for an address by reference: siswa/{nisn}")
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="POST, PUT, PATCH or DELETE")
    body: Mapping[str, str] | None = Field(
        default=None,
        examples=[{"id": "$id", "nomor": "$key"}],
        description="path = field, or $id, $time, $source, $subject, $type, $sequence of the event; "
        "none: each field by its name",
    )
    records: str | None = Field(
        default=None,
        examples=["data"],
        description="many events in a request: the path of their list in the body; empty: it is the list",
    )
    constants: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description='path = value, sent with every event: status = "batal"'
    )
    signing_secret: str | None = Field(
        default=None, description="signs each request by Standard Webhooks: whsec_…, by reference: env:NAME"
    )

    @model_validator(mode="after")
    def _one_host(self) -> Self:
        if place_in_host(self.url):
            raise ValueError("the host of `url` holds no field")
        return self

    @model_validator(mode="after")
    def _fit_for_lists(self) -> Self:
        if self.records is not None:
            if names_in(self.url + self.path) or self.method == "DELETE":
                raise ValueError("with `records` one address takes all events, by POST, PUT or PATCH")
            if "$id" not in (self.body or {}).values():
                raise ValueError("with `records` the `body` names $id: the application knows by it what it had before")
        return self


class HttpPush:
    """A sink over a REST interface."""

    Config: ClassVar[type[ConnectorConfig]] = HttpPushConfig

    def __init__(self, config: HttpPushConfig, context: Context) -> None:
        self._config = config
        self._where = f"{context.app} {context.name}"
        self._client = HttpClient(config, self._where)
        self.database: str | None = None
        self.atomic = config.records is not None

    @staticmethod
    def needs(config: HttpPushConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        sources = frozenset((config.body or {}).values()) | names_in(config.url + config.path)
        return sources - OF_EVENT.keys() - {SEQUENCE}

    async def open(self) -> None:
        """Reads address and secrets. Raises ConfigError; the application is met with the first event."""
        url = below(secret(self._config.url, where=f"{self._where}.url"), self._config.path)
        self._template = Template(url, self._where)
        if self._config.records is not None and self._template.names:
            raise ConfigError("with `records` one address takes all events: it holds no field", where=self._where)
        await self._client.open()
        signing = self._config.signing_secret
        where = f"{self._where}.signing_secret"
        self._signing = SigningKey(secret(signing, where=where), where) if signing else None

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Sends the events in their order. Raises Rejected, Unavailable, AccessError, ConfigError."""
        if self._config.records is not None:
            await self._send_list(deliveries, self._config.records)
            return ()
        for delivery in deliveries:
            await self._send(delivery)
        return ()

    async def _send_list(self, deliveries: Sequence[Delivery], path: str) -> None:
        listed: Any = [self._document(each, as_json(each)) for each in deliveries]
        document: dict[str, Any] = {}
        if path:
            put(document, path, listed, f"{self._where}.records")
        identity = identity_of([each.event.id for each in deliveries])
        answer = await self._request(identity, self._url({}), {"Idempotency-Key": identity}, document or listed)
        if answer.status == HTTPStatus.MULTI_STATUS:
            raise ConfigError(
                "the application answers for each event of a list (HTTP 207)",
                where=self._where,
                hint="leave `records` out: it takes them one by one",
            )
        answer.check(self._where, rejects=True)

    async def _send(self, delivery: Delivery) -> None:
        values = as_json(delivery)
        answer = await self._request(
            delivery.event.id, self._url(values), _attributes(delivery), self._document(delivery, values)
        )
        if self._config.method == "DELETE" and self._template.names and answer.status in GONE:
            return  # it is gone already, by an attempt whose answer was lost or by somebody else
        answer.check(self._where, rejects=True, of_one=bool(self._template.names))

    async def _request(self, identity: str, url: URL, headers: dict[str, str], document: Any) -> Answer:
        body = None
        if document is not None:
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        if self._signing:
            headers |= self._signing.headers(identity, body or b"", time.time())
        return await self._client.send(self._config.method, url, headers=headers, body=body)

    def _url(self, values: Mapping[str, Any]) -> URL:
        if missing := self._template.names - values.keys():
            raise ConfigError(f"`url` names {min(missing)}, which is not in `fields`", where=self._where)
        return self._template.filled(values)

    def _document(self, delivery: Delivery, values: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._config.method == "DELETE" and self._config.body is None and not self._config.constants:
            return None
        named = self._config.body if self._config.body is not None else {name: name for name in delivery.values()}
        document: dict[str, Any] = {}
        for path, source in named.items():
            if source not in values:
                raise ConfigError(f"`body` names {source}, which is not in `fields`", where=self._where)
            put(document, path, values[source], f"{self._where}.body")
        for path, value in self._config.constants.items():
            put(document, path, value, f"{self._where}.constants")
        return document

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()


def as_json(delivery: Delivery) -> dict[str, Any]:
    """What addresses and bodies may name, as JSON has it: the visible fields, and the event's own attributes."""
    values: dict[str, Any] = to_jsonable_python(values_of(delivery))
    return values | {SEQUENCE: _sequence(delivery)}


def _sequence(delivery: Delivery) -> str:
    return f"{delivery.version:0{DIGITS}}"


def _attributes(delivery: Delivery) -> dict[str, str]:
    """The event's attributes as headers: CloudEvents' HTTP binding 1.0, and its extension `sequence`."""
    event = delivery.event
    return {
        "Idempotency-Key": event.id,
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-source": event.source,
        "ce-type": event.type,
        "ce-subject": event.subject,
        "ce-time": event.time,
        "ce-sequence": _sequence(delivery),
    }
