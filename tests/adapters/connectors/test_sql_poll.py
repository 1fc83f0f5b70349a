"""Polling a SELECT: which rows come, when, and where it goes on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.connectors import sql_poll
from bus.ports import Batch, Source, SourceState
from tests.adapters.connectors.sql_application import (
    START,
    TABLE,
    WIB,
    Application,
    at,
    fill,
    keys,
    read_all,
    read_until,
    stored,
)


async def test_is_a_source(sqlite: Application) -> None:
    assert isinstance(sqlite.poll(), Source)
    assert sqlite.poll(poll=0.25).idle == 0.25


async def test_a_record_tells_key_values_and_time(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, (7, "Ani", 1))
    source = application.poll()
    await source.open(None)
    [batch] = await read_all(source)
    [record] = batch.records
    assert record.key == "7"
    assert record.data["nama"] == "Ani"
    assert record.version is None
    assert record.at == START + timedelta(seconds=1)
    assert record.mark.startswith("2026-01-01")
    await source.close()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 50])
async def test_each_row_comes_once_wherever_pages_end(application: Application, size: int) -> None:
    """Page boundaries fall within rows of the same second."""
    await application.run(TABLE)
    await fill(application, *((number, "x", number * 7 % 5) for number in range(1, 24)))
    source = application.poll(batch=size)
    await source.open(None)
    batches = await read_all(source)
    assert sorted(map(int, keys(batches))) == list(range(1, 24))
    assert all(len(batch.records) <= size for batch in batches)
    marks = [record.mark for batch in batches for record in batch.records]
    assert marks == sorted(marks)
    await source.close()


async def test_goes_on_from_every_position(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, *((number, "x", number // 4) for number in range(1, 14)))
    source = application.poll(batch=3)
    await source.open(None)
    positions = [batch.position for batch in await read_all(source, commit=False)][:5]
    await source.close()
    for done, position in enumerate(positions, start=1):
        again = application.poll(batch=3)
        await again.open(stored(position))
        batches = await read_all(again)
        first = keys(batches[:1])
        rest = [str(number) for number in range(3 * done + 1, 14)]
        assert first == (rest[:3] or first), "new rows come before the sweep"
        assert set(rest) <= set(keys(batches))
        await again.close()


async def test_new_and_changed_rows_follow(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, (1, "A", 0), (2, "A", 0))
    source = application.poll()
    await source.open(None)
    await read_all(source)
    await fill(application, (3, "A", 100))
    await application.run(f"UPDATE penduduk SET nama = 'B', updated_at = {at(application, 101)} WHERE id = 1")
    assert keys(await read_all(source)) == ["3", "1"]
    await source.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_transaction_that_commits_late_is_seen(kind: str, request: pytest.FixtureRequest) -> None:
    """Row 1 gets its time first and is committed after row 2 was read; row 3 after a restart."""
    application = Application.of(kind, request)
    await application.run(TABLE)
    source = application.poll()
    await source.open(None)
    async with application.engine.begin() as late, application.engine.begin() as later:
        await application.run_in(late, f"INSERT INTO penduduk VALUES (1, 'late', {at(application, 0)})")
        await application.run_in(later, f"INSERT INTO penduduk VALUES (3, 'later', {at(application, 1)})")
        await fill(application, (2, "soon", 30))
        [batch] = await read_all(source)
        assert keys([batch]) == ["2"]
        await late.commit()
        await read_until(source, lambda record: record.key == "1")
        await source.close()
        await later.commit()
    again = application.poll()
    await again.open(stored(batch.position))
    await read_until(again, lambda record: record.key == "3")
    await again.close()
    await application.engine.dispose()


async def test_one_clock_that_is_fast_hides_no_late_row(application: Application) -> None:
    await application.run(TABLE)
    source = application.poll(overlap=60, rescan=0.01)
    await source.open(None)
    now = (datetime.now(WIB) - START).total_seconds()
    await fill(application, (1, "cepat", now + 50))
    await read_until(source, lambda record: record.key == "1")
    for _ in range(3):  # sweeps
        await read_all(source)
        await asyncio.sleep(0.02)
    await fill(application, (2, "terlambat", now - 20))
    await read_until(source, lambda record: record.key == "2")
    await source.close()


async def test_two_changes_within_one_second(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, (1, "A", 0), (2, "A", 0))
    source = application.poll()
    await source.open(None)
    await read_all(source)
    await application.run("UPDATE penduduk SET nama = 'B' WHERE id = 1")
    record = await read_until(source, lambda record: record.key == "1")
    assert record.data["nama"] == "B"
    await source.close()


async def test_a_value_that_goes_and_comes_back_is_seen_each_time(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, (1, "A", 0))
    source = application.poll()
    await source.open(None)
    seen = [record.data["nama"] for batch in await read_all(source) for record in batch.records]
    for name in ("B", "A"):
        await application.run(f"UPDATE penduduk SET nama = '{name}' WHERE id = 1")
        seen.append((await read_until(source, lambda record: record.key == "1")).data["nama"])
    assert seen == ["A", "B", "A"]
    await source.close()


async def test_what_is_stored_and_unchanged_is_not_swept_again_but_what_is_not_stored_is(
    application: Application,
) -> None:
    await application.run(TABLE)
    await fill(application, (1, "A", 0))
    source = application.poll(rescan=0.001)
    await source.open(None)
    first = await source.read()
    assert first
    await read_until(source, lambda record: record.key == "1")
    for _ in range(20):
        assert await source.read() is None
        await asyncio.sleep(0.002)
    await source.close()


async def test_rows_without_a_place_in_time(application: Application) -> None:
    """NULL, 0000-00-00 and the future: read, and none of them hides the rows that follow."""
    await application.run(TABLE)
    future = (datetime.now(UTC) + timedelta(days=400)) - START
    await fill(application, (1, "now", 0), (2, "future", future.total_seconds()))
    await application.run("INSERT INTO penduduk VALUES (3, 'null', NULL)")
    expected = {"1", "2", "3"}
    if application.kind != "postgresql":
        zero = "SET sql_mode = ''" if application.kind == "mariadb" else "SELECT 1"
        await application.run(zero, "INSERT INTO penduduk VALUES (4, 'zero', '0000-00-00 00:00:00')")
        expected.add("4")
    source = application.poll()
    await source.open(None)
    seen: set[str] = set()
    while seen != expected:
        batches = await read_all(source)
        seen |= set(keys(batches))
        await asyncio.sleep(0.01)
    await fill(application, (5, "next", 60))
    assert keys(await read_all(source)) == ["5"]
    await application.run("UPDATE penduduk SET nama = 'changed'")
    changed: set[str] = set()
    while changed != {*expected, "5"}:
        changed |= set(keys(await read_all(source)))
        await asyncio.sleep(0.01)
    await source.close()


async def test_only_rows_from_the_future(application: Application) -> None:
    await application.run(TABLE)
    future = (datetime.now(UTC) + timedelta(days=1)) - START
    await fill(application, (2, "future", future.total_seconds()))
    source = application.poll()
    await source.open(None)
    assert (await read_until(source, lambda record: record.key == "2")).data["nama"] == "future"
    await source.close()


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("integer", "10", "11"),
        ("date", "'2026-01-01'", "'2026-01-02'"),
        ("timestamp", "'2026-01-01 10:00:00'", "'2026-01-01 10:00:01'"),
        ("decimal(20,6)", "10.5", "10.500001"),
    ],
)
async def test_watermarks_of_other_types(application: Application, column: str, first: str, second: str) -> None:
    await application.run(
        f"CREATE TABLE penduduk (id integer PRIMARY KEY, updated_at {column} NULL)",
        f"INSERT INTO penduduk VALUES (1, {first}), (2, {first})",
    )
    source = application.poll(batch=1)
    await source.open(None)
    batches = await read_all(source)
    assert set(keys(batches)) == {"1", "2"}
    await source.close()
    again = application.poll(batch=1)
    await again.open(stored(batches[-1].position))
    await application.run(f"INSERT INTO penduduk VALUES (4, {second}), (3, {second}), (0, {first})")
    seen: set[str] = set()
    while not {"0", "3", "4"} <= seen:
        seen |= set(keys(await read_all(again)))
        await asyncio.sleep(0.01)
    await again.close()


@pytest.mark.parametrize("form", ["2026-01-01T08:00:0{}Z", "2026-01-01T08:00:0{}.123+07:00", "2026-01-0{}", "v{}"])
async def test_texts_as_watermarks(sqlite: Application, form: str) -> None:
    await sqlite.run(TABLE, f"INSERT INTO penduduk VALUES (1, 'A', '{form.format(1)}'), (2, 'A', '{form.format(3)}')")
    source = sqlite.poll()
    await source.open(None)
    assert sorted(keys(await read_all(source))) == ["1", "2"]
    await sqlite.run(f"INSERT INTO penduduk VALUES (3, 'late', '{form.format(2)}')")
    await read_until(source, lambda record: record.key == "3")
    await source.close()


async def test_keys_have_one_text_on_every_database(application: Application) -> None:
    await application.run(
        "CREATE TABLE anggota (nik decimal(16,0), jenis varchar(10), urut integer, PRIMARY KEY (nik, jenis, urut))",
        "INSERT INTO anggota VALUES (3571010101010001, 'a|b', 1), (3571010101010001, 'A\"', 10)",
        "INSERT INTO anggota VALUES (3571010101010001, 'A\"', 9)",
    )
    query = "SELECT a.nik, a.jenis, a.urut FROM anggota a;"
    source = application.poll(query, key=["a.nik", "a.jenis", "a.urut"], watermark=None, batch=2)
    await source.open(None)
    found = keys(await read_all(source))
    expected = ['["3571010101010001","a|b","1"]', '["3571010101010001","A\\"","9"]', '["3571010101010001","A\\"","10"]']
    assert sorted(found) == sorted(expected)
    assert [key for key in found if '\\"' in key] == expected[1:], "numbers are ordered as numbers"
    for key in expected:
        record = await source.reread(key)
        assert record
        assert record.key == key
    for gone in ('["3571010101010001","a|b","2"]', '["x","a|b","1"]', "1", "[]"):
        assert await source.reread(gone) is None
    await source.close()


async def test_without_a_watermark_everything_is_compared(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, *((number, "A", 0) for number in range(1, 8)))
    source = application.poll(watermark=None, batch=3)
    await source.open(None)
    batches = await read_all(source)
    assert keys(batches) == [str(number) for number in range(1, 8)]
    await application.run("UPDATE penduduk SET nama = 'B' WHERE id IN (2, 6)")
    assert (await read_until(source, lambda record: record.key == "6")).data["nama"] == "B"
    await source.close()
    again = application.poll(watermark=None, batch=3)
    await again.open(stored(batches[0].position))
    assert keys([(await again.read()) or batches[0]]) == ["4", "5", "6"]
    await again.close()


async def test_a_table_that_is_compared_makes_no_cursor_where_nothing_is_new(
    sqlite: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it has more rows than are remembered: then each page of each sweep comes again."""
    monkeypatch.setattr(sql_poll, "REMEMBERED", 4)
    await sqlite.run(TABLE)
    await fill(sqlite, *((number, "x", number) for number in range(1, 10)))
    source = sqlite.poll(watermark=None, batch=3)
    await source.open(None)
    batches: list[Batch] = []
    async with asyncio.timeout(20):
        while len(keys(batches)) < 2 * 9:
            batches += await read_all(source)
    assert all(batch.passing for batch in batches)
    await source.close()


