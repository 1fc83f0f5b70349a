"""sql_call: procedures, functions and statements, with values of every kind, and what the owner may get wrong."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel, ValidationError

from adapters.connectors.sql_call import SqlCall, SqlCallConfig
from bus.errors import AccessError, ConfigError, Rejected, Unavailable
from tests.adapters.connectors.sql_application import CONTEXT, WIB, Application
from tests.adapters.connectors.upsert_office import Jenis, delivery

NIK = "3571010101010001"
TABLE = (
    "CREATE TABLE kematian (n {serial}, nik varchar(16), tanggal date, dicatat {moment}, uang numeric(12,2), "
    "jumlah integer, jenis varchar(9), daftar varchar(90), asal varchar(60))"
)
COLUMNS = "nik, tanggal, dicatat, uang, jumlah, jenis, daftar, asal"
PARAMETERS = {
    "p_nik": "nik",
    "p_tanggal": "tanggal",
    "p_dicatat": "dicatat",
    "p_uang": "uang",
    "p_jumlah": "jumlah",
    "p_jenis": "jenis",
    "p_daftar": "daftar",
    "p_asal": "$source",
}
VALUES = ", ".join(PARAMETERS)
STATEMENT = f"INSERT INTO kematian ({COLUMNS}) VALUES ({', '.join(f':{name}' for name in PARAMETERS)})"
ROUTINES = {
    "sqlite": [],
    "postgresql": [
        "CREATE PROCEDURE catat(p_nik varchar, p_tanggal date, p_dicatat timestamptz, p_uang numeric, p_jumlah int, "
        "p_jenis text, p_daftar json, p_asal text) LANGUAGE plpgsql AS $$ BEGIN "
        "IF p_nik = 'ditolak' THEN RAISE EXCEPTION 'tidak mau %', p_nik; END IF; "
        "IF p_nik = 'sendiri' THEN RAISE EXCEPTION USING ERRCODE = 'KDR01'; END IF; "
        f"INSERT INTO kematian ({COLUMNS}) VALUES ({VALUES}); END $$",
        "CREATE FUNCTION hitung(p_nik varchar) RETURNS SETOF bigint LANGUAGE sql AS $$ "
        "INSERT INTO kematian (nik) VALUES (p_nik) RETURNING n $$",
        "CREATE PROCEDURE selesai(p_nik varchar) LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
    ],
    "mariadb": [
        "CREATE PROCEDURE catat(p_nik varchar(16), p_tanggal date, p_dicatat datetime, p_uang numeric(12,2), "
        "p_jumlah int, p_jenis varchar(9), p_daftar varchar(90), p_asal varchar(60)) BEGIN "
        "IF p_nik = 'ditolak' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'tidak mau'; END IF; "
        "IF p_nik = 'sendiri' THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001; END IF; "
        f"INSERT INTO kematian ({COLUMNS}) VALUES ({VALUES}); SELECT 'satu hasil'; SELECT 'dan lagi'; END",
        "CREATE FUNCTION hitung(p_nik varchar(16)) RETURNS bigint DETERMINISTIC BEGIN "
        "INSERT INTO kematian (nik) VALUES (p_nik); RETURN LAST_INSERT_ID(); END",
        "CREATE PROCEDURE selesai(p_nik varchar(16)) BEGIN COMMIT; END",
        "CREATE PROCEDURE keluar(OUT p_nik varchar(16)) BEGIN SET p_nik = 'x'; END",
    ],
}


class Kematian(BaseModel):
    nik: str
    tanggal: date | None = date(2026, 3, 14)
    dicatat: datetime = datetime(2026, 1, 1, 20, 0, tzinfo=WIB)
    uang: Decimal = Decimal("1500.50")
    jumlah: int = 7
    jenis: Jenis = Jenis.A
    daftar: tuple[str, ...] = ("a", "b")


@pytest_asyncio.fixture
async def application(application: Application) -> Application:
    await application.run(TABLE, *ROUTINES[application.kind])
    return application


@pytest.fixture
def options(application: Application) -> dict[str, Any]:
    """How that database is called: by a procedure, or by a statement where it has none."""
    what = {"statement": STATEMENT} if application.kind == "sqlite" else {"call": "catat"}
    return {**what, "parameters": PARAMETERS}


async def opened(application: Application, **options: Any) -> SqlCall:
    sink = SqlCall(SqlCallConfig.model_validate({"url": application.url, **options}), CONTEXT)
    await sink.open()
    return sink


async def apply(application: Application, sink: SqlCall, *models: BaseModel | Any) -> None:
    deliveries = [each if not isinstance(each, BaseModel) else delivery(1, data=each) for each in models]
    async with application.engine.begin() as transaction:
        assert await sink.apply(deliveries, transaction) == ()


async def niks(application: Application) -> list[str]:
    return [row[0] for row in await application.rows("SELECT nik FROM kematian ORDER BY n")]


async def test_values_of_every_kind_arrive_as_they_are(application: Application, options: dict[str, Any]) -> None:
    sink = await opened(application, **options)

    await apply(application, sink, Kematian(nik=NIK), Kematian(nik="2", tanggal=None))

    first, second = await application.rows(f"SELECT {COLUMNS} FROM kematian ORDER BY n")
    nik, died, noted, money, count, kind, listed, source = first
    assert (nik, str(died), float(money), count, kind, listed) == (NIK, "2026-03-14", 1500.5, 7, "a", '["a","b"]')
    moment = noted if isinstance(noted, datetime) else datetime.fromisoformat(noted)
    assert (moment if moment.tzinfo else moment.replace(tzinfo=WIB)) == Kematian(nik="").dicatat
    assert source == "/kediri/dukcapil/siak"
    assert second[:2] == ("2", None)


async def test_parameters_in_their_order_or_by_name_alone(application: Application) -> None:
    if application.kind == "sqlite":
        sink = await opened(application, statement="INSERT INTO kematian (nik, tanggal) VALUES (:nik, :tanggal)")
    else:
        sink = await opened(application, call="catat", parameters=list(PARAMETERS.values()))

    await apply(application, sink, Kematian(nik=NIK))

    assert [str(row[0]) for row in await application.rows("SELECT tanggal FROM kematian")] == ["2026-03-14"]


async def test_functions_and_statements(application: Application) -> None:
    """A statement does on each database; a function's result is dropped."""
    insert = "INSERT INTO kematian (nik, tanggal, asal) VALUES (:nik, :tanggal, '10% : ?')"
    sink = await opened(application, statement=insert)
    await apply(application, sink, Kematian(nik="1"), Kematian(nik="2"))
    if application.kind != "sqlite":
        schema = {"postgresql": "public", "mariadb": application.engine.url.database}[application.kind]
        sink = await opened(application, call=f"{schema}.hitung", parameters=["nik"])
        await apply(application, sink, Kematian(nik="3"), Kematian(nik="4"))

    assert await niks(application) == ["1", "2", "3", "4"][: 2 if application.kind == "sqlite" else 4]


