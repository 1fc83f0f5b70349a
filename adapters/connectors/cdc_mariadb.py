"""Reads the log of MariaDB or MySQL: the snapshot, then the binlog, in a thread of its own.

The server forgets its log when it likes: a place that is gone is found before anything is read. One reader at a time
holds a named lock, others stand by.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from select import select
from time import monotonic
from typing import Any

import pymysql
from pymysqlreplication import BinLogStreamReader

from adapters.connectors.cdc_binlog_changes import EVENTS, Changes
from adapters.connectors.cdc_binlog_snapshot import PATIENT, Snapshot, quote, status
from adapters.connectors.cdc_binlog_values import NUMBERS, selected
from adapters.connectors.cdc_feed import WAIT, Feed, translated
from adapters.connectors.cdc_gathering import Gathering
from adapters.connectors.cdc_mariadb_setup import PLACE, pack
from adapters.connectors.cdc_progress import Order, Progress, ordering
from adapters.connectors.cdc_tables import INBOX, Capture
from bus.database import CONNECT_TIMEOUT
from bus.errors import AccessError, BusError, ConfigError, Unavailable
from bus.ports import Batch

HEARTBEAT = 10.0  #: seconds between two signs of life of the server, and of the lock's connection
SILENCE = 45.0  #: seconds without one: the connection is dead
CHUNK = 262_144
FATAL = 1236  #: the server cannot send the log that is asked for
REFUSED = frozenset({1044, 1045, 1142, 1227, 1698})
UNFIT = frozenset({1049, 1054, 1064, 1146})


class LogReader:
    """One reading of a binlog: made for each opening of the source, and run in a thread."""

    def __init__(self, capture: Capture) -> None:
        self._capture, self._where = capture, capture.where
        self._tables = {each.name: each for each in capture.tables}
        self._numeric: dict[str, list[bool]] = {}
        self._engines: dict[str, bool] = {}

    def confirm(self, progress: Progress) -> None:
        """The server is told nothing: it keeps its log as long as it is set to."""

    def run(self, feed: Feed, progress: Progress) -> None:
        """Reads until the feed is stopped; errors go into the feed."""
        logging.getLogger("pymysqlreplication").disabled = True
        with (
            feed.reporting(),
            translated(pymysql.Error, self._translated, self._where),
            closing(self._connect()) as control,
        ):
            self._lock(control, feed)
            self._find_types(control)
            self._check_log(control, progress)
            if (pending := progress.pending(self._tables)) and not self._capture.looking:
                snapshot = Snapshot(self._connect, pack, self._numeric, self._capture.batch, feed, progress)
                snapshot.read([self._tables[name] for name in pending], lambda each: self._engines[each.name])
            elif pending or not progress.start:
                progress.start = progress.start or pack(*status(control))
                feed.put(Batch([], progress.dump(), more=True))
            self._stream(control, feed, progress)

    def _translated(self, error: pymysql.Error) -> BusError:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if code in REFUSED:
            return AccessError(
                f"the database refuses (code {code})", where=self._where, hint="its ddl names the rights it needs"
            )
        if code in UNFIT:
            return ConfigError(f"the capture does not fit the database (code {code})", where=self._where)
        if code == FATAL:
            return self._gone("the binlog at the stored position")
        return Unavailable(
            f"the database does not answer (code {code})", where=self._where, hint="is it running and reachable?"
        )

    def _gone(self, what: str) -> ConfigError:
        return ConfigError(
            f"{what} has been purged: changes since then are lost",
            where=self._where,
            hint="raise `resnapshot` to read everything once more; keep binlogs longer",
        )

    def _connect(self, db: str | None = None, **options: Any) -> Any:
        tls = {name: value for name, value in self._capture.url.query.items() if name.startswith("ssl_")}
        options = {"charset": "utf8mb4", "conv": selected(self._capture.zone), "autocommit": True, **tls, **options}
        return pymysql.connect(
            host=self._capture.url.host or "localhost",
            port=self._capture.url.port or 3306,
            user=self._capture.url.username,
            password=self._capture.url.password or "",
            database=db,
            connect_timeout=CONNECT_TIMEOUT,
            **options,
        )

    def _lock(self, control: Any, feed: Feed) -> None:
        """Becomes the reader: a connection's lock is let go with it."""
        with control.cursor() as cursor:
            cursor.execute("SET SESSION wait_timeout = 2147483")

            def acquire() -> bool:
                cursor.execute("SELECT GET_LOCK(%s, 0)", (f"bus_{self._capture.slot}",))
                return bool(cursor.fetchone()[0])

            feed.stand_by(acquire)

    def _find_types(self, control: Any) -> None:
        """Which columns of each key compare as numbers, and which tables have transactions."""
        with control.cursor() as cursor:
            for each in self._tables.values():
                names = ", ".join(map(quote, each.key))
                cursor.execute(f"SELECT {names} FROM {quote(each.schema, each.table)} LIMIT 0")  # noqa: S608 - quoted
                self._numeric[each.name] = [column[1] in NUMBERS for column in cursor.description]
                cursor.execute(
                    "SELECT e.transactions FROM information_schema.tables t JOIN information_schema.engines e "
                    "ON e.engine = t.engine WHERE t.table_schema = %s AND t.table_name = %s",
                    (each.schema, each.table),
                )
                self._engines[each.name] = cursor.fetchone() == ("YES",)

    @property
    def _orders(self) -> dict[str, Order]:
        return {name: ordering(numeric) for name, numeric in self._numeric.items()}

    def _check_log(self, control: Any, progress: Progress) -> None:
        """Whether the log still has what was not read. A snapshot that has not begun can do without."""
        if not progress.start:
            return
        with control.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            kept = {row[0]: int(row[1]) for row in cursor.fetchall()}
        file, place = _unpack(progress)
        if place <= kept.get(file, -1):
            return
        if progress.at or progress.done:
            raise self._gone(f"binlog {file}")
        progress.start = progress.place = 0
        progress.index = None

    def _stream(self, control: Any, feed: Feed, progress: Progress) -> None:
        idle = _Idle(control, feed, self._capture.heartbeat, self._where)
        gathering = Gathering(self._orders, feed, progress, self._capture.batch, lambda: control.ping(reconnect=False))
        file, place = _unpack(progress)
        stream = BinLogStreamReader(
            {},
            server_id=PLACE // 4 + zlib.crc32(self._capture.slot.encode()) % (PLACE // 4),
            blocking=True,
            resume_stream=True,
            log_file=file,
            log_pos=place,
            only_events=EVENTS,
            only_tables=[*{each.table for each in self._tables.values()}, INBOX],
            only_schemas=list({each.schema for each in self._tables.values()}),
            slave_heartbeat=HEARTBEAT,
            ignore_decode_errors=True,
            enable_logging=False,
            pymysql_wrapper=idle.connecting(self._connect),
        )
        changes = Changes(
            self._tables.values(),
            gathering,
            lambda event: pack(stream.log_file, event.packet.log_pos),
            lambda tracked: tracked.columns_now(control),
            self._capture.zone,
            self._where,
        )
        idle.serve(gathering, lambda: pack(stream.log_file, stream.log_pos))
        try:
            while True:
                event = stream.fetchone()
                if event is None:
                    raise Unavailable("the server has ended the stream", where=self._where)
                idle.begun = True
                changes.take(event)
                feed.check()
        finally:
            with suppress(pymysql.Error, OSError):
                stream.close()
                control.kill(idle.thread)  # else the server finds out late, and keeps the log that it was sending


