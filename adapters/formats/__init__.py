"""Formats: from the bytes of a file to the rows of a table. A new format is one module and one line here."""

from adapters.formats import delimited
from adapters.formats.table import AUTO, Layout, Opener, Row, Table, Unreadable

__all__ = ["AUTO", "FORMATS", "Layout", "Opener", "Row", "Table", "Unreadable", "opener"]

FORMATS: dict[str, Opener] = {"csv": delimited.open_table, "tsv": delimited.open_table, "txt": delimited.open_table}


def opener(name: str, wanted: str = AUTO) -> Opener:
    """The format told, or the one that a file name's ending says. Raises Unreadable."""
    chosen = name.rpartition(".")[2].lower() if wanted == AUTO else wanted
    try:
        return FORMATS[chosen]
    except KeyError:
        raise Unreadable(
            "jenis berkas ini tidak dikenal", hint=f"simpan sebagai {', '.join(sorted(FORMATS))}, lalu taruh lagi"
        ) from None
