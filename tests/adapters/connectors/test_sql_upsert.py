"""Writing events into a table: what it holds afterwards, how often it was written, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import pytest_asyncio

from bus.errors import Rejected, Unavailable
from bus.ports import Delivery, Sink
from tests.adapters.connectors.sql_application import Application
from tests.adapters.connectors.upsert_office import (
    NIK,
    TABLE,
    Segala,
    apply,
    audit,
    content,
    delivery,
    office,
    opened,
)


@pytest_asyncio.fixture
async def application(application: Application) -> Application:
    return await office(application)


async def test_inserts_then_updates(application: Application) -> None:
    sink = await opened(application)
    assert isinstance(sink, Sink)
    assert sink.database == application.url
    assert sink.atomic
    await apply(application, sink, delivery(1, nik="1", tempat="A"), delivery(2, nik="2", tempat="B"))
    await apply(application, sink, delivery(3, nik="2", tempat=None), delivery(4, nik="3", tempat="é日本"))
    assert await content(application) == [("1", "A", "e1"), ("2", None, "e3"), ("3", "é日本", "e4")]
    await sink.close()


async def test_every_event_hits_the_table_once_in_order(application: Application) -> None:
    sink = await opened(application)
    events = [delivery(n, nik=str(n % 7), tempat=f"T{n % 7}") for n in range(1, 501)]
    await apply(application, sink, *events[:300])
    await apply(application, sink, *events[300:])
    written = await audit(application)
    assert sorted(written) == sorted(f"e{n}" for n in range(1, 501))
    for key in range(7):
        numbers = [int(event[1:]) for event in written if int(event[1:]) % 7 == key]
        assert numbers == sorted(numbers)
    assert len(await content(application)) == 7


async def test_an_older_event_never_overwrites_a_newer_one(application: Application) -> None:
    sink = await opened(application)
    await apply(application, sink, delivery(20, nik="1", tempat="new"))
    await apply(application, sink, delivery(10, nik="1", tempat="old"), delivery(11, nik="2", tempat="other"))
    assert await content(application) == [("1", "new", "e20"), ("2", "other", "e11")]
    await apply(application, sink, delivery(30, nik="2", tempat="c"), delivery(12, nik="2", tempat="b"))
    await apply(application, sink, delivery(5, nik="1", tempat="elsewhere", stream="OPD_RSUD"))
    assert await content(application) == [("1", "elsewhere", "e5"), ("2", "c", "e30")]


async def test_subscriptions_fill_different_columns_of_a_row(application: Application) -> None:
    """The older event of the other subscription still brings its own columns, and only these."""
    both = await opened(application)
    place = await opened(application, columns={"nik": "nik", "tempat": "tempat", "event_id": "$id"})
    await apply(application, place, delivery(20, nik="1", tempat="new"))
    await apply(application, both, delivery(10, nik="1", tempat="old", tanggal=date(2026, 1, 2)))
    [row] = await application.rows("SELECT tempat, tanggal, event_id FROM bus_kematian")
    assert (row[0], str(row[1]), row[2]) == ("new", "2026-01-02", "e10")


async def test_a_correction_marks_the_row(application: Application) -> None:
    await application.run("ALTER TABLE bus_kematian ADD COLUMN status varchar(10)")
    fact = await opened(application, constants={"status": "berlaku"})
    correction = await opened(application, columns={"nik": "nik"}, constants={"status": "batal"})
    await apply(application, fact, delivery(1, nik="1", tempat="A"), delivery(2, nik="2", tempat="B"))
    await apply(application, correction, delivery(3, nik="1"))
    await apply(application, correction, delivery(9, nik="3"))
    await apply(application, fact, delivery(8, nik="3", tempat="C"))
    rows = await application.rows("SELECT nik, status, tempat FROM bus_kematian ORDER BY nik")
    assert rows == [("1", "batal", "A"), ("2", "berlaku", "B"), ("3", "batal", "C")]


async def test_deletes_and_does_not_raise_the_dead(application: Application) -> None:
    facts, ends = await opened(application), await opened(application, on_event="delete", columns=None)
    await apply(application, facts, delivery(1, nik="1", tempat="A"), delivery(2, nik="2", tempat="B"))
    await apply(application, ends, delivery(10, nik="1"), delivery(11, nik="9"))
    await apply(application, facts, delivery(5, nik="1", tempat="late"), delivery(6, nik="9", tempat="late"))
    assert await content(application) == [("2", "B", "e2")]
    await apply(application, facts, delivery(12, nik="1", tempat="again"))
    await apply(application, ends, delivery(3, nik="2"))
    await apply(application, ends, delivery(1, nik="2"))
    assert await content(application) == [("1", "again", "e12")]


async def test_another_unique_key_is_a_refusal_not_an_overwrite(application: Application) -> None:
    sink = await opened(application)
    await apply(application, sink, delivery(1, nik="1", tempat="A"))
    with pytest.raises(Rejected) as caught:
        await apply(application, sink, delivery(2, nik="2", tempat="A"))
    assert "data yang sama sudah ada" in str(caught.value)
    assert await content(application) == [("1", "A", "e1")]


async def test_columns_that_the_contract_leaves_alone_stay(application: Application) -> None:
    """Also where they may not be NULL: an update needs no value for them."""
    await application.run(
        "CREATE TABLE warga (nik varchar(16) PRIMARY KEY, nama varchar(20) NOT NULL, tempat varchar(9))"
    )
    await application.run("INSERT INTO warga VALUES ('1', 'x', 'A')")
    sink = await opened(application, table="warga", columns={"nik": "nik", "tempat": "tempat"})
    await apply(application, sink, delivery(1, nik="1", tempat="B"))
    assert await application.rows("SELECT * FROM warga") == [("1", "x", "B")]
    with pytest.raises(Rejected, match=r"isian wajib kosong.*nama"):
        await apply(application, sink, delivery(2, nik="2", tempat="B"))


async def test_all_of_a_batch_or_nothing(application: Application) -> None:
    sink = await opened(application)
    with pytest.raises(Rejected, match=r"isian melanggar aturan tabel.*cek_tempat"):
        await apply(application, sink, delivery(1, nik="1", tempat="A"), delivery(2, nik="2", tempat="RAHASIA"))
    assert await content(application) == []
    assert await application.rows("SELECT * FROM bus_version") == []
    await apply(application, sink, delivery(1, nik="1", tempat="A"))


async def test_values_become_what_the_columns_take(application: Application) -> None:
    moment = {"sqlite": "text", "postgresql": "timestamptz", "mariadb": "timestamp NULL"}[application.kind]
    local = {"sqlite": "datetime", "postgresql": "timestamp", "mariadb": "datetime"}[application.kind]
    await application.run(
        f"""CREATE TABLE segala (id bigint PRIMARY KEY, nik decimal(16,0), uang decimal(12,2), jumlah integer,
        lahir date, dicatat {moment}, lokal {local}, jenis varchar(5), daftar varchar(50), aktif boolean,
        kosong integer, kode varchar(5), json_ json, waktu {moment})"""
    )
    columns = {name: name for name in Segala.model_fields} | {"waktu": "$time"}
    sink = await opened(application, table="segala", key=["id"], columns=columns)
    await apply(application, sink, *(delivery(n, data=Segala(id=2**40 + n)) for n in (1, 2, 1)))
    await apply(application, sink, *(delivery(n, data=Segala(id=2**40 + n)) for n in (3, 4)))
    [row, *_] = await application.rows("SELECT * FROM segala ORDER BY id")
    values = dict(zip(Segala.model_fields, row, strict=True))
    assert values["id"] == 2**40 + 1
    assert values["nik"] == int(NIK)
    assert float(values["uang"]) == 1500.5
    assert values["jumlah"] == 7
    assert str(values["lahir"]) == "1990-02-01"
    assert str(values["lokal"]) == "2026-01-01 20:00:00"
    assert (values["jenis"], values["daftar"], values["kode"]) == ("a", '["a","b"]', "12")
    assert values["aktif"] == 1
    assert values["kosong"] is None
    assert str(values["json_"]).replace(" ", "") in {'{"a":1}', "{'a':1}"}
    async with application.engine.connect() as connection:
        if application.kind == "mariadb":
            await connection.exec_driver_sql("SET time_zone = '+00:00'")
        query = "SELECT dicatat, waktu FROM segala"
        recorded, time = (await connection.exec_driver_sql(query)).first() or ("", "")
    expected = {"sqlite": "20:00:00+07:00", "postgresql": "13:00:00+00:00", "mariadb": "13:00:00"}[application.kind]
    assert str(recorded).endswith(expected)
    assert "20:00:00" in str(time)


@pytest.mark.parametrize(("column", "kind"), [("jumlah", "integer"), ("lahir", "date"), ("dicatat", "timestamp NULL")])
async def test_a_value_that_does_not_fit_its_column_is_refused(
    application: Application, column: str, kind: str
) -> None:
    await application.run(f"CREATE TABLE sempit (nik varchar(20) PRIMARY KEY, {column} {kind})")
    sink = await opened(application, table="sempit", columns={"nik": "nik", column: "tempat"})
    with pytest.raises(Rejected, match=f"kolom {column}") as caught:
        await apply(application, sink, delivery(1, nik=NIK, tempat="Jl. Melati"))
    assert "Melati" not in str(caught.value)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_numbers_and_texts_too_large_are_refused_without_values(
    kind: str, request: pytest.FixtureRequest
) -> None:
    application = Application.of(kind, request)
    await application.run("CREATE TABLE sempit (nik varchar(16) PRIMARY KEY, n integer, t varchar(3))")
    for column, value in (("n", "99999999999"), ("t", "Melati")):
        sink = await opened(application, table="sempit", columns={"nik": "nik", column: "tempat"})
        with pytest.raises(Rejected) as caught:
            await apply(application, sink, delivery(1, nik=NIK, tempat=value))
        assert value not in str(caught.value)
        assert NIK not in str(caught.value)
    await application.engine.dispose()


async def test_columns_of_types_that_go_one_by_one(postgresql: Any) -> None:
    """An enumeration and an array do not go as arrays of many rows; beside them a key of a fixed length does."""
    application = Application("postgresql", postgresql.url)
    await application.run(
        "CREATE TYPE jenis AS ENUM ('a', 'b')",
        "CREATE TABLE campur (nik char(20) PRIMARY KEY, kode varchar(9), jenis jenis, daftar text[])",
    )
    plain = await opened(application, table="campur", columns={"nik": "nik", "kode": "kode"})
    own = await opened(application, table="campur", columns={name: name for name in ("nik", "jenis", "daftar")})
    ends = await opened(application, table="campur", on_event="delete", columns={"nik": "nik"})
    rows = [Segala(id=1, nik=f"{NIK}{n}") for n in range(3)]
    await apply(application, plain, *(delivery(n, data=row) for n, row in enumerate(rows[:2], 1)))
    await apply(application, own, *(delivery(n, data=row) for n, row in enumerate(rows, 3)))
    await apply(application, plain, *(delivery(n, data=row) for n, row in enumerate(rows[1:], 6)))
    await apply(application, ends, delivery(9, data=rows[0]))
    found = await application.rows("SELECT trim(nik), kode, jenis::text, daftar FROM campur ORDER BY nik")
    assert found == [(row.nik, "12", "a", ["a", "b"]) for row in rows[1:]]
    await application.engine.dispose()


async def test_a_column_that_is_widened_meanwhile(postgresql: Any) -> None:
    """What is too large for the type that was there goes alone, as the engine gives it after a batch that failed."""
    application = Application("postgresql", postgresql.url)
    await application.run("CREATE TABLE lebar (nik varchar(20) PRIMARY KEY, id integer)")
    sink = await opened(application, table="lebar", columns={"nik": "nik", "id": "id"})
    await application.run("ALTER TABLE lebar ALTER id TYPE bigint")
    large = [delivery(n, data=Segala(nik=str(n), id=2**40 + n)) for n in (1, 2)]
    with pytest.raises(Rejected):
        await apply(application, sink, *large)
    for each in large:
        await apply(application, sink, each)
    assert await application.rows("SELECT id FROM lebar ORDER BY nik") == [(2**40 + 1,), (2**40 + 2,)]
    await application.engine.dispose()


async def test_a_table_that_grows_is_not_looked_through(postgresql: Any) -> None:
    """Its plans are made while it is small, and PostgreSQL would keep them."""
    application = Application("postgresql", postgresql.url)
    await application.run("CREATE TABLE besar (nik varchar(16) PRIMARY KEY, tempat varchar(300))")
    sink = await opened(application, table="besar", columns={"nik": "nik", "tempat": "tempat"})
    batches = 500
    for start in range(0, 20 * batches, 20):
        await apply(application, sink, *(delivery(n, nik=str(n), tempat="A" * 300) for n in range(start, start + 20)))
    await application.engine.dispose()  # which brings the counts in
    [(looked, found)] = await application.rows(
        "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'besar'"
    )
    assert looked < batches / 2
    assert found > 20 * batches / 2
    await application.engine.dispose()


async def test_keys_that_a_database_holds_for_equal(mariadb: Any) -> None:
    """Without regard to case and accents: the second event is an update of the first one's row."""
    application = Application("mariadb", mariadb.url)
    await application.run("CREATE TABLE k (nik varchar(16) PRIMARY KEY, tempat varchar(9)) COLLATE utf8mb4_general_ci")
    sink = await opened(application, table="k", columns={"nik": "nik", "tempat": "tempat"})
    await apply(application, sink, delivery(1, nik="Ab", tempat="A"), delivery(2, nik="aB", tempat="B"))
    await apply(application, sink, delivery(3, nik="AB ", tempat="C"))
    await apply(application, sink, delivery(4, nik="Áb", tempat="D"), delivery(5, nik="ab", tempat="E"))
    await apply(application, sink, delivery(6, nik="äB", tempat="F"))
    assert await application.rows("SELECT tempat FROM k") == [("F",)]
    await application.engine.dispose()