async def test_with_a_key_older_events_are_skipped(application: Application, options: dict[str, Any]) -> None:
    sink = await opened(application, **options, key=["nik"])
    events = {version: delivery(version, data=Kematian(nik="1", jumlah=version)) for version in (3, 5, 9)}

    await apply(application, sink, events[5], delivery(4, data=Kematian(nik="2", jumlah=4)), events[3])
    await apply(application, sink, events[3], events[9])

    assert await application.rows("SELECT nik, jumlah FROM kematian ORDER BY n") == [("1", 5), ("2", 4), ("1", 9)]


async def test_what_the_procedure_refuses_is_rejected(application: Application, options: dict[str, Any]) -> None:
    sink = await opened(application, **options)
    words = ["ditolak", "sendiri"]
    if application.kind == "sqlite":
        await application.run(
            "CREATE TRIGGER tolak BEFORE INSERT ON kematian WHEN NEW.nik IN ('ditolak', 'sendiri') "
            "BEGIN SELECT RAISE(ABORT, 'ditolak'); END"
        )
    for word in words:
        with pytest.raises(Rejected) as caught:
            await apply(application, sink, Kematian(nik="1"), Kematian(nik=word))
        assert "tidak mau" not in str(caught.value)
    if application.kind == "postgresql":
        typed = await opened(application, **{**options, "parameters": {**PARAMETERS, "p_tanggal": "nik"}})
        with pytest.raises(Rejected, match="kolom nik: isi tidak cocok"):
            await apply(application, typed, Kematian(nik="bukan tanggal"))

    assert await niks(application) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"call": "tidak_ada"}, "no procedure or function tidak_ada"),
        ({"call": "hitung", "parameters": ["nik", "tanggal"]}, "42883|takes 1 parameters: p_nik"),
        ({"call": "hitung", "parameters": {"p_nama": "nik"}}, "42883|parameters of hitung are p_nik"),
        ({"call": "keluar", "parameters": ["nik"]}, "OUT parameters|no procedure"),
        ({"statement": "INSERT INTO tidak_ada VALUES (:nik)"}, "no such table|does not fit"),
    ],
)
async def test_a_wrong_option_is_named_in_one_line(
    application: Application, options: dict[str, Any], words: str
) -> None:
    if application.kind == "sqlite" and "call" in options:
        words = "no stored procedures"
    with pytest.raises(ConfigError, match=words) as caught:
        await apply(application, await opened(application, **options), Kematian(nik="1"))
    assert str(caught.value).startswith("dukcapil/siak mutasi to ")


