"""From the messages of a logical replication stream to batches of records.

A batch holds whole transactions; one that alone is larger than a batch comes in parts, and the position says how much
of it was read. What the bus wrote itself, transactions with a row of ``bus_inbox``, is left out: an inbox row is the
first that such a transaction writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import maxsize
from typing import Any

from psycopg2 import sql

from adapters.connectors import cdc_pgoutput as pgoutput
from adapters.connectors.cdc_feed import Feed
from adapters.connectors.cdc_postgresql_setup import INBOX
from adapters.connectors.cdc_progress import Order, Progress
from adapters.connectors.cdc_tables import Operation, Row, Tracked, listed, moved, version_of
from bus.errors import ConfigError
from bus.ports import Batch, Record

CHANGES = frozenset({pgoutput.INSERT, pgoutput.UPDATE, pgoutput.DELETE})


@dataclass(frozen=True, slots=True)
class Known:
    """A tracked table as the stream describes it at the moment."""

    tracked: Tracked
    relation: pgoutput.Relation
    texts: pgoutput.Relation  #: reads the key alone, as texts


class Rereading:
    """Reads the large values that an update left unchanged: the log does not have them."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def fill(self, known: Known, row: Row, key: Mapping[str, Any]) -> None:
        """Fills them in as they are now; where the row is gone the columns are left out."""
        missing = [name for name, value in row.items() if value is pgoutput.UNCHANGED_VALUE]
        tracked = known.tracked
        condition = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in tracked.key)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in missing),
            sql.Identifier(tracked.schema, tracked.table),
            condition,
        )
        with self._connection.cursor() as cursor:
            cursor.execute(query, [key[name] for name in tracked.key])
            found = cursor.fetchone()
        types = dict(zip(known.relation.columns, known.relation.types, strict=True))
        for place, name in enumerate(missing):
            del row[name]
            if found:
                convert, text = pgoutput.converter(types[name]), found[place]
                row[name] = text if text is None or convert is None else pgoutput.convert_text(convert, text)


class Changes:
    """Gathers the changes of one stream."""

    def __init__(
        self,
        tables: Iterable[Tracked],
        orders: Mapping[str, Order],
        rereading: Rereading,
        feed: Feed,
        progress: Progress,
        batch: int,
        keep_alive: Callable[[], None],
        where: str,
    ) -> None:
        self._tables = {(each.schema, each.table): each for each in tables}
        self._orders, self._rereading, self._where = orders, rereading, where
        self._feed, self._progress, self._batch, self._keep_alive = feed, progress, batch, keep_alive
        self._known: dict[int, Known | None] = {}  #: by the relation's id; None: the inbox
        self._ready: list[Record] = []  #: of whole transactions
        self._part: list[Record] = []  #: of the transaction at hand
        self._place = progress.place - (progress.index is not None)  #: no whole transaction is behind it
        self._transaction: pgoutput.Transaction | None = None
        self._index, self._skipping = 0, False

    def take(self, data: bytes) -> None:
        """One message."""
        kind = data[0]
        if kind in CHANGES:
            if not self._skipping:
                self._change(data, kind)
        elif kind == pgoutput.BEGIN:
            self._transaction = begun = pgoutput.begin(data)
            self._index, self._skipping = 0, self._progress.is_behind(begun.lsn, maxsize)
        elif kind == pgoutput.COMMIT:
            self._commit()
        elif kind == pgoutput.RELATION:
            self._describe(data)

    def _describe(self, data: bytes) -> None:
        number, relation = pgoutput.relation(data)
        tracked = self._tables.get((relation.schema, relation.table))
        if tracked is None:
            self._known.pop(number, None)
            if relation.table == INBOX:
                self._known[number] = None
            return
        if missing := [name for name in tracked.columns if name not in relation.columns]:
            raise ConfigError(
                f"table {tracked.table} has no column {listed(missing)} any more",
                where=f"{self._where}.tables.{tracked.name}",
                hint="adjust the contract; nothing is lost meanwhile",
            )
        self._known[number] = Known(
            tracked, relation.wanting(tracked.columns), relation.wanting(tracked.key, converted=False)
        )

    def _change(self, data: bytes, kind: int) -> None:
        number = pgoutput.number_of(data)
        if number not in self._known:
            return
        known = self._known[number]
        if known is None:
            self._skipping = True
            self._part.clear()
            return
        old, new = pgoutput.change(data, known.relation)
        if new is None:
            self._add(known, data, old, "delete")
        elif kind == pgoutput.INSERT:
            self._add(known, data, new, "insert")
        else:
            self._update(known, data, old, new)
        if len(self._part) >= self._batch:
            self._flush_part()

    def _update(self, known: Known, data: bytes, old: Row | None, new: Row) -> None:
        if any(value is pgoutput.UNCHANGED_VALUE for value in new.values()):
            for name, value in new.items():
                if value is pgoutput.UNCHANGED_VALUE and old and name in old:
                    new[name] = old[name]
            if any(value is pgoutput.UNCHANGED_VALUE for value in new.values()):
                self._rereading.fill(known, new, pgoutput.change(data, known.texts)[1] or {})
        if moved(known.tracked, old, new):
            self._add(known, data, old, "delete")
            self._add(known, data, new, "insert")
        else:
            self._add(known, data, new, "update")

    def _add(self, known: Known, data: bytes, row: Row | None, operation: Operation) -> None:
        begun, tracked = self._transaction, known.tracked
        if begun is None or row is None:
            raise RuntimeError("a change outside of a transaction")
        self._index += 1
        if not tracked.wanted(row) or self._progress.is_behind(begun.lsn, self._index):
            return
        if self._progress.ranges and self._was_read(known, data, begun, operation):
            return
        self._part.append(tracked.record(row, operation, version_of(begun.lsn, self._index), begun.at))

    def _was_read(self, known: Known, data: bytes, begun: pgoutput.Transaction, operation: Operation) -> bool:
        """Whether the snapshot has it already."""
        old, new = pgoutput.change(data, known.texts)
        key = (old if operation == "delete" else new) or {}
        texts = [key[name] for name in known.tracked.key]
        name = known.tracked.name
        return self._progress.was_read(name, self._orders[name], texts, begun.lsn, begun.xid)

    def _commit(self) -> None:
        if self._transaction is None:
            raise RuntimeError("a commit without a begin")
        if len(self._ready) + len(self._part) > self._batch:
            self.flush()
        self._ready += self._part
        self._part = []
        self._place = max(self._place, self._transaction.lsn)
        self._transaction = None
        if len(self._ready) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Hands over the whole transactions that have come so far."""
        if self._ready or (self._progress.index is not None and self._place >= self._progress.place):
            self._put(self._ready, self._place, None)
            self._ready = []

    def _flush_part(self) -> None:
        """Hands over what there is of a large transaction, behind those before it."""
        self.flush()
        if self._transaction:
            self._put(self._part, self._transaction.lsn, self._index)
        self._part = []

    def beat(self, end: int) -> None:
        """Nothing has come for a while: moves the position along, so that the server can forget its log.

        ``end`` is how far the server has read; whatever it finds from there on is still to come.
        """
        place = max(self._place, end - 1)
        if self._transaction is None and not self._ready and place > self._progress.place:
            self._put([], place, None)

    def _put(self, records: Sequence[Record], place: int, index: int | None) -> None:
        self._progress.passed(place, index)
        self._feed.put(Batch(list(records), self._progress.dump(), more=True), self._keep_alive)