async def test_keys_that_a_database_tells_apart(application: Application) -> None:
    """By case and by spaces at the end: each has a row of its own, also where they come together."""
    exact = " COLLATE utf8mb4_nopad_bin" if application.kind == "mariadb" else ""
    await application.run(f"CREATE TABLE k (nik varchar(16) PRIMARY KEY, tempat varchar(9)){exact}")
    sink = await opened(application, table="k", columns={"nik": "nik", "tempat": "tempat"})
    nows = [("Ab", "A"), ("aB", "B"), ("Ab ", "C"), ("ab", "D"), ("aB", "E")]
    await apply(application, sink, *(delivery(n, nik=key, tempat=now) for n, (key, now) in enumerate(nows)))
    await apply(application, sink, delivery(8, nik="AB", tempat="F"), delivery(9, nik="ab", tempat="G"))
    assert dict(await application.rows("SELECT nik, tempat FROM k")) == {**dict(nows), "AB": "F", "ab": "G"}


async def test_a_moment_in_a_key_is_the_same_in_every_zone(postgresql: Any) -> None:
    application = Application("postgresql", postgresql.url)
    await application.run("CREATE TABLE w (waktu timestamptz PRIMARY KEY, teks varchar(9))")
    sink = await opened(application, table="w", key=["waktu"], columns={"waktu": "dicatat", "teks": "nik"})
    for number, zone in enumerate((7, 0, 9), 1):
        when = datetime(2026, 1, 1, tzinfo=UTC).astimezone(timezone(timedelta(hours=zone)))
        await apply(application, sink, delivery(number, data=Segala(id=1, dicatat=when, nik=str(number))))
    assert await application.rows("SELECT teks FROM w") == [("3",)]
    await application.engine.dispose()


