"""An application whose table is written, with triggers that note every write."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from adapters.connectors.sql_upsert import SqlUpsert, SqlUpsertConfig
from bus.envelope import Event
from bus.ports import Delivery
from tests.adapters.connectors.sql_application import CONTEXT, WIB, Application

NIK = "3571010101010001"
TABLE = """CREATE TABLE bus_kematian (nik varchar(16) PRIMARY KEY, tanggal date, tempat varchar(30) UNIQUE,
    event_id varchar(40), CONSTRAINT cek_tempat CHECK (tempat <> 'RAHASIA'))"""
NOTE = "INSERT INTO audit (event_id) VALUES (NEW.event_id)"
AUDIT = {
    "sqlite": [
        "CREATE TABLE audit (n INTEGER PRIMARY KEY, event_id TEXT)",
        f"CREATE TRIGGER audit_i AFTER INSERT ON bus_kematian BEGIN {NOTE}; END",
        f"CREATE TRIGGER audit_u AFTER UPDATE ON bus_kematian BEGIN {NOTE}; END",
    ],
    "postgresql": [
        "CREATE TABLE audit (n bigserial PRIMARY KEY, event_id text)",
        f"CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {NOTE}; RETURN NULL; END $$",
        "CREATE TRIGGER audit AFTER INSERT OR UPDATE ON bus_kematian FOR EACH ROW EXECUTE FUNCTION audit()",
    ],
    "mariadb": [
        "CREATE TABLE audit (n bigint AUTO_INCREMENT PRIMARY KEY, event_id varchar(40))",
        f"CREATE TRIGGER audit_i AFTER INSERT ON bus_kematian FOR EACH ROW {NOTE}",
        f"CREATE TRIGGER audit_u AFTER UPDATE ON bus_kematian FOR EACH ROW {NOTE}",
    ],
}


class Meninggal(BaseModel):
    nik: str
    tanggal: date | None = None
    tempat: str | None = None


def delivery(version: int, *, stream: str = "OPD_DUKCAPIL", data: BaseModel | None = None, **values: Any) -> Delivery:
    event = Event(f"e{version}", "/kediri/dukcapil/siak", "t", "TOKEN", "2026-01-31T20:00:00+00:00", b"{}")
    model = data or Meninggal(**values)
    return Delivery(event, model, frozenset(type(model).model_fields), stream, version)


async def office(application: Application) -> Application:
    """The application with its table and triggers."""
    await application.run(TABLE, *AUDIT[application.kind])
    return application


COLUMNS = {"nik": "nik", "tanggal": "tanggal", "tempat": "tempat", "event_id": "$id"}


def upsert(application: Application, **options: Any) -> SqlUpsert:
    defaults = {"table": "bus_kematian", "key": ["nik"], "columns": COLUMNS}
    return SqlUpsert(SqlUpsertConfig.model_validate({"url": application.url, **defaults, **options}), CONTEXT)


async def opened(application: Application, **options: Any) -> SqlUpsert:
    sink = upsert(application, **options)
    await sink.open()
    return sink


async def apply(application: Application, sink: SqlUpsert, *deliveries: Delivery) -> None:
    async with application.engine.begin() as transaction:
        assert await sink.apply(deliveries, transaction) == ()


async def content(application: Application) -> list[tuple[Any, ...]]:
    return await application.rows("SELECT nik, tempat, event_id FROM bus_kematian ORDER BY nik")


async def audit(application: Application) -> list[str]:
    return [row[0] for row in await application.rows("SELECT event_id FROM audit ORDER BY n")]


class Jenis(StrEnum):
    A = "a"


class Segala(BaseModel):
    id: int
    nik: str = NIK
    uang: Decimal = Decimal("1500.50")
    jumlah: Decimal = Decimal("7")
    lahir: date = date(1990, 2, 1)
    dicatat: datetime = datetime(2026, 1, 1, 20, 0, tzinfo=WIB)
    lokal: datetime = datetime(2026, 1, 1, 20, 0, tzinfo=WIB)
    jenis: Jenis = Jenis.A
    daftar: tuple[str, ...] = ("a", "b")
    aktif: bool = True
    kosong: str | None = None
    kode: int = 12
    json_: dict[str, int] = {"a": 1}
    waktu: str = "x"
