"""The contract of an application, ``adapter.toml``: what it emits and consumes, why, and on what legal basis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bus import subjects
from bus.errors import ConfigError
from bus.subjects import AppName, EventName


def _event_name(text: object) -> object:
    try:
        return EventName.parse(text) if isinstance(text, str) else text
    except ConfigError:
        raise ValueError("not the name of an event type; write domain.entity.event.v1 in lower case") from None


def _app_name(text: object) -> object:
    try:
        return AppName.parse(text) if isinstance(text, str) else text
    except ConfigError:
        raise ValueError("not an application; write OPD/APP, for example dukcapil/siak") from None


Name = Annotated[EventName, BeforeValidator(_event_name)]
App = Annotated[AppName, BeforeValidator(_app_name)]
Purpose = Annotated[str, Field(min_length=5)]


class _Table(BaseModel):
    """A table of the contract: every key is known, nothing changes after loading, errors do not repeat values."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class ConnectorTable(BaseModel):
    """A source or a target: the connector's name, its options beside it (checked by the connector's own ``Config``)."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    connector: str = Field(description="entry point in the group bus.connectors")

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the connector's name."""
        return dict(self.model_extra or {})


class Publish(_Table):
    """One kind of event that a source's records become (a grant, once verified)."""

    event: Name = Field(description="event type, domain.entity.event.v1")
    source: str | None = Field(
        default=None, alias="from", description="name of the [source.*]; none: emitted by a handler"
    )
    basis: Purpose = Field(description="legal basis (UU 27/2022 art. 20)")
    match: Mapping[str, str | int | bool] = Field(default_factory=dict, description="only records with these values")
    map: Mapping[str, str] | str = Field(
        default_factory=dict, description='event field = source column, or "mapping:function"'
    )
    changes: frozenset[str] = Field(
        default=frozenset(), description="event fields that must change for a new event of the same record; none: any"
    )


class Subscribe(_Table):
    """One event type that the application consumes (a grant, once verified), and where it goes."""

    event: Name = Field(description="event type, domain.entity.event.v1")
    publishers: tuple[App, ...] = Field(
        default=(), alias="from", description="OPD/APP of the publishers; none: every one that is granted"
    )
    purpose: Purpose = Field(description="what the data is used for")
    basis: Purpose = Field(description="legal basis (UU 27/2022 art. 20)")
    fields: frozenset[str] = Field(min_length=1, description="the fields that may be seen; nothing else gets through")
    start: Literal["last", "all", "new"] | datetime = Field(
        default="new", description="where a new consumer starts: last per key, all, new, or a time"
    )
    generation: int = Field(default=1, ge=1, description="raise it to receive everything once more")
    on_poison: Literal["skip", "hold"] = Field(
        default="skip", description="hold: the key of a dead letter waits for a person"
    )
    to: ConnectorTable | None = Field(default=None, description="the target: a connector and its options")
    handler: str | None = Field(default=None, description='instead of `to`: "mapping:function"')
    database: str | None = Field(default=None, description="URL (env:NAME) whose transaction the handler shares")

    @property
    def consumer(self) -> str:
        """The subscription's name: of its inbox, receipts and dead letters."""
        return subjects.subscription(self.event, self.generation)


class Contract(_Table):
    """The whole ``adapter.toml``."""

    app: str = Field(description="the folder's name")
    opd: str = Field(description="the name of the folder above")
    title: str = Field(description="what people call the application")
    owner: str = Field(description="the unit responsible for the application")
    contact: str = Field(description="where its people are reached")
    stage: Literal["pilot", "live", "retired"] = Field(description="pilot, live or retired; a retired one does not run")
    timezone: str = Field(default="Asia/Jakarta", description="of times that the application stores without an offset")
    source: Mapping[str, ConnectorTable] = Field(
        default_factory=dict, description="[source.<name>]: where records come from"
    )
    publish: tuple[Publish, ...] = Field(default=(), description="[[publish]]: what the application emits")
    subscribe: tuple[Subscribe, ...] = Field(default=(), description="[[subscribe]]: what it consumes")

    path: Path = Field(default=Path("adapter.toml"), exclude=True)

    @property
    def name(self) -> AppName:
        """``opd/app``."""
        return AppName(self.opd, self.app)

    @property
    def folder(self) -> Path:
        """Where the contract, its mapping.py and its samples are."""
        return self.path.parent

    @property
    def emits(self) -> frozenset[EventName]:
        """The event types that this application may publish."""
        return frozenset(entry.event for entry in self.publish)
