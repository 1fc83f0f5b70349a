"""From the rows of a table to records: names of columns, and the key that stays the same when the file comes again."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from json.encoder import encode_basestring_ascii
from typing import NamedTuple, Self

from adapters.formats import Cell, Row, Table, Unreadable
from adapters.formats.cells import same
from bus.ports import Record


@dataclass(frozen=True, slots=True)
class Columns:
    """What the contract says of the columns. Names match headers without regard to case and blanks."""

    key: Sequence[str] = ()
    required: Sequence[str] = ()
    renamed: Mapping[str, str] | None = None  #: header -> name

    @property
    def needed(self) -> tuple[str, ...]:
        """The names without which the file is none of this source."""
        return tuple(dict.fromkeys((*self.key, *self.required)))

    @property
    def expected(self) -> frozenset[str]:
        """The needed names as the header spells them."""
        spelled: dict[str, list[str]] = {}
        for header, name in (self.renamed or {}).items():
            spelled.setdefault(name, []).append(same(header))
        return frozenset(each for name in self.needed for each in spelled.get(name, [same(name)]))

    def names(self, header: Sequence[str]) -> list[str]:
        """The columns' names in the contract's spelling; empty for a column without one. Raises Unreadable."""
        known = {same(name): name for name in self.needed}
        known |= {same(told): name for told, name in (self.renamed or {}).items()}
        names: list[str] = []
        for told in header:
            name = known.get(same(told), told)
            if name and name in names:
                if name in known.values():
                    raise Unreadable(f"kolom {name} ada dua kali", hint="sisakan satu, lalu taruh lagi")
                name = f"{name} ({sum(each.startswith(name) for each in names) + 1})"
            names.append(name)
        if missing := [name for name in self.needed if name not in names]:
            raise Unreadable(
                f"kolom {', '.join(missing)} tidak ada",
                hint="tambahkan kolom itu, atau perbaiki judulnya di baris pertama, lalu taruh lagi",
            )
        return names


AT_ONCE = 250  #: rows whose occurrences are counted together


class ReadRow(NamedTuple):
    """A record, with where and how its row stands in the file."""

    record: Record
    number: int
    original: str


class Occurrences:
    """Counts how often each key came in a file, in a private temporary database: memory stays flat in any file.

    Only keyed hashes are stored. Must be closed."""

    def __init__(self) -> None:
        self._salt = os.urandom(16)
        self._counts = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._counts.execute("PRAGMA journal_mode=OFF")
        self._counts.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        self._counts.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def count(self, keys: Sequence[str]) -> list[int]:
        """How often each of these keys has come so far, with this time; at most some hundred at once."""
        digests = [hashlib.blake2b(key.encode(), key=self._salt, digest_size=16).digest() for key in keys]
        places = ",".join("?" * len(digests))
        found = self._counts.execute(f"SELECT key, n FROM seen WHERE key IN ({places})", digests)  # noqa: S608 - places
        known: dict[bytes, int] = dict(found)
        counts = []
        for digest in digests:
            known[digest] = known.get(digest, 0) + 1
            counts.append(known[digest])
        self._counts.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", sorted(known.items()))
        return counts

    def close(self) -> None:
        """Lets go of the temporary database."""
        self._counts.close()


def records(table: Table, columns: Columns, *, place: str, at: datetime) -> Generator[ReadRow]:
    """The records of a table. Raises Unreadable at once where a needed column is missing."""
    names = columns.names(table.header)
    return _records(table, names, columns.key, place=place, at=at)


def _records(
    table: Table, names: Sequence[str], key_names: Sequence[str], *, place: str, at: datetime
) -> Generator[ReadRow]:
    rows = table.rows()
    with Occurrences() as occurrences:
        while ahead := [_keyed(row, names, key_names) for row in islice(rows, AT_ONCE)]:
            for (row, data, fault, key), nth in zip(
                ahead, occurrences.count([each.key for each in ahead]), strict=True
            ):
                record = Record(
                    key=key if nth == 1 else f"{key}#{nth}",
                    data={} if fault else data,
                    place=f"{place} baris {row.number}",
                    at=at,
                    fault=fault,
                )
                yield ReadRow(record, row.number, row.original)


class _Keyed(NamedTuple):
    row: Row
    data: dict[str, Cell]
    fault: str
    key: str


def _keyed(row: Row, names: Sequence[str], key_names: Sequence[str]) -> _Keyed:
    data = {name: cell for name, cell in zip(names, row.cells, strict=False) if name}
    fault = row.fault
    key = _key(data, key_names) if row.cells else None
    if key is None and not fault:
        fault = f"kolom {', '.join(name for name in key_names if data[name] is None)} kosong; isi kolom itu"
    if key is None or (fault and not key_names):
        key = _digest("baris", row)
    return _Keyed(row, data, fault, key)


def _key(data: Mapping[str, Cell], names: Sequence[str]) -> str | None:
    """The business key, or the hash of the content where the contract names none; None where a part of it is empty.

    The content does not depend on the order of the columns."""
    if not names:
        content = json.dumps(sorted(data.items()), ensure_ascii=True)
        return "isi:" + hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    values = [value for name in names if (value := data[name]) is not None]
    if len(values) < len(names):
        return None
    written = (encode_basestring_ascii(value) if isinstance(value, str) else json.dumps(value) for value in values)
    return f"[{','.join(written)}]"  # JSON


def _digest(kind: str, row: Row) -> str:
    """The key of a row that has none: the hash of the row as it stands in the file."""
    original = row.original.rstrip("\r\n").encode(errors="surrogatepass")
    return f"{kind}:{hashlib.blake2b(original, digest_size=16).hexdigest()}"
