"""The options of the sources that read dropped files, wherever these lie."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Self

from pydantic import Field, field_validator, model_validator

from adapters.connectors.drop_records import Columns
from adapters.connectors.drop_settling import REJECTED
from adapters.formats import AUTO, FORMATS, Format, Layout, form
from bus.ports import ConnectorConfig


class DropOptions(ConnectorConfig):
    """How a dropped file is recognised and read."""

    folder: str = Field(description="where files are dropped: a path, from the contract's folder on, or env:NAME")
    pattern: str = Field(default="*.csv", min_length=1, description="which files are meant; case does not matter")
    format: str = Field(default=AUTO, description=f"{', '.join(FORMATS)}; auto: by the file name's ending")
    key: tuple[str, ...] = Field(
        default=(), description="columns that name a row for ever; none: its content does, and a change is a new row"
    )
    required: tuple[str, ...] = Field(
        default=(), description="columns without which a file goes to failed/; those of the key are required anyway"
    )
    columns: Mapping[str, str] = Field(default_factory=dict, description="other names for columns: header = name")
    encoding: str = Field(default=AUTO, description="utf-8, utf-16, cp1252, …; auto: found from the file")
    delimiter: str = Field(default=AUTO, description='one character, "\\t" for a tab; auto: found among , ; tab |')
    quote: str = Field(default='"', max_length=1, description="the quote character; empty: there is none")
    skip: int = Field(default=0, ge=0, description="rows above the header")
    sheet: str = Field(default="", description="the sheet of a workbook, by its name; none: the first visible one")
    header_row: int | None = Field(
        default=None,
        ge=1,
        description="the row with the columns' names; none: the first after `skip`; in a sheet: found",
    )
    records: str = Field(
        default="",
        pattern=r"[^.\s]+(\.[^.\s]+)*|",
        description="JSON, XML: the way to the records, data.penduduk; none: the first array, what repeats",
    )
    settle: float = Field(default=2, ge=0, description="seconds that a file must stay unchanged before it is read")
    poll: float = Field(default=1, gt=0, description="seconds between two looks into the folder")
    batch: int = Field(default=500, ge=1, le=900, description="rows per batch")

    @field_validator("pattern")
    @classmethod
    def _in_the_folder(cls, pattern: str) -> str:
        if "/" in pattern or "\\" in pattern:
            raise ValueError("names files in the folder, not paths")
        return pattern

    @field_validator("format")
    @classmethod
    def _known(cls, form: str) -> str:
        if form != AUTO and form not in FORMATS:
            raise ValueError(f"write auto or one of {', '.join(FORMATS)}")
        return form

    @field_validator("encoding")
    @classmethod
    def _of_text(cls, encoding: str) -> str:
        try:
            if encoding != AUTO:
                "".encode(codecs.lookup(encoding).name)
        except LookupError:
            raise ValueError("no encoding of that name; write auto, utf-8, utf-16 or cp1252") from None
        return encoding

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        if delimiter != AUTO and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ValueError('write auto or one character, "\\t" for a tab')
        return delimiter

    @model_validator(mode="after")
    def _one_header(self) -> Self:
        if self.skip and self.header_row:
            raise ValueError("write `skip` or `header_row`, not both")
        return self

    def record_columns(self) -> Columns:
        """What is told of the columns."""
        return Columns(self.key, self.required, self.columns)

    def layout(self, columns: Columns) -> Layout:
        """What is told of the file."""
        return Layout(
            encoding=self.encoding,
            delimiter=self.delimiter,
            quote=self.quote,
            skip=self.header_row - 1 if self.header_row else self.skip,
            expected=columns.expected,
            sheet=self.sheet,
            search=self.header_row is None,
            records=self.records,
        )

    def form(self, name: str) -> Format:
        """The format of a file; that of rows that came back for repair is told by their ending. Raises Unreadable."""
        return form(name, AUTO if REJECTED in name.lower() else self.format)
