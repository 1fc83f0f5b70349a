"""sql_upsert, sql_call, and a handler with a database, in the conformance suite of sinks, each of their databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.connectors.sql_call import SqlCall, SqlCallConfig
from adapters.connectors.sql_upsert import SqlUpsert, SqlUpsertConfig
from bus import database
from bus.ports import Delivery, Sink
from bus.testing import SinkApplication, SinkContract, handler_sink
from bus.testing.events import BarisBerubah
from bus.testing.targets import BATCH, Target, numbered
from tests.adapters.connectors.sql_application import CONTEXT, KINDS, Application, Door

TABLE = "CREATE TABLE sasaran (kunci varchar(60) PRIMARY KEY, nilai text, event_id varchar(40))"
LOGGED = "INSERT INTO catatan (event_id) VALUES (NEW.event_id)"
REFUSED = "nilai_ditolak"
TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER catat_i AFTER INSERT ON sasaran BEGIN {LOGGED}; END",
        f"CREATE TRIGGER catat_u AFTER UPDATE ON sasaran BEGIN {LOGGED}; END",
        *(
            f"CREATE TRIGGER tolak_{when} BEFORE {when} ON sasaran WHEN NEW.nilai IN (SELECT nilai FROM ditolak) "
            "BEGIN SELECT RAISE(ABORT, 'ditolak'); END"
            for when in ("INSERT", "UPDATE")
        ),
    ],
    "postgresql": [
        f"CREATE FUNCTION catat() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {LOGGED}; RETURN NULL; END $$",
        "CREATE TRIGGER catat AFTER INSERT OR UPDATE ON sasaran FOR EACH ROW EXECUTE FUNCTION catat()",
        "CREATE FUNCTION tolak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.nilai IN (SELECT nilai FROM ditolak) THEN "
        "RAISE EXCEPTION 'ditolak' USING ERRCODE = '23514'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER tolak BEFORE INSERT OR UPDATE ON sasaran FOR EACH ROW EXECUTE FUNCTION tolak()",
    ],
    "mariadb": [
        f"CREATE TRIGGER catat_i AFTER INSERT ON sasaran FOR EACH ROW {LOGGED}",
        f"CREATE TRIGGER catat_u AFTER UPDATE ON sasaran FOR EACH ROW {LOGGED}",
        *(
            f"CREATE TRIGGER tolak_{when} BEFORE {when} ON sasaran FOR EACH ROW "
            "IF NEW.nilai IN (SELECT nilai FROM ditolak) THEN "
            "SIGNAL SQLSTATE '23000' SET MESSAGE_TEXT = 'ditolak'; END IF"
            for when in ("INSERT", "UPDATE")
        ),
    ],
}

# The application's own way in; it knows nothing of versions. SQLite has no procedures: there it is a statement.
INSERTED = "INSERT INTO sasaran (kunci, nilai, event_id) VALUES ({0}kunci, {0}nilai, {0}id)"
STATEMENT = (
    INSERTED.format(":") + " ON CONFLICT (kunci) DO UPDATE SET nilai = excluded.nilai, event_id = excluded.event_id"
)
PROCEDURE = {
    "sqlite": [],
    "postgresql": [
        "CREATE PROCEDURE terima(p_kunci text, p_nilai text, p_id text) LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE sasaran SET nilai = p_nilai, event_id = p_id WHERE kunci = p_kunci; "
        f"IF NOT FOUND THEN {INSERTED.format('p_')}; END IF; END $$"
    ],
    "mariadb": [
        "CREATE PROCEDURE terima(p_kunci varchar(60), p_nilai text, p_id varchar(40)) "
        f"{INSERTED.format('p_')} ON DUPLICATE KEY UPDATE nilai = p_nilai, event_id = p_id"
    ],
}
DROPPED = "DROP PROCEDURE terima"


class Office:
    """An application whose triggers log each write and refuse what is listed, behind a door that can be shut."""

    def __init__(self, own: Application, door: Door) -> None:
        self._own, self._door, self.kind = own, door, own.kind
        self.away, self.back = door.shut, door.reopen
        self.disturb, self.suffered, self.calm = door.disturb, door.suffered, door.calm
        self.kill, self.start = own.kill, own.start
        self.backlog = 200_000 if own.kind == "postgresql" else 20_000

    def sink(self) -> Sink:
        return self._writing(self._door.url)

    def stranger(self) -> Sink | None:
        return self._writing(url) if (url := self._door.strange_url) else None

    def _writing(self, url: str) -> Sink:
        options = {"url": url, "table": "sasaran", "key": ["kunci"]}
        columns = {"kunci": "kunci", "nilai": "nilai", "event_id": "$id"}
        return SqlUpsert(SqlUpsertConfig.model_validate({**options, "columns": columns}), CONTEXT)

    async def rows(self) -> Mapping[str, str]:
        return dict(await self._own.rows("SELECT kunci, nilai FROM sasaran"))

    async def writes(self) -> Sequence[str]:
        return [event_id for (event_id,) in await self._own.rows("SELECT event_id FROM catatan ORDER BY n")]

    heard = writes

    async def transactions(self) -> int:
        """How many have written something, this question included where the server counts it."""
        question = {
            "postgresql": "SELECT count(DISTINCT xmin::text) FROM catatan",
            "mariadb": "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'COM_COMMIT'",
        }
        ((count,),) = await self._own.rows(question[self.kind])
        return int(count)

    async def refuse(self, value: str | None) -> None:
        await self._own.run("DELETE FROM ditolak", *([f"INSERT INTO ditolak VALUES ('{value}')"] if value else []))

    async def extend(self) -> None:
        await self._own.run("ALTER TABLE sasaran ADD COLUMN tambahan varchar(20) DEFAULT 'baru'")

    async def withdraw(self) -> None:
        await self._own.run("ALTER TABLE sasaran RENAME COLUMN nilai TO isian")

    async def restore(self) -> None:
        await self._own.run("ALTER TABLE sasaran RENAME COLUMN isian TO nilai")

    async def close(self) -> None:
        await self._own.engine.dispose()


class CallingOffice(Office):
    """The same table, written by the application's own procedure."""

    def _writing(self, url: str) -> Sink:
        fields: dict[str, str] = {"kunci": "kunci", "nilai": "nilai", "id": "$id"}
        what = (
            {"statement": STATEMENT, "parameters": fields}
            if self._own.kind == "sqlite"
            else {"call": "terima", "parameters": {f"p_{name}": field for name, field in fields.items()}}
        )
        return SqlCall(SqlCallConfig.model_validate({"url": url, "key": ["kunci"], **what}), CONTEXT)

    async def extend(self) -> None:
        """The procedure gets a parameter too, where one may be left out."""
        await super().extend()
        if self.kind == "postgresql":
            longer = [
                each.replace("p_id text)", "p_id text, p_tambahan text DEFAULT '')") for each in PROCEDURE[self.kind]
            ]
            await self._own.run(DROPPED, *longer)

    async def withdraw(self) -> None:
        if self.kind == "sqlite":
            await super().withdraw()
        else:
            await self._own.run(DROPPED)

    async def restore(self) -> None:
        if self.kind == "sqlite":
            await super().restore()
        else:
            await self._own.run(*PROCEDURE[self.kind])


