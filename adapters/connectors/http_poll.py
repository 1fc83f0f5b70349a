"""Polls an application's REST interface (JSON over HTTP).

With `since` (a parameter) and `watermark` (a field that grows with every change of its record) only what is newer is
asked for: from `overlap` seconds before the newest that was read, for what is committed late. The application should
give what is newer *or equal*. Without them everything is read at each poll; an application that answers with an ETag
is spared the transfer while nothing is new. What comes again unchanged is dropped.

A reading that an application interrupts (429, 503, a lost connection) goes on at the same page, after as long as
Retry-After asks for; one that a crash interrupts, or whose next page (cursor, link) the application has forgotten
meanwhile, begins again. Pages may move while they are read, so what took more than one is asked for twice.

It does not see deletes, states between two polls, and changes that leave the watermark where it is. Whether the bus
wrote a record only a field of it can tell: where the application keeps one, `skip` leaves such records out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator
from yarl import URL

from adapters.connectors.http import GONE, Answer, HttpClient
from adapters.connectors.http_paging import PagedConfig, Paging
from adapters.connectors.http_records import Recent, Shape, found, items
from adapters.connectors.http_since import Since
from adapters.connectors.http_template import Template, below
from adapters.connectors.left_out import Skip, left_out
from bus.config import secret
from bus.errors import ConfigError, Unavailable
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState


class PollConfig(PagedConfig):
    """Options of every source that asks an application for records again and again."""

    records: str = Field(default="", description="the path to the list in the answer, data.items; empty: its top")
    key: tuple[str, ...] = Field(min_length=1, description="fields that name a record; never null")
    optional: tuple[str, ...] = Field(default=(), description="fields that a record may leave out: they are null then")
    parameters: Mapping[str, str | int] = Field(default_factory=dict, description="parameters of each request")
    skip: Skip = Field(default_factory=dict)
    watermark: str | None = Field(default=None, description="field that grows with every change: a time or a number")
    since: str | None = Field(default=None, description="parameter that asks for what is newer than a watermark")
    overlap: float = Field(default=60, ge=0, description="seconds that a change may be late and still be seen")
    poll: float = Field(default=10.0, gt=0, description="seconds between two reads while there is nothing new")

    @model_validator(mode="after")
    def _incremental(self) -> Self:
        if self.since and not self.watermark:
            raise ValueError("`since` needs a `watermark`")
        return self


class HttpPollConfig(PollConfig):
    """Options of a source with ``connector = "http_poll"``."""

    path: str = Field(default="", description="goes behind `url`, for an address by reference")
    item: str | None = Field(
        default=None, description="address of one record, https://…/{id}, for a redrive; none: all pages are searched"
    )
    item_record: str = Field(default="", description="the path to the record in that answer")


class Client(Protocol):
    """What answers: addresses with parameters."""

    async def open(self) -> None:
        """Reads secrets. Raises BusError."""

    async def close(self) -> None:
        """Closes the connections."""

    def address(self, url: str | URL) -> URL:
        """An absolute address. Raises ConfigError."""

    async def get(self, url: str | URL, *, headers: Mapping[str, str] | None = None) -> Answer:
        """What the application answers. Raises BusError."""


@dataclass(slots=True)
class _Reading:
    """One walk through the pages."""

    url: URL
    first: URL
    pages: int = 0  #: those that had records
    last: Sequence[Any] = field(default_factory=list)  #: the records of the page before
    renewed: bool = False  #: begun again, because the application had forgotten its next page


@dataclass(frozen=True, slots=True)
class _Tag:
    """The first page as it was, while it is all there is."""

    url: URL
    value: str
    count: int


class HttpPoll:
    """A source over a REST interface."""

    Config: ClassVar[type[ConnectorConfig]] = HttpPollConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=False)

    def __init__(self, config: PollConfig, context: Context, client: Client | None = None) -> None:
        self._config, self._zone = config, context.timezone
        self._where = f"{context.app} source.{context.name}"
        self._client = client or HttpClient(config, self._where)
        self._paging = Paging(config, self._where)
        self._shape = Shape(config.key, config.watermark, config.optional, context.timezone)
        self._recent = Recent()
        self._told: Position | None = None
        self._reading: _Reading | None = None
        self._interrupted = False
        self._ended: datetime | None = None  # when the last page was read
        self._tag: _Tag | None = None
        self._next_tag: _Tag | None = None

    @property
    def idle(self) -> float:
        """Seconds between two reads while there is nothing new."""
        return self._config.poll

    async def open(self, position: Position | None) -> None:
        """Goes to the position; a reading that the application has interrupted goes on where it was."""
        await self._client.open()
        path = self._config.path if isinstance(self._config, HttpPollConfig) else ""
        self._url = self._client.address(below(secret(self._config.url, where=f"{self._where}.url"), path))
        self._url = self._url.update_query({name: str(value) for name, value in self._config.parameters.items()})
        position = position or {"low": None}
        if self._interrupted and position == self._told:
            self._interrupted = False
            return
        self._since = Since(position.get("low"), self._overlap, self._zone, self._where)
        self._told, self._reading, self._interrupted = position, None, False
        self._tag = self._next_tag = None
        self._recent.clear()

    @property
    def _overlap(self) -> timedelta:
        return timedelta(seconds=self._config.overlap)

    async def read(self) -> Batch | None:
        """The next page that has something new; None behind the last one."""
        reading = self._reading or self._begin()
        while self._reading is not None:
            try:
                records = await self._page(reading)
            except Unavailable:
                self._interrupted = True
                raise
            fresh = self._recent.fresh(records)
            position: Position = {"low": self._since.text}
            if fresh or position != self._told:
                self._told = position
                return Batch(fresh, position, more=self._reading is not None)
            self._tag = self._next_tag
        return None

    def _begin(self) -> _Reading:
        url = self._url
        if self._config.since and self._since.text is not None:
            url = url.update_query({self._config.since: self._since.text})
        self._since.begin()
        first = self._paging.first(url)
        self._reading = _Reading(first, first)
        return self._reading

    async def _page(self, reading: _Reading) -> list[Record]:
        """One page; moves the reading to the one after it, or ends it."""
        tag = self._tag if self._tag and self._tag.url == reading.url else None
        answer = await self._client.get(reading.url, headers={"If-None-Match": tag.value} if tag else {})
        if reading.url != reading.first:
            if answer.status in GONE and not self._paging.counts and not reading.renewed:
                reading.url, reading.last, reading.renewed = reading.first, [], True
                answer = await self._client.get(reading.url)
            else:
                reading.renewed = False
        listed, document, count = self._listed(reading, answer, tag)
        reading.pages += bool(count)
        if self._config.since and self._config.watermark:
            for item in listed:
                self._since.see(found(item, self._config.watermark))
        onward = self._paging.after(reading.url, answer, document, count)
        if reading.url == reading.first:
            self._next_tag = self._tagged(reading.url, answer, count, tag, alone=onward is None or self._paging.counts)
        elif count:  # the first page is no longer all there is
            self._next_tag = None
        if onward is None:
            self._reading, self._ended = None, datetime.now(self._zone)
            self._since.finish(pages=reading.pages)
        else:
            reading.url, reading.last = onward, listed
        return [self._shape.record(item) for item in listed if not left_out(self._config.skip, partial(found, item))]

    def _listed(self, reading: _Reading, answer: Answer, tag: _Tag | None) -> tuple[list[Any], Any, int]:
        """The records of an answer, its document, and how many records the page has."""
        if tag and answer.status == HTTPStatus.NOT_MODIFIED:
            return [], None, tag.count
        if answer.status in GONE and self._paging.counts and reading.url != reading.first:
            return [], None, 0  # behind the last page some applications have nothing, not even an empty page
        answer.check(self._where)
        document = answer.json(self._where)
        listed = items(document, self._config.records, self._where)
        if listed and listed == reading.last:
            raise ConfigError(
                "the application gives the same page again", where=self._where, hint="check the options of `paging`"
            )
        return listed, document, len(listed)

    @staticmethod
    def _tagged(url: URL, answer: Answer, count: int, tag: _Tag | None, *, alone: bool) -> _Tag | None:
        """What spares the next reading the first page: only where nothing can change behind a page that does not."""
        value = answer.headers.get("ETag", "")
        if tag and answer.status == HTTPStatus.NOT_MODIFIED:
            return tag
        return _Tag(url, value, count) if alone and value else None

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Remembers what was stored, so that it can be left out when it comes again."""
        self._recent.remember(batch.records)
        if self._reading is None:
            self._tag = self._next_tag

    async def state(self) -> SourceState:
        """What it asks for; where that is everything, or cannot be shown, when it had read it all. Behind the page that
        is at hand more may wait.
        """
        read = f"read {self._ended.isoformat(timespec='seconds')}" if self._ended else ""
        return self._recent.state(self._since.shown or read)

    async def reread(self, key: str) -> Record | None:
        """The record of that key as it is now: asked for by itself, or searched for in all pages."""
        config = self._config
        if isinstance(config, HttpPollConfig) and config.item is not None:
            url = Template(secret(config.item, where=self._where), self._where).filled(self._shape.parts(key))
            answer = await self._client.get(url)
            if answer.status in GONE:
                return None
            answer.check(self._where)
            listed = items(answer.json(self._where), config.item_record, self._where)
            return next(self._of_key(listed, key), None)
        reading = _Reading(first := self._paging.first(self._url), first)
        while True:
            answer = await self._client.get(reading.url)
            listed, document, count = self._listed(reading, answer, None)
            if record := next(self._of_key(listed, key), None):
                return record
            onward = self._paging.after(reading.url, answer, document, count)
            if onward is None:
                return None
            reading.url, reading.last = onward, listed

    def _of_key(self, listed: Sequence[Any], key: str) -> Iterator[Record]:
        return (record for record in map(self._shape.record, listed) if record.key == key)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()
