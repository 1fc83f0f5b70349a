"""The daily lists that offices get as files, as tables that the audit can ask: `temp.<name>(kunci, isi, event_id)`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from python_calamine import CalamineWorkbook

EVENT = "Peristiwa"  #: the column with the event's id, in each of them


@dataclass(frozen=True)
class DailyList:
    """Workbooks of one kind, a file a day: which columns tell whom a row is about, and what."""

    name: str
    files: str  #: below the folder of all applications
    key: str
    content: str


LISTS = (
    DailyList("keluar", "dapodik-penduduk/pindah-keluar-*.xlsx", "NIK", "Tanggal pindah"),
    DailyList("datang", "dapodik-penduduk/pindah-datang-*.xlsx", "NIK", "Tanggal datang"),
    DailyList("izin_terbit", "penertiban-izin/izin-terbit-*.xlsx", "Nomor izin", "Nama usaha"),
    DailyList("izin_dicabut", "penertiban-izin/izin-dicabut-*.xlsx", "Nomor izin", "Tanggal dicabut"),
)


def attach(connection: sqlite3.Connection, folder: Path) -> None:
    """Makes a temporary table of each list, as its files stand now."""
    for each in LISTS:
        connection.execute(f"CREATE TEMP TABLE {each.name} (kunci TEXT, isi TEXT, event_id TEXT)")
        connection.executemany(f"INSERT INTO temp.{each.name} VALUES (?, ?, ?)", _rows(each, folder))  # noqa: S608


def _rows(wanted: DailyList, folder: Path) -> Iterator[list[str]]:
    for path in sorted(folder.glob(wanted.files)):
        header, *rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        places = [header.index(column) for column in (wanted.key, wanted.content, EVENT)]
        yield from ([str(row[place]) for place in places] for row in rows)
