"""The registry's database, OpenSID's, in SQLite as its samples have it and in MariaDB as its own dump does."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol

OPENSID = Path(__file__).parents[4] / "shared" / "data" / "opensid-contoh.sql"
LISTS = "-- What the registry lets the bus write"  #: where application.sql ceases to be OpenSID's
TABLES = (
    "config",
    "ref_peristiwa",
    "ref_pindah",
    "tweb_penduduk",
    "tweb_keluarga",
    "tweb_wil_clusterdesa",
    "log_penduduk",
    "tweb_penduduk_hubungan",
    "tweb_penduduk_agama",
    "tweb_penduduk_kawin",
    "tweb_penduduk_pekerjaan",
)


class Registry(Protocol):
    """The registry's database."""

    def sql(self, text: str) -> list[tuple[str, ...]]:
        """Runs statements; returns the rows of the last one."""


class SqliteRegistry:
    """The samples in SQLite."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sql(self, text: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self._path, timeout=20)) as connection, connection:
            rows = [connection.execute(each).fetchall() for each in text.split(";") if each.strip()][-1]
        return [tuple(map(str, row)) for row in rows]


async def ask(registry: Registry, text: str) -> list[tuple[str, ...]]:
    """Runs statements while the sources, which may hold a lock in SQLite, go on."""
    return await asyncio.to_thread(registry.sql, text)


def tables_of(dump: str) -> str:
    """The statements of a dump that make and fill the tables that the contract reads."""
    names = "|".join(TABLES)
    made = re.findall(rf"^CREATE TABLE `(?:{names})` \(.*?;$", dump, re.MULTILINE | re.DOTALL)
    filled = re.findall(rf"^INSERT INTO `(?:{names})` .*$", dump, re.MULTILINE)
    assert len(made) == len(TABLES)
    return "\n".join(("SET sql_mode = ''; SET foreign_key_checks = 0;", *made, *filled))