async def test_queries_of_all_sorts(application: Application) -> None:
    """Colons, percent signs, semicolons, WITH, an own order: the owner's SELECT is taken as it is."""
    await application.run(TABLE)
    await fill(application, (1, "A", 0))
    query = """WITH semua AS (SELECT p.id, p.updated_at, ' :a ::b 12:30 100% %s ?' AS tanda FROM penduduk p)
        SELECT s.id, s.updated_at, s.tanda FROM semua s WHERE s.tanda LIKE '%:%' ORDER BY s.id DESC;
        """
    source = application.poll(query, key=["s.id"], watermark="s.updated_at")
    await source.open(None)
    [batch] = await read_all(source)
    assert batch.records[0].data["tanda"] == " :a ::b 12:30 100% %s ?"
    assert await source.reread("1") == batch.records[0]
    await source.close()


async def test_of_a_table_that_is_compared_it_tells_when(application: Application) -> None:
    await application.run(TABLE)
    await fill(application, (1, "a", 0))
    source = application.poll(watermark=None)
    await source.open(None)
    assert await source.state() == SourceState()
    before = datetime.now(WIB).replace(microsecond=0)
    await read_all(source)
    said, _, when = (await source.state()).position.partition(" ")
    assert said == "compared"
    assert before <= datetime.fromisoformat(when) <= datetime.now(WIB)
    await source.close()
