"""What a connector is: the Protocols between the bus and the technology of a source or a sink.

A source is opened at a position, read batch by batch, told after each that its events are stored, and closed;
polling and pushing technologies look alike from here. A sink applies deliveries. A connector raises the errors of
``bus.errors`` and nothing else: their action tells the engine what to do. Connectors are classes found by the entry
point group
``bus.connectors``; each has a pydantic ``Config`` and is built as ``Connector(config, context)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from bus.envelope import Event
from bus.subjects import AppName

Position = dict[str, Any]  #: how far a source was read; plain JSON values, made and read by the source alone


class ConnectorConfig(BaseModel):
    """The options of a connector as they stand in a contract: unknown ones are refused.

    A field's ``examples`` say what its sample has where there is no default and any text would not do; in them ``$key``
    is the field that names what an event is about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    usual: ClassVar[tuple[str, ...]] = ()  #: options that may be left out and rarely are: a sample has them

    @property
    def known_columns(self) -> frozenset[str] | None:
        """What a source's records have; None: the options do not say."""
        return None

    def operations(self, match: Mapping[str, object]) -> frozenset[str]:
        """What may have been done to a source's records that have these values; none: the options do not say."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector knows of its surroundings."""

    app: AppName
    name: str  #: the source's or subscription's name
    folder: Path  #: the contract's folder: relative paths start here
    timezone: tzinfo  #: of times that the application stores without an offset


class Record(NamedTuple):
    """One row, line or message as a source read it.

    ``key`` names the row within its source and never changes; it may hold personal data and stays out of logs.
    ``version`` orders the changes of that key where the source has an order of its own (an outbox number, LSN and
    index); None asks the bus to count the changes by content. ``mark`` is the source's own time of the change as
    text; it keeps equal contents at different times apart. ``place`` tells a clerk where to look ("baris 12") and
    holds no values.
    """

    key: str
    data: Mapping[str, Any]
    version: str | None = None
    mark: str = ""
    place: str = ""
    at: datetime | None = None  #: when the source recorded it; None: now
    fault: str = (
        ""  #: why the source could not read it, in a clerk's words without values; such a record is rejected as it is
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the source's order, and the position after them."""

    records: Sequence[Record]
    position: Position
    more: bool = False  #: the source has more at once: read on without a pause
    ahead: bool = False  #: and may be read on before this batch is committed
    passing: bool = False  #: the position need not be kept where nothing of the batch is stored


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that became a dead letter, for the report to its owner. ``reason`` is in a clerk's words, without
    values.
    """

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source stands, for operations. Without values of the application: it is shown and stored."""

    position: str = ""  #: how far it was read, in the application's own terms ("0/16B3748", "binlog.000004:1532")
    waiting: int | None = None  #: records (of a folder: files) that wait to be stored; None: it cannot tell
    oldest: datetime | None = None  #: when the oldest of them was recorded; None: nothing waits, or it cannot tell
    or_more: bool = False  #: so many are known to wait, and there may be more


PREVIOUS = "$previous"  #: pseudo column of a correction: the id of the event that it withdraws
OPERATION = "_operasi"  #: the pseudo column of a source that sees deletes: what the application did to the record
UPDATE, DELETE = "update", "delete"  #: its values for a record that was changed, and for one that is gone


@dataclass(frozen=True, slots=True)
class Sees:
    """What a source can see of its application; each connector states it and the conformance suite holds it to that."""

    updates: bool
    deletes: bool


@runtime_checkable
class Source(Protocol):
    """Reads records out of an application."""

    Config: ClassVar[type[ConnectorConfig]]
    sees: ClassVar[Sees]

    async def open(self, position: Position | None) -> None:
        """Connects and goes to ``position`` (None: the beginning). Raises ConfigError, AccessError, Unavailable."""

    async def read(self) -> Batch | None:
        """The next records, or None where there is nothing new; the engine then waits ``idle`` seconds and asks
        again.
        """

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """The batch's events and dead letters are stored: mark, move or confirm what was read.

        Not called for a batch whose storing was interrupted by a crash: ``open`` gets the position that was stored."""

    async def reread(self, key: str) -> Record | None:
        """One record by its key as it is now, for the redrive of a dead letter; None where it is gone."""

    async def state(self) -> SourceState:
        """How far it has come, and what waits. Asked every few seconds between two reads: a cheap question alone.

        Raises Unavailable, AccessError."""

    async def close(self) -> None:
        """Lets go of everything; never raises."""

    @property
    def idle(self) -> float:
        """Seconds between two reads while there is nothing new."""


@runtime_checkable
class Scripted(Protocol):
    """What needs something in its application's database."""

    def ddl(self) -> str:
        """The statements that make it, for the database's owner; empty where nothing is needed."""


@runtime_checkable
class Installable(Scripted, Protocol):
    """A source that has its owner approve them first."""

    async def install(self) -> None:
        """Runs them; harmless where they have run. Raises AccessError, Unavailable."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way into an application.

    ``data`` is what the subscription may see: the fields that its contract names, validated, as Python values.
    ``version`` is the event's place in the stream where it was first published: within one stream a higher one is
    newer.
    """

    event: Event
    data: BaseModel
    fields: frozenset[str]
    stream: str
    version: int

    def values(self) -> dict[str, Any]:
        """The visible fields by name."""
        return {name: value for name, value in self.data.__dict__.items() if name in self.fields}


@dataclass(frozen=True, slots=True)
class FollowUp:
    """An event that a handler emits because of a delivery; ``index`` counts within that delivery."""

    cause: Delivery
    index: int
    data: BaseModel


@runtime_checkable
class Sink(Protocol):
    """Applies deliveries to an application.

    Where ``database`` is a URL, the engine opens a transaction there, writes its inbox and the follow-ups in it and
    hands it to
    ``apply`` (a SQLAlchemy ``AsyncConnection``): all is committed together. ``atomic`` says that ``apply`` takes
    many deliveries and applies all or none; else the engine gives it one at a time.
    """

    database: str | None
    atomic: bool

    async def open(self) -> None:
        """Connects. Raises ConfigError, AccessError, Unavailable."""

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Applies the deliveries in their order. Raises Rejected, Unavailable, AccessError.

        May be called again for the same ones after a crash: where there is no transaction, pass
        ``Delivery.event.id`` on as the idempotency key."""

    async def close(self) -> None:
        """Lets go of everything; never raises."""
