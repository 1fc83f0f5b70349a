"""Polling a SELECT that is wrong, or a database that is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bus.errors import ConfigError, Unavailable
from tests.adapters.connectors.sql_application import (
    TABLE,
    Application,
    fill,
    read_all,
    read_until,
)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": ["nik"]}, ["nik", "id, nama, updated_at"]),
        ({"watermark": "diubah"}, ["diubah"]),
        ({"query": "SELECT id, umur, updated_at FROM penduduk"}, ["no such column", "does not fit"]),
        ({"query": "SELECT * FROM tidak_ada"}, ["no such table", "does not fit"]),
        ({"query": "SELEC 1"}, ["does not fit"]),
        ({"key": ["nama"]}, ["NULL"]),
        ({"query": "SELECT 1 AS id, nama, updated_at FROM penduduk", "watermark": None}, ["same key"]),
        ({"query": "SELECT 1 AS id, nama, updated_at FROM penduduk WHERE id < 3"}, ["same key"]),
    ],
)
async def test_a_wrong_option_is_named(application: Application, options: dict[str, object], words: list[str]) -> None:
    await application.run(TABLE)
    await fill(application, (1, "Sitti", 0), (2, "Sitti", 0), (3, "Sitti", 0))
    await application.run("UPDATE penduduk SET nama = NULL WHERE id = 3")
    source = application.poll(**options)

    async def begin() -> None:
        await source.open(None)
        await source.read()

    with pytest.raises(ConfigError) as caught:
        await begin()
    assert any(word in str(caught.value) for word in words), str(caught.value)
    assert str(caught.value).startswith("dukcapil/siak source.mutasi: ")
    assert "Sitti" not in str(caught.value)
    await source.close()


async def test_a_position_of_another_key_is_refused(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, (1, "A", 0))
    source = application.poll()
    await source.open(None)
    [batch] = await read_all(source)
    other = application.poll(watermark=None)
    with pytest.raises(ConfigError, match="changed since"):
        await other.open(batch.position)
    with pytest.raises(ConfigError, match="position"):
        await source.open({"after": [["nothing", "1"]]})
    await source.close()
    await other.close()


async def test_reads_sqlite_beside_a_writer_and_never_locks_it_out(sqlite: Application) -> None:
    await sqlite.run(TABLE)
    await fill(sqlite, (1, "A", 0), (2, "A", 1))
    source = sqlite.poll(batch=1)
    await source.open(None)
    async with sqlite.engine.begin() as writer:  # holds the write lock
        await sqlite.run_in(writer, "UPDATE penduduk SET nama = 'B'")
        assert await source.read()
    assert await source.read()
    await sqlite.run("UPDATE penduduk SET nama = 'C'")
    await source.close()


async def test_a_sqlite_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    source = Application("sqlite", f"sqlite:///{tmp_path / 'salah.db'}").poll()
    with pytest.raises(Unavailable, match="SQLITE_CANTOPEN"):
        await source.open(None)
    assert not os.listdir(tmp_path)
    await source.close()


async def test_a_database_that_goes_away_and_comes_back(mariadb: object, postgresql: object) -> None:
    for kind, database in (("mariadb", mariadb), ("postgresql", postgresql)):
        application = Application(kind, database.url)  # type: ignore[attr-defined]
        await application.run(TABLE)
        await fill(application, (1, "A", 0))
        source = application.poll()
        await source.open(None)
        await read_all(source)
        await application.engine.dispose()
        database.server.stop()  # type: ignore[attr-defined]
        with pytest.raises(Unavailable):
            await source.read()
        database.server.start()  # type: ignore[attr-defined]
        await fill(application, (2, "B", 1))
        await read_until(source, lambda record: record.key == "2")
        await source.close()
        await application.engine.dispose()
