"""Writes events into a FHIR R4 server, one resource each.

`resource` is the resource as FHIR's JSON has it, with places for fields: `{nik}`, `"{tanggal}T{jam}:00+07:00"`, `{$id}`
of the event. What is empty is left out, with what only belongs to it; `codes` turns values into FHIR's codes. A
reference that is a search (`Patient?identifier=https://fhir.kemkes.go.id/id/nik|{nik}`) is looked up first. Where it
finds several the event is rejected. Where it finds none the event waits for a while (`patience`), since that may be on
its way: other subscriptions bring it, and between them there is no order. Then it is rejected.

`identifier` (`system|{field}`) names the resource for ever and is added to it. By `mode`:

- `create`: a fact. Made once (`If-None-Exist`), however often the event comes; what is there stays as it is. For a
  server that does not heed that header `look` asks for it first.
- `update`: a state. The resource of that identifier is replaced as a whole, or made.
- `patch`: its elements alone are replaced, the rest stays (JSON Patch): a withdrawal sets `status`. Rejected where the
  resource is missing, with the same patience.

With `bundle` what different keys wait for goes together in one Bundle of type `batch`, and the server answers each. A
patch has no place in one. SATUSEHAT describes Bundles of type `transaction` alone: leave it out there.

The last two look first: what a newer event of the same publisher wrote stays, and what changes between the look and the
write (`If-None-Exist`, `If-Match`) is looked at again. For that `meta.source` has a mark with the event's place; by it
`fhir_rest` knows what the bus wrote. A server that drops it is written in the order of each key all the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from yarl import URL

from adapters.connectors import fhir
from adapters.connectors.event_attributes import OF_EVENT, values_of
from adapters.connectors.fhir_bundle import Bundles
from adapters.connectors.fhir_template import Codes, ResourceTemplate, escaped, fields_in, is_conditional
from adapters.connectors.http import Answer, HttpClient, HttpConfig
from adapters.connectors.http_records import found
from bus.config import secret
from bus.errors import BusError, ConfigError, Rejected, Unavailable
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp

CONFLICTS = frozenset((HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED))
REMEMBERED = 10_000  #: events for which something was missing
LOOKS = 3  #: at a resource that others change at the same time
DUPLICATE = "duplicate"  #: the issue of a server that has such a resource


class FhirPushConfig(HttpConfig):
    """Options of a target with ``connector = "fhir_push"``."""

    url: str = Field(description="the server's base address, https://…/fhir-r4/v1, or by reference: env:NAME")
    mode: Literal["create", "update", "patch"] = Field(default="create", description="create, update or patch")
    look: bool = Field(default=False, description="mode = create: looks whether it is there before it is made")
    identifier: str = Field(
        pattern=r"^[^|{}]+\|[^{}]*\{.+$",
        examples=["https://fhir.kemkes.go.id/id/nik|{$key}"],
        description="what names the resource: system|{field}, or system|{$id}",
    )
    resource: Mapping[str, Any] = Field(
        examples=[{"resourceType": "Patient", "active": True}],
        description="the resource as FHIR's JSON has it, with {field} for a field",
    )
    required: tuple[str, ...] = Field(
        default=(), description="fields that must not be empty: without them the event is rejected"
    )
    only_with: tuple[str, ...] = Field(
        default=(), description="fields without which there is nothing to write: the event is passed over"
    )
    bundle: bool = Field(
        default=False, description="sends what different keys wait for together, for a server that takes a batch Bundle"
    )
    patience: float = Field(default=30, ge=0, description="seconds that an event waits for what it refers to")
    codes: Codes = Field(
        default_factory=dict,
        examples=[{"jenis_kelamin": {"L": "male", "P": "female"}}],
        description='per field: value = code, L = "male"',
    )

    @model_validator(mode="after")
    def _typed(self) -> Self:
        kind = self.resource.get("resourceType")
        if not isinstance(kind, str) or not kind.isalpha() or not kind[0].isupper():
            raise ValueError("`resource` needs a resourceType")
        return self

    @model_validator(mode="after")
    def _made_once(self) -> Self:
        if self.bundle and self.look:
            raise ValueError("`bundle` needs a server that heeds If-None-Exist, and `look` is for others")
        return self


class FhirPush:
    """A sink over a FHIR server."""

    Config: ClassVar[type[ConnectorConfig]] = FhirPushConfig

    def __init__(self, config: FhirPushConfig, context: Context) -> None:
        self._config = config
        self._where = f"{context.app} {context.name}"
        self._client = HttpClient(config, self._where)
        self._server: HttpClient | Bundles = self._client
        self._template = ResourceTemplate(config.resource, config.codes, self._where)
        self._type: str = config.resource["resourceType"]
        self._missed: dict[str, float] = {}  #: when something was missing first, by the event's id
        self.database: str | None = None
        self.atomic = False

    @staticmethod
    def needs(config: FhirPushConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        named = fields_in([config.resource, config.identifier])
        return (named | set(config.required) | set(config.only_with)) - OF_EVENT.keys()

    async def open(self) -> None:
        """Reads address and secrets. Raises ConfigError; the server is met with the first event."""
        await self._client.open()
        base = self._client.address(secret(self._config.url, where=f"{self._where}.url"))
        self._base = base.with_path(base.path.rstrip("/") + "/")
        if self._config.bundle:
            self._server = Bundles(self._client, self._base, self._where)

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Writes the events in their order. Raises Rejected, Unavailable, AccessError, ConfigError."""
        for delivery in deliveries:
            await self._apply(delivery)
            self._missed.pop(delivery.event.id, None)
        return ()

    async def _apply(self, delivery: Delivery) -> None:
        values = values_of(delivery)
        if any(values.get(name) is None for name in self._config.only_with):
            return
        if empty := [name for name in self._config.required if values.get(name) is None]:
            raise Rejected(f"kolom {', '.join(empty)}: kosong, padahal harus ada", where=self._where)
        system, value = self._template.token(self._config.identifier, values)
        resource = self._template.filled(values)
        if self._config.mode != "patch":
            resource.setdefault("identifier", [{"system": system, "value": value}])
        resource = await self._resolved(resource, delivery)
        token = f"{escaped(system)}|{escaped(value)}"
        if self._config.mode == "create":
            if self._config.look and await self._search(self._named(token), self._type):
                return
            answer = await self._create(delivery, resource, token)
            if not any(code == DUPLICATE for code, _ in fhir.issues_of(answer)):
                fhir.check(answer, self._where)
            return  # made now or before; a server with a rule of its own against duplicates says so by an issue
        for _ in range(LOOKS):
            current = await self._current(token)
            if current is not None and _is_older(delivery, current):
                return
            answer = await self._write(delivery, resource, token, current)
            exists = current is None and answer.status == HTTPStatus.OK
            if answer.status not in CONFLICTS and not exists:
                fhir.check(answer, self._where)
                return
        raise Unavailable("the resource changes at the same time", where=self._where)

    async def _write(
        self, delivery: Delivery, resource: dict[str, Any], token: str, current: Mapping[str, Any] | None
    ) -> Answer:
        """Writes what nobody else has written since the look.

        Not by PUT to a search: a request whose answer was lost could be carried out after the one that repeats it."""
        if current is None and self._config.mode == "patch":
            raise self._missing(delivery, f"the server has no such {self._type}")
        if current is None:
            return await self._create(delivery, resource, token)
        url, version = self._base / self._type / str(current["id"]), found(current, "meta.versionId")
        if self._config.mode == "update":
            return await self._send("PUT", url, {**_marked(resource, delivery), "id": current["id"]}, version=version)
        changed = {**current, **resource}
        steps = [{"op": "add", "path": f"/{name}", "value": value} for name, value in resource.items()]
        if fhir.Mark.of(current) is not None:  # a server that keeps it
            steps.append({"op": "add", "path": "/meta/source", "value": str(_mark(changed, delivery))})
        return await self._send("PATCH", url, steps, version=version, kind="application/json-patch+json")

    async def _create(self, delivery: Delivery, resource: dict[str, Any], token: str) -> Answer:
        """Made (201), or there already (200)."""
        return await self._send("POST", self._base / self._type, _marked(resource, delivery), condition=_query(token))

    async def _send(
        self,
        method: str,
        url: URL,
        document: Any,
        *,
        condition: str | None = None,
        version: Any = None,
        kind: str = fhir.CONTENT_TYPE,
    ) -> Answer:
        headers = {**fhir.ACCEPT, "Content-Type": kind, "Prefer": "return=minimal"}
        if condition:
            headers["If-None-Exist"] = condition
        if version:
            headers["If-Match"] = f'W/"{version}"'
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str).encode()
        return await self._server.send(method, url, headers=headers, body=body)

    async def _current(self, token: str) -> Mapping[str, Any] | None:
        """The resource of an identifier; None where there is none."""
        resources = await self._search(self._named(token), self._type)
        if len(resources) > 1:
            raise Rejected(f"the server has several {self._type} of this identifier", where=self._where)
        return resources[0] if resources else None

    def _named(self, token: str) -> URL:
        """The search for an identifier."""
        return (self._base / self._type).update_query(identifier=token)

    async def _resolved(self, element: Any, delivery: Delivery) -> Any:
        """An element whose references name resources."""
        if isinstance(element, list):
            return [await self._resolved(each, delivery) for each in element]
        if not isinstance(element, dict):
            return element
        return {
            name: await self._meant(value, delivery)
            if name == "reference" and is_conditional(value)
            else await self._resolved(value, delivery)
            for name, value in element.items()
        }

    async def _meant(self, reference: str, delivery: Delivery) -> str:
        """The resource that a conditional reference finds."""
        kind = reference.partition("?")[0]
        resources = await self._search(self._base.join(URL(reference)), kind)
        if not resources:
            raise self._missing(delivery, f"the server has no {kind} of this reference")
        if len(resources) > 1:
            raise Rejected(f"the server has several {kind} of this reference", where=self._where)
        return f"{kind}/{resources[0]['id']}"

    def _missing(self, delivery: Delivery, told: str) -> BusError:
        """What it means that a resource is not there: for a while, that it may be on its way."""
        first = self._missed.setdefault(delivery.event.id, monotonic())
        if monotonic() - first < self._config.patience:
            if len(self._missed) > REMEMBERED:
                del self._missed[next(iter(self._missed))]
            return Unavailable(told, where=self._where)
        del self._missed[delivery.event.id]
        return Rejected(told, where=self._where)

    async def _search(self, url: URL, kind: str) -> list[Mapping[str, Any]]:
        answer = await self._server.get(url, headers=fhir.ACCEPT)
        answer.check(self._where)
        bundle = answer.json(self._where)
        if found(bundle, "resourceType") != "Bundle":
            raise ConfigError("the answer is no Bundle", where=self._where, hint="is `url` a FHIR server's base?")
        resources = (found(entry, "resource") for entry in bundle.get("entry") or ())
        return [each for each in resources if found(each, "resourceType") == kind and isinstance(each.get("id"), str)]

    async def close(self) -> None:
        """Closes the connections."""
        if self._server is not self._client:
            await self._server.close()
        await self._client.close()


def _query(token: str) -> str:
    """The condition of If-None-Exist: a search's parameters."""
    return URL.build(path="/", query={"identifier": token}).raw_query_string


def _mark(resource: Mapping[str, Any], delivery: Delivery) -> fhir.Mark:
    """The mark of what is written; its digest is that of the JSON as it is read again."""
    return fhir.Mark(delivery.stream, delivery.version, fhir.digest_of(resource))


def _marked(resource: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    return {**resource, "meta": {**resource.get("meta", {}), "source": str(_mark(resource, delivery))}}


def _is_older(delivery: Delivery, current: Mapping[str, Any]) -> bool:
    """Whether a resource was written from this event or a newer one of its stream."""
    mark = fhir.Mark.of(current)
    return mark is not None and mark.stream == delivery.stream and mark.place >= delivery.version
