"""Captures every change of an application's tables out of its database's own log, without a change to the application.

Sees inserts, updates and deletes in the order of their commits, also those that no column tells: first a consistent
snapshot of what there is, then the log from exactly there on. A transaction is stored whole (in parts where it has more
than ``batch`` changes, 999 events or 4 MiB). PostgreSQL keeps its log until the events are stored, MariaDB and MySQL as
long as they are set to; SQLite has none, there triggers keep one. What the bus itself wrote is left out.

A record's data are the columns, ``_kejadian`` (the table's name in the contract) and ``_operasi`` (snapshot, insert,
update, delete). A changed key is a delete of the old and an insert of the new one. A delete may have the key alone.
TRUNCATE is not seen. An update that leaves all these columns as they were is no record where the log has the row of
before (MariaDB, MySQL, PostgreSQL with REPLICA IDENTITY FULL); elsewhere ``changes`` keeps it from being told again.

With a ``query`` the log tells which rows of the tables changed, and the rows of the query that these belong to are read
as they are by then: a join, in one event. Then ``_operasi`` is update, or delete with the key's columns alone where the
query has no such row any more; a look that finds nothing new is no event. What was overwritten before the look, within
moments, is not seen; that a row is gone is.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, get_args

from pydantic import Field, model_validator

from adapters.connectors.cdc_feed import Feed
from adapters.connectors.cdc_progress import Progress
from adapters.connectors.cdc_tables import Capture, Operation, TableName, Tracked, Watched
from adapters.connectors.sql import key_of, quoted, row_by_key
from bus.database import engine, errors
from bus.errors import ConfigError
from bus.ports import OPERATION, Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

    from adapters.connectors.cdc_query import Looking

AHEAD = 2  #: batches that are read before those in front of them are stored
ENDING = 15.0  #: seconds that a reading thread may take to end


class SqlCdcConfig(ConnectorConfig):
    """Options of a source with ``connector = "sql_cdc"``."""

    url: str = Field(description="the database, by reference: env:NAME")
    tables: Mapping[TableName, Watched] = Field(min_length=1, description="the captured tables, each by a name")
    query: str = Field(default="", description="a SELECT over these tables, every column named, instead of their own")
    key: tuple[str, ...] = Field(default=(), description="with a query: its columns that name a row")
    slot: str = Field(
        default="", pattern=r"^[a-z0-9_]{0,60}$", description="name at the server; none: bus_<opd>_<app>_<source>"
    )
    publication: str = Field(
        default="", pattern=r"^[a-z0-9_]{0,60}$", description="PostgreSQL's publication; none: named as the slot"
    )
    snapshot: bool = Field(default=True, description="false: only what changes from now on")
    resnapshot: int = Field(default=0, ge=0, description="raise it to read everything once more")
    poll: float = Field(default=1.0, gt=0, description="seconds that a read waits for something new")
    batch: int = Field(default=900, ge=1, le=900, description="changes per batch")
    heartbeat: float = Field(default=60, gt=0, description="seconds of silence after which the position moves along")

    @property
    def known_columns(self) -> frozenset[str] | None:
        """What a record has; None for a query, and where a primary key is the database's to name."""
        if self.query or not all(table.key for table in self.tables.values()):
            return None
        columns = chain.from_iterable((*each.key, *each.columns, *each.where) for each in self.tables.values())
        return frozenset(columns) | {"_kejadian", OPERATION}

    def operations(self, match: Mapping[str, object]) -> frozenset[str]:
        """All of them."""
        return frozenset(get_args(Operation))

    @model_validator(mode="after")
    def _is_one_form(self) -> SqlCdcConfig:
        for name, table in self.tables.items():
            if self.query and (table.columns or table.key or table.where or not table.belongs_to):
                raise ValueError(f"tables.{name}: with a query a table has belongs_to, and no columns, key or where")
            if not self.query and (table.belongs_to or not table.columns):
                raise ValueError(f"tables.{name}: without a query a table has columns, and no belongs_to")
        if bool(self.query) != bool(self.key):
            raise ValueError("a query and its key go together; a table's key is tables.<name>.key")
        names = {name.rpartition(".")[2] for name in self.key}
        if self.query and not any(names <= set(table.belongs_to) for table in self.tables.values()):
            raise ValueError("one of the tables must belong by the whole key: else deletes are not seen")
        return self


