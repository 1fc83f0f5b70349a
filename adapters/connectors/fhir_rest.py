"""Reads resources out of a FHIR R4 server: its search, by the time of the last change.

Each type of `resources` is searched by itself for what changed since (`_lastUpdated`, oldest first), page by page as
the server links them, from `overlap` seconds before the newest that was read, for what is committed late. What comes
again unchanged is dropped. A reading that the server interrupts goes on at the same page; one that a crash interrupts,
or whose next page the server has forgotten meanwhile, begins again. What took several pages is asked for twice, since
pages may move while they are read.

A record's data are the columns of its type, each a path: `nik = "identifier.where(system='…').value"`, the part of
FHIRPath that picks one value; with them go `resourceType` and `id`. A column whose path leads nowhere is null.

What the bus itself wrote (`fhir_push`, by the mark in meta.source) is left out as long as it is as it was written.
It does not see deletes, and states between two polls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field
from yarl import URL

from adapters.connectors import fhir, fhir_paths
from adapters.connectors.http import GONE, HttpClient, HttpConfig
from adapters.connectors.http_records import Recent, found
from adapters.connectors.http_since import Since
from adapters.connectors.watermark import moment
from bus.config import secret
from bus.errors import ConfigError, Unavailable
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState


def _a_path(text: str) -> str:
    fhir_paths.parsed(text)
    return text


FhirPath = Annotated[str, AfterValidator(_a_path)]
ResourceType = Annotated[str, Field(pattern="^[A-Z][A-Za-z]+$")]


class FhirRestConfig(HttpConfig):
    """Options of a source with ``connector = "fhir_rest"``."""

    url: str = Field(description="the server's base address, https://…/fhir-r4/v1, or by reference: env:NAME")
    resources: Mapping[ResourceType, Mapping[str, FhirPath]] = Field(
        min_length=1,
        examples=[{"Patient": {"nik": "identifier.value", "nama": "name.text"}}],
        description="per type of resource: column = path",
    )
    parameters: Mapping[str, str] = Field(default_factory=dict, description="further parameters of each search")
    size: int = Field(default=100, ge=1, le=1000, description="how many resources a page has")
    overlap: float = Field(default=60, ge=0, description="seconds that a change may be late and still be seen")
    poll: float = Field(default=10.0, gt=0, description="seconds between two readings while there is nothing new")


@dataclass(slots=True)
class _Search:
    """One type of resource, and how far it was read."""

    type: str
    columns: Mapping[str, fhir_paths.Path]
    since: Since
    page: URL | None = None  #: the next one; None: not begun
    pages: int = 0  #: of this reading, those that had something
    renewed: bool = False  #: begun again, because the server had forgotten its next page


class FhirRest:
    """A source over a FHIR server."""

    Config: ClassVar[type[ConnectorConfig]] = FhirRestConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=False)

    def __init__(self, config: FhirRestConfig, context: Context) -> None:
        self._config, self._zone = config, context.timezone
        self._where = f"{context.app} source.{context.name}"
        self._client = HttpClient(config, self._where)
        self._recent = Recent()
        self._searches: list[_Search] = []
        self._turn = 0  # the search that is being read
        self._told: Position | None = None
        self._interrupted = False

    @property
    def idle(self) -> float:
        """Seconds between two reads while there is nothing new."""
        return self._config.poll

    async def open(self, position: Position | None) -> None:
        """Goes to the position; a reading that the server has interrupted goes on where it was."""
        await self._client.open()
        base = self._client.address(secret(self._config.url, where=f"{self._where}.url"))
        self._base = base.with_path(base.path.rstrip("/") + "/")
        position = position or {}
        if self._interrupted and position == self._told:
            self._interrupted = False
            return
        overlap = timedelta(seconds=self._config.overlap)
        self._searches = [
            _Search(
                name,
                {column: fhir_paths.parsed(path) for column, path in columns.items()},
                Since(position.get(name), overlap, self._zone, self._where),
            )
            for name, columns in self._config.resources.items()
        ]
        self._turn, self._told, self._interrupted = 0, position, False
        self._recent.clear()

    async def read(self) -> Batch | None:
        """The next page that has something new; None behind the last one of the last type."""
        while self._turn < len(self._searches):
            search = self._searches[self._turn]
            try:
                records = await self._page(search)
            except Unavailable:
                self._interrupted = True
                raise
            if search.page is None:
                self._turn += 1
            fresh = self._recent.fresh(records)
            position: Position = {each.type: low for each in self._searches if (low := each.since.text) is not None}
            if fresh or position != self._told:
                self._told = position
                more = self._turn < len(self._searches)
                self._turn %= len(self._searches)
                return Batch(fresh, position, more=more)
        self._turn = 0
        return None

    async def _page(self, search: _Search) -> list[Record]:
        """One page; moves the search to the one after it, or ends its reading."""
        url = search.page or self._begun(search)
        answer = await self._client.get(url, headers=fhir.ACCEPT)
        if answer.status in GONE and search.page is not None and not search.renewed:
            url, search.renewed = self._begun(search), True
            answer = await self._client.get(url, headers=fhir.ACCEPT)
        elif search.page is not None:
            search.renewed = False
        answer.check(self._where)
        bundle = answer.json(self._where)
        if found(bundle, "resourceType") != "Bundle":
            raise ConfigError("the answer is no Bundle", where=self._where, hint="is `url` a FHIR server's base?")
        resources = [
            resource
            for entry in bundle.get("entry") or ()
            if isinstance(resource := found(entry, "resource"), Mapping) and resource.get("resourceType") == search.type
        ]
        for resource in resources:
            search.since.see(found(resource, "meta.lastUpdated"))
        search.pages += bool(resources)
        search.page = self._next(url, bundle)
        if search.page is None:
            search.since.finish(pages=search.pages)
            search.renewed = False
        return [self._record(search, resource) for resource in resources if not fhir.is_echo(resource)]

    def _begun(self, search: _Search) -> URL:
        """The address of a reading's first page."""
        search.since.begin()
        search.pages = 0
        asked = {**self._config.parameters, "_sort": "_lastUpdated", "_count": str(self._config.size)}
        if search.since.text is not None:
            asked["_lastUpdated"] = f"ge{search.since.text}"
        return (self._base / search.type).update_query(asked)

    def _next(self, url: URL, bundle: Mapping[str, Any]) -> URL | None:
        """The page after one; None behind the last. Raises ConfigError."""
        links = (link for link in bundle.get("link") or () if found(link, "relation") == "next")
        address = found(next(links, None), "url")
        if not isinstance(address, str):
            return None
        try:
            onward = url.join(URL(address))
        except ValueError:
            raise ConfigError("the link to the next page is no address", where=self._where) from None
        if onward == url:
            raise ConfigError("the server gives the same page again", where=self._where, hint="tell its owner")
        if onward.origin() != url.origin():  # where the credentials do not go
            told = f"the server links its next page at {onward.origin()}"
            raise ConfigError(told, where=self._where, hint="its owner sets the base address that it answers with")
        return onward

    def _record(self, search: _Search, resource: Mapping[str, Any]) -> Record:
        """One resource. Its mark is its version: versions of one content become one event all the same."""
        data = {column: fhir_paths.first(resource, path) for column, path in search.columns.items()}
        number, updated = (found(resource, f"meta.{name}") for name in ("versionId", "lastUpdated"))
        return Record(
            f"{search.type}/{resource.get('id')}",
            {"resourceType": search.type, "id": resource.get("id"), **data},
            mark=f"{number or ''} {updated or ''}".strip(),
            place=search.type,
            at=moment(updated, self._zone) if isinstance(updated, str) else None,
        )

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Remembers what was stored, so that it can be left out when it comes again."""
        self._recent.remember(batch.records)

    async def state(self) -> SourceState:
        """From when on it asks for each type, and the page that is at hand."""
        shown = ((search.type, search.since.shown) for search in self._searches)
        position = ", ".join(f"{name} {since}" for name, since in shown if since)
        return self._recent.state(position)

    async def reread(self, key: str) -> Record | None:
        """The resource of that key (Patient/123) as it is now."""
        search = next((each for each in self._searches if key.startswith(f"{each.type}/")), None)
        if search is None:
            return None
        answer = await self._client.get(self._base / search.type / key.partition("/")[2], headers=fhir.ACCEPT)
        if answer.status in GONE:
            return None
        answer.check(self._where)
        return self._record(search, answer.json(self._where))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()
