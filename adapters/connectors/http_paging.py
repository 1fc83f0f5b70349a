"""From one page of an application's records to the next, in the ways that applications have."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from yarl import URL

from adapters.connectors.http import Answer, HttpConfig
from adapters.connectors.http_records import found
from bus.errors import ConfigError

Style = Literal["none", "page", "offset", "cursor", "link"]


class PagedConfig(HttpConfig):
    """Options of how an application gives its records in pages."""

    paging: Style = Field(default="none", description="none, page, offset, cursor, or link (the Link header)")
    page_param: str = Field(default="page", description="paging = page: the parameter of the page's number")
    first_page: int = Field(default=1, ge=0, description="paging = page: the number of the first")
    offset_param: str = Field(default="offset", description="paging = offset: how many records are passed over")
    next: str = Field(
        default="", description="paging = cursor: the path in the answer to the next page's cursor or address"
    )
    cursor_param: str | None = Field(
        default=None, description="paging = cursor: the parameter of the cursor; none: `next` holds an address"
    )
    size_param: str | None = Field(default=None, description="the parameter of how many records a page has")
    size: int = Field(default=100, ge=1, le=10_000, description="how many records a page has")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.paging == "cursor" and not self.next:
            raise ValueError("paging = cursor needs `next`, the path to the next page's cursor")
        return self


class Paging:
    """The style of one application."""

    def __init__(self, config: PagedConfig, where: str) -> None:
        self._config, self._where = config, where

    @property
    def counts(self) -> bool:
        """Whether pages are counted, so that only an empty or missing one tells of the end."""
        return self._config.paging in {"page", "offset"}

    def first(self, url: URL) -> URL:
        """The address of the first page."""
        parameters: dict[str, str | int] = {}
        if self._config.size_param:
            parameters[self._config.size_param] = self._config.size
        if self._config.paging == "page":
            parameters[self._config.page_param] = self._config.first_page
        elif self._config.paging == "offset":
            parameters[self._config.offset_param] = 0
        return url.update_query(parameters) if parameters else url

    def after(self, url: URL, answer: Answer, document: Any, count: int) -> URL | None:
        """The address of the page after ``url``, which had ``count`` records; None behind the last. Raises
        ConfigError.

        A counted page is the last where it is empty: an application may give less than was asked for at any time.
        """
        match self._config.paging:
            case "page" if count:
                return self._further(url, self._config.page_param, 1)
            case "offset" if count:
                return self._further(url, self._config.offset_param, count)
            case "cursor":
                return self._at(url, found(document, self._config.next))
            case "link":
                return answer.links.get("next")
        return None

    def _further(self, url: URL, parameter: str, step: int) -> URL:
        return url.update_query({parameter: int(url.query[parameter]) + step})

    def _at(self, url: URL, cursor: Any) -> URL | None:
        if cursor is None or cursor == "" or isinstance(cursor, bool):
            return None
        if not isinstance(cursor, str | int):
            raise ConfigError("what stands at `next` is no cursor", where=self._where)
        try:
            if self._config.cursor_param:
                return url.update_query({self._config.cursor_param: str(cursor)})
            return url.join(URL(str(cursor)))
        except ValueError:
            raise ConfigError(
                "what stands at `next` is no address", where=self._where, hint="set cursor_param for a cursor"
            ) from None