class Reader(Protocol):
    """One reading of a database's log."""

    def run(self, feed: Feed, progress: Progress) -> None:
        """Reads in a thread of its own until the feed is stopped; errors go into the feed."""

    def confirm(self, progress: Progress) -> None:
        """Everything up to there is stored."""


class SqlCdc:
    """A source over a database's log."""

    Config: ClassVar[type[ConnectorConfig]] = SqlCdcConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=True)

    def __init__(self, config: SqlCdcConfig, context: Context) -> None:
        self._config, self._zone = config, context.timezone
        self._where = f"{context.app} source.{context.name}"
        name = re.sub("[^a-z0-9]", "_", f"bus_{context.app.opd}_{context.app.app}_{context.name}".lower())
        self._slot = config.slot or name[:60]
        self._publication = config.publication or self._slot
        self._watched = {name: each.captured() for name, each in config.tables.items()}
        self._tables: list[Tracked] = []
        self._kind = ""
        self._setup: Any = None  #: the module that knows what this kind of database needs
        self._engine: AsyncEngine | None = None
        self._feed: Feed | None = None
        self._reader: Reader | None = None
        self._thread: threading.Thread | None = None
        self._looking: Looking | None = None
        self._stored = Progress("", 0)  #: behind the last batch that is stored
        self._stored_at: datetime | None = None
        self._in_hand: deque[Batch] = deque()  #: read, and not stored yet

    @property
    def idle(self) -> float:
        """Seconds between two reads: none, a read waits by itself."""
        return 0.0

    def ddl(self) -> str:
        """What the capture needs in the database as SQL, for the owner. Raises ConfigError; connects to nothing."""
        made = self._made(create=False)
        script: str = self._setup.script(made.dialect, self._slot, self._publication, self._watched)
        return script

    async def install(self) -> None:
        """Makes it; running it again is harmless. Raises ConfigError where a table cannot be captured."""
        made = self._made(create=False)
        try:
            with errors(self._where):
                async with made.connect() as connection:
                    found = await self._setup.tracked(connection, self._watched, self._where, installed=False)
                keys = {each.name: {"key": each.key} for each in found}
                watched = {name: each.model_copy(update=keys[name]) for name, each in self._watched.items()}
                statements = list(self._setup.statements(made.dialect, self._slot, self._publication, watched))
                for group in [statements] if self._setup.TOGETHER else [[each] for each in statements]:
                    async with made.begin() as connection:
                        for statement in group:
                            await connection.exec_driver_sql(statement)
        finally:
            await made.dispose()

    def _made(self, **options: bool) -> AsyncEngine:
        """An engine, and the rest that depends on the kind of database."""
        made = engine(self._config.url, where=self._where, zone=self._zone, **options)
        kinds = {"postgresql": "postgresql", "mysql": "mariadb", "mariadb": "mariadb", "sqlite": "sqlite"}
        self._kind = kinds.get(made.dialect.name, "")
        if not self._kind:
            raise ConfigError("sql_cdc does not know this kind of database", where=self._where, hint="use sql_outbox")
        self._setup = import_module(f"adapters.connectors.cdc_{self._kind}_setup")
        return made

    async def open(self, position: Position | None) -> None:
        """Checks what is installed and begins to read behind the position. Raises ConfigError where it cannot."""
        await self.close()
        try:
            await self._open(position)
        except BaseException:
            await self.close()
            raise

    async def _open(self, position: Position | None) -> None:
        self._engine = made = self._made(readonly=True)
        with errors(self._where):
            async with made.connect() as connection:
                self._tables = await self._setup.tracked(connection, self._watched, self._where)
                log = await self._setup.check(connection, self._slot, self._publication, self._tables, self._where)
        progress = self._resumed(position, log)
        if self._config.query:
            self._looking = self._make_looking(made)
            await self._looking.open(progress)
        self._stored = Progress.load(progress.dump(), self._where)
        self._reader = self._make_reader(made.url)
        self._feed = Feed(AHEAD, self._where)
        self._thread = threading.Thread(
            target=self._reader.run, args=(self._feed, progress), name=f"{self._slot} log", daemon=True
        )
        self._thread.start()

    def _make_looking(self, made: AsyncEngine) -> Looking:
        from adapters.connectors.cdc_query import Looking

        config = self._config
        return Looking(made, self._setup, config.query, config.key, self._tables, config.batch, self._where)

    def _make_reader(self, url: URL) -> Reader:
        try:
            reading = import_module(f"adapters.connectors.cdc_{self._kind}")
        except ImportError:
            raise ConfigError(
                "reading the database's log needs an extra",
                where=self._where,
                hint=f"install opd-bus[{self._kind},{self._kind}-cdc]",
            ) from None
        capture = Capture(
            url=url,
            slot=self._slot,
            publication=self._publication,
            looking=bool(self._config.query),
            tables=self._tables,
            batch=self._config.batch,
            heartbeat=self._config.heartbeat,
            zone=self._zone,
            where=self._where,
        )
        made: Reader = reading.LogReader(capture)
        return made

    def _resumed(self, position: Position | None, log: str) -> Progress:
        """Where to go on. Raises ConfigError where the log has a gap behind the position."""
        fresh = Progress(log, self._config.resnapshot)
        if position is None:
            if not self._config.snapshot:
                fresh.done = [each.name for each in self._tables]
            return fresh
        progress = Progress.load(position, self._where)
        if self._config.resnapshot > progress.resnapshot:
            if progress.log == log:
                fresh.place, fresh.index, fresh.start = progress.place, progress.index, progress.start
            return fresh
        if progress.log != log:
            raise ConfigError(
                "the database's log was begun anew since the last event: changes in between are lost",
                where=self._where,
                hint="raise `resnapshot` to read everything once more",
            )
        return progress

    async def read(self) -> Batch | None:
        """What the log has next; None where it has nothing new."""
        if self._feed is None:
            raise ConfigError("the source is not open", where=self._where)
        if self._looking:
            batch = await self._looking.read(self._feed, self._config.poll)
        else:
            batch = await self._feed.get(self._config.poll)
        if batch is not None:
            self._in_hand.append(batch)
        return batch

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """The database may forget its log up to there."""
        self._stored = Progress.load(batch.position, self._where)
        self._stored_at = next((each.at for each in reversed(batch.records) if each.at), self._stored_at)
        while self._in_hand and self._in_hand.popleft() is not batch:
            continue
        if self._reader:
            self._reader.confirm(self._stored)

    async def state(self) -> SourceState:
        """How far the log's changes are stored; where some are not, when the oldest was made, and how many are here.
        How many more there are a log does not tell.
        """
        position = self._setup.shown(self._stored) if self._setup else ""
        if self._feed is None or (self._feed.at_rest and not self._in_hand):
            return SourceState(position, 0 if self._feed else None)
        here = [each for batch in (*self._in_hand, *self._feed.waiting) for each in batch.records]
        oldest = next((each.at for each in here if each.at), self._stored_at)
        return SourceState(position, len(here), oldest, or_more=True)

    async def reread(self, key: str) -> Record | None:
        """The row of that key as it is now."""
        if self._engine is None:
            raise ConfigError("the source is not open", where=self._where)
        if self._looking:
            return await self._looking.reread(key)
        try:
            name, *parts = json.loads(key)
            tracked = next(each for each in self._tables if each.name == name)
        except (ValueError, TypeError, StopIteration):
            return None
        dialect = self._engine.dialect
        columns = ", ".join(dialect.identifier_preparer.quote_identifier(each) for each in tracked.columns)
        table = f"(SELECT {columns} FROM {quoted(dialect, f'{tracked.schema}.{tracked.table}')}) AS src"  # noqa: S608
        with errors(self._where):
            async with self._engine.connect() as connection:
                row = await row_by_key(connection, table, tracked.key, key_of(parts))
        return Record(key, {**row, "_kejadian": name, OPERATION: "update"}) if row else None

    async def close(self) -> None:
        """Ends the reading thread and closes the connections."""
        if self._feed:
            self._feed.stopping.set()
        if self._looking:
            await self._looking.close()
        if self._thread:
            await asyncio.to_thread(self._thread.join, ENDING)
        if self._engine:
            await self._engine.dispose()
        self._feed = self._reader = self._thread = self._engine = self._looking = None
        self._in_hand.clear()
