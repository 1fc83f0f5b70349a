"""Calls an operation of a SOAP service, one event at a time.

`body` says which element of the request gets which field, dots making elements (`pemohon.nik = "nik"`); without it
each field goes by its name. `$id` is the event's id, the same however often the call is repeated: a service that keeps
it (as with `Idempotency-Key`, a header that each call has as well) applies no event twice. `$sequence` is the event's
place in its publisher's stream, higher is newer. All names are checked against the WSDL when the target opens.

A fault of the sender (Client), of a code of the service's own, or an answer that is not as `accepted` says is a
rejection: a dead letter. A fault of the receiver (Server) is tried again. The WSDL is asked for once a day and kept, so
that a start needs no service; calls go to `url` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from adapters.connectors.event_attributes import OF_EVENT, SEQUENCE
from adapters.connectors.http_push import as_json
from adapters.connectors.http_records import found
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
    constants: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description="path = value, sent with every event; secrets by reference: env:NAME"
    )
    accepted: Mapping[str, str | int | bool] = Field(
        default_factory=dict, description='path = value in the answer to an event that was accepted: status = "OK"'
    )


class SoapCall:
    """A sink over an operation."""

    Config: ClassVar[type[ConnectorConfig]] = SoapCallConfig

    def __init__(self, config: SoapCallConfig, context: Context) -> None:
        self._config = config
        self._where = f"{context.app} {context.name}"
        self._client = SoapClient(config, context.folder, self._where, rejects=True)
        self.database: str | None = None
        self.atomic = False

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
        self._client.operation.check_request(self._config.body or {}, "body")
        self._client.operation.check_request(self._constants, "constants")
        for path in self._config.accepted:
            self._client.operation.check_answer(path, "accepted")

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Calls for the events in their order. Raises Rejected, Unavailable, AccessError, ConfigError."""
        for delivery in deliveries:
            headers = {"Idempotency-Key": delivery.event.id, "ce-id": delivery.event.id}
            answer = await self._client.call(self._arguments(delivery), headers)
            for path, wanted in self._config.accepted.items():
                if (given := found(answer, path)) != wanted and str(given) != str(wanted):
                    raise Rejected("aplikasi menjawab bahwa data ini tidak diterima", where=self._where)
        return ()

    def _arguments(self, delivery: Delivery) -> dict[str, Any]:
        values = as_json(delivery)
        named = self._config.body if self._config.body is not None else {name: name for name in delivery.values()}
        if missing := set(named.values()) - values.keys():
            raise ConfigError(f"`body` names {min(missing)}, which is not in `fields`", where=self._where)
        return {path: values[source] for path, source in named.items()} | self._constants

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()