class _Idle:
    """What is done while the stream has nothing: hand over, keep the lock, move the position along, stop."""

    def __init__(self, control: Any, feed: Feed, heartbeat: float, where: str) -> None:
        self._control, self._feed, self._heartbeat, self._where = control, feed, heartbeat, where
        self._connections = 0
        self._gathering: Gathering | None = None
        self._place: Callable[[], int] = int
        self._beat = self._spoke = self._heard = monotonic()
        self.begun = False
        self.thread = 0  #: the stream's, at the server

    def serve(self, gathering: Gathering, place: Callable[[], int]) -> None:
        """Whose changes to hand over, and how far the stream is."""
        self._gathering, self._place = gathering, place

    def connecting(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        """Connects the stream and its helper once: a stream that reconnects by itself would begin anywhere."""

        def once(**options: Any) -> Any:
            self._connections += 1
            if self._connections > 2:  # noqa: PLR2004 - the stream and its helper
                raise Unavailable("the connection was lost", where=self._where, hint="is the server reachable?")
            options["init_command"] = PATIENT  # the server waits with us where the streams are full
            connection = connect(**options)
            if self._connections == 1:
                self.thread = connection.thread_id()
                connection._rfile = _Waiting(connection._sock, self)
            return connection

        return once

    def heard(self) -> None:
        """The server has sent something."""
        self._heard = monotonic()

    def idle(self) -> float:
        """Nothing is there to be read at the moment; returns for how long to wait. Raises Stopped, Unavailable."""
        self._feed.check()
        now = monotonic()
        if now - self._heard > SILENCE:
            raise Unavailable("the server is silent", where=self._where, hint="is it reachable?")
        if not self.begun or self._gathering is None:
            return WAIT
        wait = self._gathering.offer()
        self._feed.rest()
        if now - self._spoke > HEARTBEAT:
            self._spoke = now
            self._control.ping(reconnect=False)
        if now - self._beat > self._heartbeat:
            self._beat = now
            place = self._place()
            self._gathering.beat(place, place)
        return wait


class _Waiting:
    """A connection's input that tells when it has to wait."""

    def __init__(self, sock: Any, idle: _Idle) -> None:
        self._sock, self._idle, self._buffer, self._at = sock, idle, b"", 0

    def read(self, size: int) -> bytes:
        """That many bytes; fewer where the connection has ended."""
        while len(self._buffer) - self._at < size:
            wait = 0.0
            while not self._readable(wait):
                wait = self._idle.idle()
            chunk = self._sock.recv(CHUNK)
            self._idle.heard()
            self._buffer, self._at = self._buffer[self._at :] + chunk, 0
            if not chunk:
                break
        found = self._buffer[self._at : self._at + size]
        self._at += len(found)
        return found

    def _readable(self, wait: float) -> bool:
        pending = getattr(self._sock, "pending", None)  # of an encrypted connection
        return bool(pending and pending()) or bool(select([self._sock], [], [], wait)[0])

    def close(self) -> None:
        """The connection closes its socket itself."""


def _unpack(progress: Progress) -> tuple[str, int]:
    """The file and the place in it where to begin."""
    number, place = divmod(progress.start, PLACE)
    return f"{progress.log.rpartition('@')[0]}.{number:06}", place
