"""What records become before anything is stored: events that are new, dead letters, and what the ledger is to remember.

Pure computing, in slices: the connection and other sources have their turn in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from bus.broker.publish import MAX_BATCH, Message, Outgoing, Streams
from bus.contracts.grants import source_place
from bus.delivery import dead_letters
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.drafting import Draft
from bus.delivery.emitting import EnvelopeWrapper
from bus.delivery.ledger import Entry, Ledger, Told, key_of, mark_of
from bus.delivery.mapping import Mapper, content_of, content_of_columns
from bus.envelope import Event, rfc3339
from bus.errors import ContractError
from bus.ports import Record, Rejection
from bus.subjects import AppName

LARGEST = MAX_BATCH - 1  #: events in one atomic batch, beside the cursor

ENTRIES = 2_000  #: of the ledger in one cursor: half a megabyte where each tells of four events

log = structlog.get_logger(__name__)


class Part(NamedTuple):
    """What is stored together: events as messages, and entries of the ledger."""

    outgoing: Outgoing
    entries: Sequence[Entry]


@dataclass(slots=True)
class Prepared:
    """What a batch of records became: ``messages`` are its ``events``, ready to be sent; ``latest`` has the newest of
    its entries by key.
    """

    events: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    latest: dict[bytes, Entry] = field(default_factory=dict)

    def parts(self, tracestate: str = "") -> list[Part]:
        """Split so that each part is one atomic batch; the ledger's entries go with the last messages, which complete
        them. Where those are more than a cursor has room for, parts without messages follow.
        """
        last = max(len(self.messages) - 1, 0) // LARGEST * LARGEST
        groups = [self.messages[start : start + LARGEST] for start in range(0, last + 1, LARGEST)]
        entries = [self.entries] if len(self.entries) <= ENTRIES else self._in_cursors()
        return [
            *(Part(Outgoing(messages, tracestate), ()) for messages in groups[:-1]),
            Part(Outgoing(groups[-1], tracestate), entries[0]),
            *(Part(Outgoing([], tracestate), rest) for rest in entries[1:]),
        ]

    def _in_cursors(self) -> list[list[Entry]]:
        """The entries, as many at once as a cursor has room for. As long as not all are stored the batch is read again:
        what is remembered by then is no change, and the rest has the same ids. A key that comes several times is
        remembered at the end, as it is then: else its first change would be one to the last.
        """
        times = Counter(entry.key for entry in self.entries)
        once = [entry for entry in self.entries if times[entry.key] == 1]
        often = [self.latest[key] for key, count in times.items() if count > 1]
        parts = [once[start : start + ENTRIES] for start in range(0, len(once), ENTRIES)]
        return [*parts, often] if often else parts

    def apart(self, others: Iterable[Prepared]) -> bool:
        """Whether none of the others has an event about whom or what one of its own is about."""
        own = {event.subject for event in self.events}
        return all(own.isdisjoint([event.subject for event in other.events]) for other in others)

    def remember(self, entry: Entry) -> None:
        """The ledger is to have this entry once the batch is stored."""
        self.entries.append(entry)
        self.latest[entry.key] = entry


class Preparer:
    """Prepares the records of one source."""

    def __init__(self, app: AppName, name: str, mapper: Mapper, ledger: Ledger, streams: Streams) -> None:
        self._app, self._name, self._place = app, name, source_place(name)
        self._ce_source, self._wrapper = app.ce_source, EnvelopeWrapper(app)
        self._mapper, self._ledger, self._streams = mapper, ledger, streams
        self._room = 0
        self._at: datetime | None = None
        self._time = ""

    def add(self, records: Sequence[Record], prepared: Prepared, unstored: Sequence[Mapping[bytes, Entry]]) -> None:
        """Adds what records became. ``unstored``: the newest entries of the batches before, in their order, that are on
        their way into the ledger.
        """
        self._room = self._streams.room
        records = [
            record if f"{record.key}{record.version}{record.mark}".isascii() else _writable(record)
            for record in records
        ]
        remembers = bool(self._mapper.withdrawing) or self._mapper.compares
        # Of records whose versions the source knows, those that were rejected once are remembered, and nothing else.
        looks = remembers or not self._ledger.empty or any((prepared.latest, *unstored))
        keys = [key_of(record) if looks or record.version is None else None for record in records]
        remembered = dict.fromkeys(key for key in keys if key is not None)
        known = self._ledger.look(remembered)
        for latest in unstored:
            known.update({key: latest[key] for key in remembered if key in latest})
        for record, key in zip(records, keys, strict=True):
            if key is None and prepared.latest:  # since one before it in this slice
                key = key_of(record)  # noqa: PLW2901 - it is its own
            before = None if key is None else prepared.latest.get(key) or known.get(key)
            if key is None or not (remembers or record.version is None):
                self._take(record, before, prepared)
            else:
                self._take_remembered(record, key, before, prepared)

    def _take(self, record: Record, before: Entry | None, prepared: Prepared) -> None:
        """Adds what a record became whose version its source knows. Nothing need be remembered of it, unless it was
        rejected once: a redrive, which knows no version, is to find what has become of it since.
        """
        drafts, reason = self._drafts(record, {})
        if reason:
            content = content_of_columns(self._mapper.columns(record))
            self._reject(record, reason, content, prepared)
            emitted = before.content if before else b""
            prepared.remember(Entry(key_of(record), emitted, b"", before.count if before else 0, {}, content))
        elif before is not None:
            prepared.remember(replace(before, content=content_of(drafts), refused=b""))
        time = self._time_of(record)
        for draft in drafts:
            self._add_event(draft, record, record.version or "", time, prepared)

    def _take_remembered(self, record: Record, key: bytes, before: Entry | None, prepared: Prepared) -> None:
        """Adds what became of a record that the ledger remembers: nothing where nothing changed."""
        told = dict(before.told) if before else {}
        drafts, reason = self._drafts(record, told)
        if not drafts and not reason:
            return
        content = content_of_columns(self._mapper.columns(record)) if reason else content_of(drafts)
        if before is not None and (record.version is None or self._mapper.compares):
            if reason and content in {before.refused, before.content}:  # older ledgers have it as the content
                # no second dead letter; but a file's report and a redrive ask for every record
                prepared.rejections.append(Rejection(record, reason))
                return
            if not reason and content == before.content:
                if before.refused:  # as it was before it was rejected: that is no change
                    prepared.remember(replace(before, refused=b""))
                return
        version, refused = self._ledger.version(record, before), b""
        if reason:
            self._reject(record, reason, content, prepared)
            content, refused = before.content if before else b"", content
        withdrawing, time = self._mapper.withdrawing, self._time_of(record)
        for draft in withdrawing.completed(drafts, told) if told else drafts:
            event = self._add_event(draft, record, version.text, time, prepared)
            withdrawing.remember(told, draft, event.id)
        prepared.remember(Entry(key, content, mark_of(record), version.counter, told, refused))

    def _drafts(self, record: Record, told: Mapping[str, Told]) -> tuple[Sequence[Draft], str]:
        """What a record becomes, or why it becomes nothing."""
        try:
            drafts = self._mapper.map(record, told)
        except ContractError as error:
            return (), error.what
        for draft in drafts:
            if len(draft.body) > self._room:
                return (), "datanya terlalu besar untuk dikirim"
        return drafts, ""

    def _add_event(self, draft: Draft, record: Record, version: str, time: str, prepared: Prepared) -> Event:
        event = self._mapper.event(draft, self._ce_source, record.key, version, time)
        prepared.events.append(event)
        prepared.messages.append(self._wrapper.wrap(event))
        return event

    def _time_of(self, record: Record) -> str:
        """When it was recorded; the rows of a transaction share one moment, which is written once."""
        if record.at is None:
            return rfc3339(datetime.now(UTC))
        if record.at is not self._at:
            self._at, self._time = record.at, rfc3339(record.at)
        return self._time

    def _reject(self, record: Record, reason: str, content: bytes, prepared: Prepared) -> None:
        letter = dead_letters.of_record(
            self._app,
            self._place,
            key=record.key,
            content=content,
            reason=reason,
            where=record.place,
            columns=self._mapper.columns(record),
            limit=self._room,
        )
        prepared.rejections.append(Rejection(record, reason))
        prepared.letters.append(letter)
        log.warning("rejected a record", source=self._name, place=record.place, letter=letter.id, reason=reason)


def _writable(record: Record) -> Record:
    """A record whose key, version and mark can be written. JSON and drivers may bring halves of characters: of such a
    record nothing can be told but that.
    """
    texts = (record.key, record.version or "", record.mark)
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        key, version, mark = (text.encode(errors="backslashreplace").decode() for text in texts)
        fault = record.fault or "kunci baris berisi huruf yang rusak; periksa pengodean (encoding) sumbernya"
        return record._replace(key=key, version=version or record.version, mark=mark, fault=fault)
    return record