async def test_keys_of_several_columns(application: Application) -> None:
    await application.run(
        """CREATE TABLE p (nik varchar(16), tanggal date, tempat varchar(9), event_id varchar(9),
        PRIMARY KEY (nik, tanggal))"""
    )
    sink = await opened(application, table="p", key=["nik", "tanggal"])
    days = [date(2026, 1, day) for day in (1, 2, 1)]
    await apply(application, sink, *(delivery(n, nik="1", tanggal=day, tempat=str(n)) for n, day in enumerate(days)))
    await apply(application, sink, delivery(9, nik="1", tanggal=days[1], tempat="x"))
    assert await application.rows("SELECT tempat FROM p ORDER BY tanggal") == [("2",), ("x",)]
    with pytest.raises(Rejected, match="kolom kunci kosong"):
        await apply(application, sink, delivery(10, nik="1"))


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_row_that_the_application_makes_meanwhile(kind: str, request: pytest.FixtureRequest) -> None:
    """Our insert waits for the application's, finds the row and updates it."""
    application = Application.of(kind, request)
    await application.run(TABLE)
    sink = await opened(application)
    async with application.engine.begin() as own:
        await application.run_in(own, "INSERT INTO bus_kematian (nik, tempat) VALUES ('1', 'own')")
        task = asyncio.create_task(apply(application, sink, delivery(1, nik="1", tempat="A")))
        await _waits_for_a_lock(application)
        assert not task.done()
    await task
    assert await content(application) == [("1", "A", "e1")]
    await application.engine.dispose()


async def _waits_for_a_lock(application: Application) -> None:
    query = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%bus_kematian%FOR UPDATE'",
    }[application.kind]
    async with asyncio.timeout(20):
        while (await application.rows(query))[0][0] == 0:  # noqa: ASYNC110 - the event is in the server
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_subscriptions_that_write_the_same_rows_at_once(kind: str, request: pytest.FixtureRequest) -> None:
    """The newest version wins, whoever comes first; a deadlock is worth another attempt."""
    application = Application.of(kind, request)
    await application.run(TABLE)
    sink = await opened(application)

    async def write(events: Sequence[Delivery]) -> None:
        for _ in range(50):
            try:
                return await apply(application, sink, *events)
            except Unavailable:
                await asyncio.sleep(0)
        raise AssertionError("no attempt got through")

    for turn in range(5):
        old = [delivery(turn * 1000 + n, nik=str(n), tempat=f"old{turn}.{n}") for n in range(20)]
        new = [delivery(turn * 1000 + 500 + n, nik=str(n), tempat=f"new{turn}.{n}") for n in reversed(range(20))]
        await asyncio.gather(write(new), write(old))
        assert {row[1] for row in await content(application)} == {f"new{turn}.{n}" for n in range(20)}
    await application.engine.dispose()