class HandlerOffice(Office):
    """The same table, written by a handler."""

    def _writing(self, url: str) -> Sink:
        return handler_sink(keep_row, url)


async def keep_row(event: BarisBerubah, delivery: Delivery, transaction: AsyncConnection) -> None:
    """A handler as a department would write it: the newest event of a key counts."""
    values = {"kunci": event.kunci, "nilai": event.nilai, "id": delivery.event.id, "urutan": delivery.version}
    newest = await transaction.scalar(text("SELECT urutan FROM urutan WHERE kunci = :kunci"), values)
    if newest is not None and newest > delivery.version:
        return
    if newest is None:
        await transaction.execute(text("INSERT INTO urutan VALUES (:kunci, :urutan)"), values)
        await transaction.execute(text(INSERTED.format(":")), values)
        return
    await transaction.execute(text("UPDATE urutan SET urutan = :urutan WHERE kunci = :kunci"), values)
    await transaction.execute(text("UPDATE sasaran SET nilai = :nilai, event_id = :id WHERE kunci = :kunci"), values)


async def _office(kind: str, of: type[Office], request: pytest.FixtureRequest, proxy: Any) -> Office:
    own = Application.of(kind, request)
    if kind == "sqlite":  # whose file is held: the patience of its driver is this suite's time
        request.getfixturevalue("monkeypatch").setattr(database, "CONNECT_TIMEOUT", 1)
    await own.run(
        TABLE,
        "CREATE TABLE catatan (n {serial}, event_id varchar(40))",
        "CREATE TABLE ditolak (nilai varchar(60))",
        "CREATE TABLE urutan (kunci varchar(60) PRIMARY KEY, urutan bigint)",
        *TRIGGERS[kind],
        *PROCEDURE[kind],
    )
    return of(own, await Door.to(own, proxy))


class SqlSink(SinkContract):
    """The suite on each kind of database."""

    office: ClassVar[type[Office]]

    @pytest_asyncio.fixture(params=KINDS)
    async def application(self, request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[SinkApplication]:
        office = await _office(request.param, self.office, request, proxy)
        yield office
        await office.close()


class TogetherSink(SqlSink):
    """And what applies a batch as a whole."""

    @pytest.mark.parametrize("application", ["postgresql", "mariadb"], indirect=True)
    async def test_hundreds_of_events_share_a_transaction(self, application: Office, target: Target) -> None:
        before = await application.transactions()

        await target.deliver(numbered([(f"k{number}", f"isi {number}") for number in range(BATCH)]))

        assert len(await application.rows()) == BATCH
        assert await application.transactions() - before <= BATCH // 50  # opening has some of its own


class TestSqlUpsert(TogetherSink):
    office = Office

    @pytest.fixture
    def large(self, application: Office) -> int:
        return application.backlog


class TestSqlCall(TogetherSink):
    office = CallingOffice

    @pytest.fixture
    def large(self) -> int:
        return 20_000


class TestHandler(SqlSink):
    office = HandlerOffice

    @pytest.fixture
    def large(self, application: Office) -> int:
        return 20_000 if application.kind == "postgresql" else 5_000  # one by one, a millisecond or two each