async def test_a_procedure_that_ends_the_transaction_stops_the_subscription(application: Application) -> None:
    if application.kind == "sqlite":
        sink = await opened(application, statement="SELECT 1 WHERE :nik = ''")
        await apply(application, sink, Kematian(nik="1"))
        return
    sink = await opened(application, call="selesai", parameters=["nik"])
    with pytest.raises(ConfigError):
        await apply(application, sink, Kematian(nik="1"))


async def test_who_may_not_call_it_is_told(postgresql: Any, mariadb: Any) -> None:
    for kind, database in (("postgresql", postgresql), ("mariadb", mariadb)):
        own = Application(kind, database.url)
        await own.run(TABLE, *ROUTINES[kind], *GUEST[kind])
        url = own.engine.url.set(username="tamu", password="tamu", drivername=kind)
        guest = Application(kind, url.render_as_string(hide_password=False))
        try:
            with pytest.raises((AccessError, ConfigError), match=r"refuses|may this user execute it"):
                await apply(guest, await opened(guest, call="catat", parameters=PARAMETERS), Kematian(nik="1"))
        finally:
            await guest.engine.dispose()
            await own.run(*GUEST_GOES[kind])
            await own.engine.dispose()


GUEST = {
    "postgresql": [
        "REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public FROM PUBLIC",
        "CREATE ROLE tamu LOGIN PASSWORD 'tamu'",
    ],
    "mariadb": ["CREATE USER tamu IDENTIFIED BY 'tamu'", "GRANT SELECT ON kematian TO tamu"],
}
GUEST_GOES = {"postgresql": ["DROP OWNED BY tamu", "DROP ROLE tamu"], "mariadb": ["DROP USER tamu"]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either `call` or `statement`"),
        ({"call": "a", "statement": "b"}, "either `call` or `statement`"),
        ({"call": "a", "parameters": ["$nama"]}, "an event has no \\$nama"),
        ({"statement": "SELECT :nik", "parameters": {"nama": "nik"}}, "the statement has no :nama"),
        ({"statement": "SELECT :nik", "parameters": ["nik"]}, "parameters have names"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SqlCallConfig.model_validate({"url": "sqlite:///x", **options})


def test_it_tells_the_fields_that_it_needs() -> None:
    config = SqlCallConfig.model_validate(
        {
            "url": "-",
            "statement": "SELECT :nik, :mati, :id",
            "parameters": {"mati": "tanggal", "id": "$id"},
            "key": ["no"],
        }
    )
    assert SqlCall.needs(config) == {"nik", "tanggal", "no"}


async def test_a_database_that_is_away(tmp_path: Any) -> None:
    sink = SqlCall(SqlCallConfig(url=f"sqlite:///{tmp_path / 'tidak' / 'ada.db'}", statement="SELECT :nik"), CONTEXT)
    with pytest.raises(Unavailable):
        await sink.open()
