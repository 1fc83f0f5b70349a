"""Reads PostgreSQL's log: the snapshot, then the stream of a logical replication slot, in a thread of its own.

The server keeps the log from the slot's confirmed place on; that moves only when events are stored. One reader at a
time holds the slot's advisory lock, others stand by.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import closing
from select import select
from time import monotonic
from typing import Any

import psycopg2
from psycopg2 import extensions, extras, sql
from psycopg2.errorcodes import OBJECT_IN_USE

from adapters.connectors import cdc_pgoutput as pgoutput
from adapters.connectors.cdc_feed import WAIT, Feed, Stopped, translated
from adapters.connectors.cdc_gathering import Gathering, pages
from adapters.connectors.cdc_postgresql_changes import Changes, Rereading
from adapters.connectors.cdc_progress import Order, Progress, numbers_of, ordering
from adapters.connectors.cdc_tables import Capture, Tracked, version_of
from bus.database import CONNECT_TIMEOUT
from bus.errors import AccessError, BusError, ConfigError, Unavailable
from bus.ports import Batch

SETTINGS = (
    "-c TimeZone=UTC -c DateStyle=ISO,YMD -c bytea_output=hex -c extra_float_digits=1 "
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
)  #: values come as the same text in snapshot and stream; a reader that is gone lets go of its lock
FEEDBACK = 10.0  #: seconds between two signs of life
SILENCE = 300.0  #: seconds without one from the server: the connection is dead; before version 15 a server says
#: nothing while it looks through a large transaction of other tables
TAKEOVER = 10.0  #: seconds that a predecessor's connection may linger


class LogReader:
    """One reading of a slot: made for each opening of the source, and run in a thread."""

    def __init__(self, capture: Capture) -> None:
        self._capture, self._where = capture, capture.where
        self._tables = {each.name: each for each in capture.tables}
        self._orders: dict[str, Order] = {}
        self._confirmed = 0  # set by confirm in the event loop, told to the server by the thread
        self._told = 0
        self._spoke = 0.0

    def confirm(self, progress: Progress) -> None:
        """Everything up to there is stored: the server may forget it."""
        if progress.index is None and progress.place:
            self._confirmed = max(self._confirmed, progress.place + 1)

    def run(self, feed: Feed, progress: Progress) -> None:
        """Reads until the feed is stopped; errors go into the feed."""
        with (
            feed.reporting(),
            translated(psycopg2.Error, self._translated, self._where),
            closing(self._connect()) as control,
        ):
            control.autocommit = True
            self._lock(control, feed)
            self._find_types(control)
            if (pending := progress.pending(self._tables)) and not self._capture.looking:
                self._snapshot(pending, feed, progress)
            elif pending:
                feed.put(Batch([], progress.dump(), more=True))  # the slot has the log's beginning
            self._stream(control, feed, progress)

    def _translated(self, error: psycopg2.Error) -> BusError:
        code = error.pgcode or ""
        if code.startswith("28") or code == "42501":
            return AccessError(
                f"the database refuses (code {code})", where=self._where, hint="the user needs REPLICATION and SELECT"
            )
        if code.startswith(("42", "3D", "3F")):
            return ConfigError(f"the capture does not fit the database (code {code})", where=self._where)
        if code == OBJECT_IN_USE:
            return Unavailable(f"slot {self._capture.slot} is being read by another", where=self._where)
        shown = f" (code {code})" if code else ""
        return Unavailable(f"the database does not answer{shown}", where=self._where, hint="is it reachable?")

    def _connect(self, factory: Any = None) -> Any:
        address = {
            "host": self._capture.url.host,
            "port": self._capture.url.port,
            "user": self._capture.url.username,
            "password": self._capture.url.password,
            "dbname": self._capture.url.database,
            **self._capture.url.query,
        }
        return psycopg2.connect(
            connection_factory=factory,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="opd-bus",
            options=SETTINGS,
            **{name: value for name, value in address.items() if value is not None},
        )

    def _lock(self, control: Any, feed: Feed) -> None:
        """Becomes the slot's reader: a session's lock is let go with it."""
        with control.cursor() as cursor:

            def acquire() -> bool:
                cursor.execute(
                    "SELECT pg_try_advisory_lock(%s)", (zlib.crc32(f"opd-bus {self._capture.slot}".encode()),)
                )
                return bool(cursor.fetchone()[0])

            feed.stand_by(acquire)

    def _find_types(self, control: Any) -> None:
        """Which columns of each key compare as numbers."""
        with control.cursor() as cursor:
            for each in self._tables.values():
                types = self._types(cursor, each)
                self._orders[each.name] = ordering([types[name] in pgoutput.NUMERIC for name in each.key])

    def _types(self, cursor: Any, tracked: Tracked) -> dict[str, int]:
        names = sql.SQL(", ").join(map(sql.Identifier, tracked.columns))
        table = sql.Identifier(tracked.schema, tracked.table)
        cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(names, table))
        return {column.name: column.type_code for column in cursor.description}

    # The snapshot

    def _snapshot(self, pending: Sequence[str], feed: Feed, progress: Progress) -> None:
        """Reads the tables in one transaction, and hands them over page by page."""
        with closing(self._connect()) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn() - '0/0'")
                seen, until = cursor.fetchone()
            numbers = numbers_of(seen)
            if not progress.table:
                progress.at = int(until)
            for name in pending:
                after = progress.begin(name, int(until), numbers)
                self._read_table(connection, self._tables[name], list(after), feed, progress)
                progress.finish(name)
            progress.at = 0
            feed.put(Batch([], progress.dump(), more=True, ahead=True))

    def _read_table(self, connection: Any, tracked: Tracked, after: list[str], feed: Feed, progress: Progress) -> None:
        with connection.cursor() as cursor:
            types = self._types(cursor, tracked)
        version = version_of(progress.at, 0)
        converters = [(name, pgoutput.converter(types[name])) for name in tracked.columns]
        key_at = [tracked.columns.index(name) for name in tracked.key]
        with connection.cursor(name="opd_bus") as cursor:
            extensions.register_type(extensions.new_type(tuple(set(types.values())), "TEXT", _as_it_is), cursor)
            cursor.execute(self._query(tracked, types, after), after)
            for rows in pages(cursor.fetchmany, self._capture.batch):
                feed.check()
                records = []
                for row in rows:
                    values = {
                        name: text if text is None or convert is None else convert(text)
                        for (name, convert), text in zip(converters, row, strict=True)
                    }
                    if tracked.wanted(values):
                        records.append(tracked.record(values, "snapshot", version))
                progress.after = [rows[-1][place] for place in key_at]
                feed.put_held(Batch(records, progress.dump(), more=True, ahead=True))

    def _query(self, tracked: Tracked, types: dict[str, int], after: Sequence[str]) -> Any:
        """The rows behind a key, in an order that does not depend on the database's collation."""
        keys = [
            sql.Identifier(name) if types[name] in pgoutput.NUMERIC else sql.SQL('{}::text COLLATE "C"').format(name_of)
            for name, name_of in ((name, sql.Identifier(name)) for name in tracked.key)
        ]
        kinds = ["numeric" if types[name] in pgoutput.NUMERIC else "text" for name in tracked.key]
        ordered = sql.SQL(", ").join(keys)
        condition = sql.SQL("")
        if after:
            bounds = sql.SQL(", ").join(sql.SQL("%s::" + kind) for kind in kinds)
            condition = sql.SQL("WHERE ({}) > ({})").format(ordered, bounds)
        return sql.SQL("SELECT {} FROM {} {} ORDER BY {}").format(
            sql.SQL(", ").join(map(sql.Identifier, tracked.columns)),
            sql.Identifier(tracked.schema, tracked.table),
            condition,
            ordered,
        )

    # The stream

    def _stream(self, control: Any, feed: Feed, progress: Progress) -> None:
        with closing(self._connect(extras.LogicalReplicationConnection)) as connection:
            cursor = connection.cursor()
            self._start(cursor, feed)
            gathering = Gathering(self._orders, feed, progress, self._capture.batch, lambda: self._keep_alive(cursor))
            changes = Changes(self._tables.values(), Rereading(control), gathering, self._where)
            beat, heard, read = monotonic() + self._capture.heartbeat, monotonic(), False
            while True:
                message = cursor.read_message()
                if message is not None:
                    changes.take(message.payload)
                    read = True
                    continue
                if read or cursor.io_timestamp > cursor.feedback_timestamp:  # the latest was no sign of ours
                    heard, read = monotonic(), False
                elif monotonic() - heard > SILENCE:
                    raise Unavailable("the server is silent", where=self._where, hint="is it reachable?")
                feed.check()
                wait = gathering.offer()
                feed.rest()
                self._keep_alive(cursor)
                if monotonic() >= beat:
                    beat = monotonic() + self._capture.heartbeat
                    gathering.beat(cursor.wal_end - 1)  # what is there is still to come
                select([connection], [], [], wait)

    def _start(self, cursor: Any, feed: Feed) -> None:
        """Begins at the place that was confirmed; what is stored already is skipped here."""
        deadline = monotonic() + TAKEOVER
        while True:
            try:
                cursor.start_replication(
                    self._capture.slot,
                    decode=False,
                    options={"proto_version": "1", "publication_names": self._capture.publication},
                    status_interval=FEEDBACK,
                )
            except psycopg2.errors.ObjectInUse:
                if monotonic() > deadline:
                    raise
                if feed.stopping.wait(WAIT):
                    raise Stopped from None
            else:
                self._spoke = monotonic()
                return

    def _keep_alive(self, cursor: Any) -> None:
        """Tells the server what is stored, and that this reader lives; finds out whether the server does."""
        now = monotonic()
        if self._confirmed > self._told:
            self._told, self._spoke = self._confirmed, now
            cursor.send_feedback(flush_lsn=self._told, force=True)
        elif now - self._spoke > FEEDBACK:
            self._spoke = now
            cursor.send_feedback(reply=True, force=True)


def _as_it_is(text: str | None, _cursor: Any) -> str | None:
    """Values come as texts, as in the stream."""
    return text
