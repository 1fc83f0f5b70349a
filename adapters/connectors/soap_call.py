"""Calls an operation of a SOAP service: for each event, or with a list of many.

`body` says which element of the request gets which field, dots making elements (`pemohon.nik = "nik"`); without it
each field goes by its name. `$id` is the event's id, the same however often the call is repeated: a service that keeps
it (as with `Idempotency-Key`, a header that each call has as well) applies no event twice. `$sequence` is the event's
place in its publisher's stream, higher is newer. All names are checked against the WSDL when the target opens.

With `records` a call has a list of events, each as `body` says, and the service takes all of them or none: what it
refuses it gets in ever shorter lists, until the event that is to blame is alone. A list may come again in other
company: what tells the events apart is their `$id` in `body`.

A fault of the sender (Client), of a code of the service's own, or an answer that is not as `accepted` says is a
rejection: a dead letter. A fault of the receiver (Server) is tried again. The WSDL is asked for once a day and kept, so
that a start needs no service; calls go to `url` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from adapters.connectors.event_attributes import OF_EVENT, SEQUENCE, identity_of
from adapters.connectors.http_push import as_json
from adapters.connectors.http_records import found, put
from adapters.connectors.soap import SoapClient, SoapConfig
from bus.config import secret
from bus.errors import ConfigError, Rejected
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp


class SoapCallConfig(SoapConfig):
    """Options of a target with ``connector = "soap_call"``."""

    body: Mapping[str, str] | None = Field(
        default=None,
        examples=[{"id": "$id", "nomor": "$key"}],
        description="path = field, or $id, $time, $source, $subject, $type, $sequence of the event; "
        "none: each field by its name",
    )
    records: str | None = Field(
        default=None,
        min_length=1,
        examples=["daftar.baris"],
        description="many events in a call: the path of their list in the request",
    )
    constants: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description="path = value, sent with every call; secrets by reference: env:NAME"
    )
    accepted: Mapping[str, str | int | bool] = Field(
        default_factory=dict, description='path = value in the answer to what was accepted: status = "OK"'
    )

    @model_validator(mode="after")
    def _fit_for_lists(self) -> Self:
        if self.records is not None and "$id" not in (self.body or {}).values():
            raise ValueError("with `records` the `body` names $id: the service knows by it what it had before")
        return self


class SoapCall:
    """A sink over an operation."""

    Config: ClassVar[type[ConnectorConfig]] = SoapCallConfig

    def __init__(self, config: SoapCallConfig, context: Context) -> None:
        self._config = config
        self._where = f"{context.app} {context.name}"
        self._client = SoapClient(config, context.folder, self._where, rejects=True)
        self.database: str | None = None
        self.atomic = config.records is not None

    @staticmethod
    def needs(config: SoapCallConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        return frozenset((config.body or {}).values()) - OF_EVENT.keys() - {SEQUENCE}

    async def open(self) -> None:
        """Reads secrets and WSDL. Raises ConfigError, AccessError, and Unavailable where the WSDL is not kept."""
        await self._client.open()
        where = f"{self._where}.constants"
        self._constants = {
            path: secret(value, where=where) if isinstance(value, str) else value
            for path, value in self._config.constants.items()
        }
        if self._config.records is not None:
            self._client.operation.check_list(self._config.records, "records")
        within = f"{self._config.records}." if self._config.records else ""
        self._client.operation.check_request([within + path for path in self._config.body or ()], "body")
        self._client.operation.check_request(self._constants, "constants")
        for path in self._config.accepted:
            self._client.operation.check_answer(path, "accepted")

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Calls for the events in their order. Raises Rejected, Unavailable, AccessError, ConfigError."""
        if self._config.records is not None:
            listed = [self._nested(self._arguments(each)) for each in deliveries]
            identity = identity_of([each.event.id for each in deliveries])
            await self._call({self._config.records: listed}, {"Idempotency-Key": identity})
            return ()
        for delivery in deliveries:
            headers = {"Idempotency-Key": delivery.event.id, "ce-id": delivery.event.id}
            await self._call(self._arguments(delivery), headers)
        return ()

    async def _call(self, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        answer = await self._client.call({**arguments, **self._constants}, headers)
        for path, wanted in self._config.accepted.items():
            if (given := found(answer, path)) != wanted and str(given) != str(wanted):
                raise Rejected("aplikasi menjawab bahwa data ini tidak diterima", where=self._where)

    def _nested(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        element: dict[str, Any] = {}
        for path, value in arguments.items():
            put(element, path, value, f"{self._where}.body")
        return element

    def _arguments(self, delivery: Delivery) -> dict[str, Any]:
        values = as_json(delivery)
        named = self._config.body if self._config.body is not None else {name: name for name in delivery.values()}
        if missing := set(named.values()) - values.keys():
            raise ConfigError(f"`body` names {min(missing)}, which is not in `fields`", where=self._where)
        return {path: values[source] for path, source in named.items()}

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()
