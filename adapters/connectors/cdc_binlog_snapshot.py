"""Reads the tables of MariaDB or MySQL as they stood at a known place of the binlog.

InnoDB: one transaction, whose place the server tells. Tables without transactions (MyISAM) are read in pages, each
under a read lock that is let go before the page is handed over.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import SSCursor

from adapters.connectors.cdc_binlog_values import key_texts
from adapters.connectors.cdc_feed import Feed
from adapters.connectors.cdc_gathering import pages
from adapters.connectors.cdc_progress import Progress
from adapters.connectors.cdc_tables import Tracked, version_of
from bus.ports import Batch

PAGE = 5_000  #: rows under one lock
PATIENT = "SET SESSION net_write_timeout = 31536000, time_zone = '+00:00'"  #: a reader may wait for the stream

Pack = Callable[[str, int], int]  #: a file's name and a place in it as one number


def quote(*names: str) -> str:
    """Names as the server quotes them."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def status(connection: Any) -> tuple[str, int]:
    """The end of the binlog."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("SHOW MASTER STATUS")
        except pymysql.err.ProgrammingError as error:
            if error.args[0] != ER.PARSE_ERROR:
                raise
            cursor.execute("SHOW BINARY LOG STATUS")  # MySQL from 8.4 on
        file, place = cursor.fetchone()[:2]
    return str(file), int(place)


class Snapshot:
    """One reading of what there is."""

    def __init__(
        self,
        connect: Callable[[], Any],
        pack: Pack,
        numeric: Mapping[str, Sequence[bool]],
        batch: int,
        feed: Feed,
        progress: Progress,
    ) -> None:
        self._connect, self._pack, self._numeric, self._batch = connect, pack, numeric, batch
        self._feed, self._progress = feed, progress

    def read(self, tables: Sequence[Tracked], transactional: Callable[[Tracked], bool]) -> None:
        """Reads the tables, those with transactions first: their place is the earliest."""
        with closing(self._connect()) as connection:
            with connection.cursor() as cursor:
                cursor.execute(PATIENT)
            until = self._begin(connection)
            self._starts(until)
            locked = [each for each in tables if not transactional(each)]
            for each in tables:
                if each not in locked:
                    self._stream(connection, each, until)
            connection.rollback()
            for each in locked:
                self._pages(connection, each)
        self._progress.at = 0
        self._feed.put(Batch([], self._progress.dump(), more=True, ahead=True))

    def _starts(self, until: int) -> None:
        """The log is read from the first place on that a snapshot knew."""
        progress = self._progress
        if not progress.table:
            progress.at = until
        if not progress.start:
            progress.start = until

    def _begin(self, connection: Any) -> int:
        """Begins the transaction; returns its place."""
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            cursor.execute("SHOW STATUS LIKE 'binlog_snapshot_%'")
            told = {name.lower(): value for name, value in cursor.fetchall()}
        if "binlog_snapshot_file" in told:
            return self._pack(told["binlog_snapshot_file"], int(told["binlog_snapshot_position"]))
        connection.rollback()
        with closing(self._connect()) as locking, locking.cursor() as lock, connection.cursor() as cursor:
            lock.execute("FLUSH TABLES WITH READ LOCK")  # MySQL does not tell a transaction's place
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            return self._pack(*status(locking))

    def _stream(self, connection: Any, tracked: Tracked, until: int) -> None:
        """A table as one result that the server keeps open."""
        after = list(self._progress.begin(tracked.name, until, []))
        with connection.cursor(SSCursor) as cursor:
            cursor.execute(*self._query(tracked, after, ""))
            for rows in pages(cursor.fetchmany, self._batch):
                self._put(tracked, rows, self._feed.put_held)
        self._progress.finish(tracked.name)

    def _pages(self, connection: Any, tracked: Tracked) -> None:
        """A table page by page; writers wait while a page is read, not while it is handed over."""
        rows: Sequence[Any] = [None] * PAGE
        while len(rows) == PAGE:
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLES {quote(tracked.schema, tracked.table)} READ")
                until = self._pack(*status(connection))
                after = list(self._progress.begin(tracked.name, until, []))
                cursor.execute(*self._query(tracked, after, f"LIMIT {PAGE}"))
                rows = cursor.fetchall()
                cursor.execute("UNLOCK TABLES")
            for start in range(0, len(rows), self._batch):
                self._put(tracked, rows[start : start + self._batch], self._feed.put)
        self._progress.finish(tracked.name)

    def _put(self, tracked: Tracked, rows: Sequence[Any], put: Callable[[Batch], None]) -> None:
        self._feed.check()
        progress = self._progress
        values = [dict(zip(tracked.columns, row, strict=True)) for row in rows]
        progress.after = key_texts(tracked.key, values[-1])
        version = version_of(progress.at, 0)
        records = [tracked.record(each, "snapshot", version) for each in values if tracked.wanted(each)]
        put(Batch(records, progress.dump(), more=True, ahead=True))

    def _query(self, tracked: Tracked, after: Sequence[str], limit: str) -> tuple[str, list[Any]]:
        """The rows behind a key, in an order that does not depend on the columns' collations."""
        numeric = self._numeric[tracked.name]
        keys = ", ".join(
            quote(name) if number else f"CONVERT({quote(name)} USING utf8mb4) COLLATE utf8mb4_bin"
            for name, number in zip(tracked.key, numeric, strict=True)
        )
        values = [Decimal(text) if number else text for text, number in zip(after, numeric, strict=False)]
        condition = f"WHERE ({keys}) > ({', '.join(['%s'] * len(values))})" if values else ""
        columns = ", ".join(map(quote, tracked.columns))
        return (
            f"SELECT {columns} FROM {quote(tracked.schema, tracked.table)} {condition} ORDER BY {keys} {limit}",
            values,
        )
