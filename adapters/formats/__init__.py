"""Formats: from the bytes of a file to the rows of a table. A new format is one module and one line here."""

from pathlib import Path

from adapters.formats import dbf, delimited, json_records, sheets, xml_records
from adapters.formats.table import AUTO, Cell, Format, Layout, Opener, Row, Table, Unreadable
from bus.errors import ConfigError

__all__ = ["AUTO", "FORMATS", "Cell", "Format", "Layout", "Opener", "Row", "Table", "Unreadable", "form", "open_table"]

_DELIMITED = Format(delimited.open_table, plain=True)
_SHEET = Format(sheets.open_table, extra="spreadsheets", repair="xlsx")
_COUNTED = "nomor urut data di dalam berkas"
_LINES = Format(json_records.open_lines, repair="csv", numbered="nomor baris di dalam berkas")

FORMATS: dict[str, Format] = {
    **dict.fromkeys(("csv", "tsv", "txt"), _DELIMITED),
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls", "ods"), _SHEET),
    "json": Format(json_records.open_table, extra="json", repair="csv", numbered=_COUNTED),
    **dict.fromkeys(("jsonl", "ndjson"), _LINES),
    "xml": Format(xml_records.open_table, extra="xml", repair="csv", numbered=_COUNTED),
    "dbf": Format(dbf.open_table, repair="csv", plain=True, numbered="nomor record di dalam berkas DBF"),
}


def form(name: str, wanted: str = AUTO) -> Format:
    """The format told, or the one that a file name's ending says. Raises Unreadable."""
    chosen = name.rpartition(".")[2].lower() if wanted == AUTO else wanted
    try:
        return FORMATS[chosen]
    except KeyError:
        raise Unreadable(
            "jenis berkas ini tidak dikenal", hint=f"simpan sebagai {', '.join(sorted(FORMATS))}, lalu taruh lagi"
        ) from None


def open_table(path: Path, chosen: Format, layout: Layout) -> Table:
    """Opens a file as a table. Raises Unreadable, OSError, and ConfigError where the format's extra is missing."""
    try:
        return chosen.open(path, layout)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"files like this need the package {error.name}, which is not installed",
            where=path.suffix,
            hint=f"install opd-bus[{chosen.extra}]",
        ) from None
