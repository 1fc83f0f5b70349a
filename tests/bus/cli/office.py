"""A small city for the tests of commands: one publisher, one subscriber that works, one that was never started."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from typer.testing import CliRunner, Result

from bus.cli.main import app

T = TypeVar("T")

DIED = "kependudukan.penduduk.meninggal.v1"
STOPPED = "sosial.penerima.dihentikan.v1"
PLACE = "kependudukan-penduduk-meninggal-v1"
REFUSED_ON = "2026-02-02"  #: the date on which the social office refuses deaths until it is repaired

_HEAD = 'title = "Aplikasi uji"\nowner = "Bidang uji"\ncontact = "uji@kediri.example"\nstage = "pilot"\n'
_SUBSCRIBE = f"""
[[subscribe]]
event   = "{DIED}"
purpose = "Pemutakhiran data"
basis   = "UU 24/2013 pasal 58"
fields  = ["nik", "tanggal_meninggal"]
start   = "all"
handler = "mapping:terima"
"""
CONTRACTS = {
    "dukcapil/siak": f"""
app = "siak"
opd = "dukcapil"
{_HEAD}
[source.mutasi]
connector = "sql_poll"
url       = "env:SIAK_URL"
query     = "SELECT id, nik, tgl FROM log"
key       = ["id"]
watermark = "id"
poll      = 0.05

[[publish]]
event = "{DIED}"
from  = "mutasi"
basis = "UU 24/2013 pasal 44"
map   = {{ nik = "nik", tanggal_meninggal = "tgl" }}
""",
    "dinsos/bansos": f"""
app = "bansos"
opd = "dinsos"
{_HEAD}
[[publish]]
event = "{STOPPED}"
basis = "UU 13/2011"
{_SUBSCRIBE}""",
    "bppkad/pajak": f"""
app = "pajak"
opd = "bppkad"
{_HEAD}{_SUBSCRIBE}""",
}
_HANDLER = f"""
from pathlib import Path

from bus.errors import Rejected
from schemas.kependudukan import PendudukMeninggal
from schemas.sosial import PenerimaDihentikan

REPAIRED = Path(__file__).with_name("repaired")


async def terima(event: PendudukMeninggal) -> list[PenerimaDihentikan]:
    if str(event.tanggal_meninggal) == "{REFUSED_ON}" and not REPAIRED.exists():
        raise Rejected("tabel penerima belum siap")
    return [
        PenerimaDihentikan(nik=event.nik, program="BPNT", alasan="Meninggal", tanggal=event.tanggal_meninggal)
    ]
"""


def write_contracts(root: Path) -> Path:
    """The departments' folders."""
    for name, text in CONTRACTS.items():
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "adapter.toml").write_text(text, encoding="utf-8")
        if "subscribe" in text:
            (folder / "mapping.py").write_text(_HANDLER, encoding="utf-8")
    return root


class Register:
    """The register's database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._execute("PRAGMA journal_mode = WAL")  # the adapter that reads it is never in the way
        self._execute("CREATE TABLE log (id INTEGER PRIMARY KEY, nik TEXT, tgl TEXT)")

    def dies(self, nik: str, day: str) -> int:
        """Adds a row and returns its id."""
        return self._execute("INSERT INTO log (nik, tgl) VALUES (?, ?)", nik, day)

    def corrects(self, row: int, nik: str) -> None:
        """Changes the NIK of a row."""
        self._execute("UPDATE log SET nik = ? WHERE id = ?", nik, row)

    def _execute(self, statement: str, *values: Any) -> int:
        db = sqlite3.connect(self._path, timeout=30)
        with db:
            number = db.execute(statement, values).lastrowid
        db.close()
        return number or 0


@dataclass
class Office:
    """A bus that runs, and the commands that ask it."""

    home: Path
    departments: Path
    register: Register
    url: str

    async def bus(self, *arguments: str | Path, code: int = 0, given: str | None = None, **environment: str) -> Result:
        """Runs a command as a second terminal would, and checks its exit code."""
        settings = {"BUS_HOME": str(self.home), **environment}
        return await call(*arguments, code=code, given=given, environment=settings)

    async def json(self, *arguments: str | Path, **options: Any) -> Any:
        """The one JSON document that a command prints."""
        result = await self.bus(*arguments, "--json", **options)
        lines = result.stdout.splitlines()
        assert len(lines) == 1, result.output
        return json.loads(lines[0])

    def repair(self, done: bool = True) -> None:
        """The social office's table is back (or gone again)."""
        mark = self.departments / "dinsos/bansos/repaired"
        mark.touch() if done else mark.unlink(missing_ok=True)


async def call(
    *arguments: str | Path, code: int = 0, given: str | None = None, environment: dict[str, str] | None = None
) -> Result:
    """Runs a command in a thread (it has an event loop of its own) and checks its exit code."""
    result = await asyncio.to_thread(
        CliRunner().invoke, app, [str(each) for each in arguments], input=given, env=environment, prog_name="bus"
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


async def eventually(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float = 30) -> T:
    """Asks until the answer holds, and returns it."""
    last: Any = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                last = await ask()
                if holds(last):
                    return last
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s; the last answer was {last}") from None
