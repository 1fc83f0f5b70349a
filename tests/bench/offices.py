"""Two offices with databases of their own in PostgreSQL, the bus between them, and their adapters as processes.

    siak: table kematian --sql_poll--> bus --sql_upsert--> bansos: table meninggal, whose trigger notes each write
    tangkap: the same table --sql_cdc--> bus, in siak's place
    berkas: a folder of workbooks --file_drop--> bus

Times are the databases' own: a row's ``dibuat`` in the source, and in the target a trigger that fires at the commit.
Both databases are on one server, so that one clock is read.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bus import config
from bus.config import Settings
from bus.contracts import load_all
from bus.observability import logging
from bus.platform import Platform
from tests.bench import system
from tests.bench.rows import EVENT
from tests.servers import guard, postgresql
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import Database

ROOT = Path(__file__).parents[2]
PROFILED = Path(__file__).with_name("profiled.py")
STOP_TIMEOUT = 20.0
LOOK = 0.2  #: seconds between two looks at what has changed
PATIENCE = 120.0  #: seconds until what was inserted must have arrived

SIAK, TANGKAP, BERKAS = "dukcapil/siak", "dukcapil/tangkap", "dukcapil/berkas"
BANSOS, KOSONG = "dinsos/bansos", "dinkes/kosong"

CAPTURE_TABLE = """
CREATE TABLE kematian (
    id {id}, nik varchar(16) NOT NULL, tanggal date NOT NULL, tempat varchar(60), no_akta varchar(40), dibuat {moment}
);
"""
SOURCE = """
CREATE TABLE kematian (
    id bigserial PRIMARY KEY, nik text NOT NULL, tanggal date NOT NULL, tempat text, no_akta text,
    dibuat timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON kematian (dibuat, id);
CREATE TABLE kosong (id bigserial PRIMARY KEY, nik text NOT NULL, tanggal date NOT NULL, diubah timestamptz NOT NULL);
"""
TARGET = """
CREATE TABLE meninggal (nik text PRIMARY KEY, tanggal_meninggal date, tempat text, no_akta text);
CREATE TABLE tiba (nik text NOT NULL, pada timestamptz NOT NULL);
CREATE FUNCTION catat() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO tiba VALUES (NEW.nik, clock_timestamp()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER catat AFTER INSERT OR UPDATE ON meninggal DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION catat();
CREATE TABLE kosong (nik text PRIMARY KEY, tanggal_meninggal date);
"""

HEAD = 'app = "{app}"\nopd = "{opd}"\ntitle = "Bench"\nowner = "Bench"\ncontact = "bench"\nstage = "pilot"\n'
CONTRACTS = {
    SIAK: f"""
[source.kematian]
connector = "sql_poll"
url = "env:SOURCE_URL"
query = "SELECT id, nik, tanggal, tempat, no_akta, dibuat FROM kematian"
key = ["id"]
watermark = "dibuat"
poll = 0.05

[[publish]]
event = "{EVENT}"
from = "kematian"
basis = "pengukuran"
map = {{ nik = "nik", tanggal_meninggal = "tanggal", tempat = "tempat", no_akta = "no_akta" }}
""",
    TANGKAP: f"""
[source.kematian]
connector = "sql_cdc"
url = "env:CAPTURE_URL"
tables.kematian.columns = ["nik", "tanggal", "tempat", "no_akta"]

[[publish]]
event = "{EVENT}"
from = "kematian"
basis = "pengukuran"
map = {{ nik = "nik", tanggal_meninggal = "tanggal", tempat = "tempat", no_akta = "no_akta" }}
""",
    BERKAS: f"""
[source.kematian]
connector = "file_drop"
folder = "env:DROP_FOLDER"
pattern = "*.xlsx"
key = ["no_akta"]

[[publish]]
event = "{EVENT}"
from = "kematian"
basis = "pengukuran"
map = {{ nik = "nik", tanggal_meninggal = "tanggal", tempat = "tempat", no_akta = "no_akta" }}
""",
    BANSOS: f"""
[[subscribe]]
event = "{EVENT}"
purpose = "pengukuran"
basis = "pengukuran"
fields = ["nik", "tanggal_meninggal", "tempat", "no_akta"]
start = "all"
to = {{ connector = "sql_upsert", url = "env:TARGET_URL", table = "meninggal", key = ["nik"] }}
""",
    KOSONG: f"""
[source.kosong]
connector = "sql_poll"
url = "env:SOURCE_URL"
query = "SELECT id, nik, tanggal, diubah FROM kosong"
key = ["id"]
watermark = "diubah"
poll = 0.05

[[publish]]
event = "kesehatan.kematian.tercatat.v1"
from = "kosong"
basis = "pengukuran"
map = {{ nik = "nik", tanggal_meninggal = "tanggal" }}

[[subscribe]]
event = "{EVENT}"
purpose = "pengukuran"
basis = "pengukuran"
fields = ["nik", "tanggal_meninggal"]
to = {{ connector = "sql_upsert", url = "env:TARGET_URL", table = "kosong", key = ["nik"] }}
""",
}


@dataclass(slots=True)
class Offices:
    """The offices, their databases, and what is started of them."""

    home: Path
    settings: Settings
    source: Database
    target: Database
    platform: Platform
    database_pid: int
    variables: dict[str, str] = field(default_factory=dict)  #: that the adapters are given
    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, name: str, *options: str, profiled: bool = False) -> None:
        """Starts the adapter of an office as a process; its profile, if wanted, is written when it stops."""
        program = [str(PROFILED), str(self.profile(name))] if profiled else ["-m", "bus"]
        with self.log(name).open("ab") as output:
            self.running[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                *program,
                "run",
                str(self.home / "contracts" / name),
                *options,
                cwd=self.home,
                env=environment(BUS_HOME=str(self.home / "bus"), **self.variables),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def stop(self, *names: str) -> None:
        """Stops adapters in order (none named: all), so that profiles are written."""
        for name in names or list(self.running):
            process = self.running.pop(name)
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def active(self, name: str) -> None:
        """Waits until an adapter says that it is the active one."""
        while "active" not in self.log(name).read_text():
            self.pid(name)
            await asyncio.sleep(LOOK)

    def pid(self, name: str) -> int:
        """The process id of an adapter that runs. Raises RuntimeError, with the end of its log, where it has ended."""
        process = self.running[name]
        if process.returncode is not None:
            raise RuntimeError(f"{name} ended ({process.returncode}):\n{self.log(name).read_text()[-1500:]}")
        return process.pid

    async def arrived(self, count: int) -> None:
        """Waits until so many rows have arrived in all. Raises RuntimeError where they do not."""

        async def rows() -> int:
            return int((await self.ask(self.target, "SELECT count(*) FROM tiba"))[0][0])

        await self.reached(rows, count, "rows arrived")

    async def reached(self, seen: Callable[[], Awaitable[int]], wanted: int, what: str) -> None:
        """Waits until so many of something are seen. Raises RuntimeError where they are not, or an adapter ends."""
        found, ends = 0, asyncio.get_running_loop().time() + PATIENCE
        while found < wanted:
            await asyncio.sleep(LOOK)
            for name in self.running:
                self.pid(name)
            if asyncio.get_running_loop().time() > ends:
                said = "\n".join(self.log(name).read_text()[-1500:] for name in self.running)
                raise RuntimeError(f"{found:,} of {wanted:,} {what} within {PATIENCE:g} s\n{said}")
            found = await seen()

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each part has used; a part of PostgreSQL's is gone with each connection that ends."""
        pids = {name: [process.pid] for name, process in self.running.items()}
        if self.platform.server and self.platform.server.pid:
            pids["nats-server"] = [self.platform.server.pid]
        pids["PostgreSQL"] = system.children(self.database_pid)
        used = {name: sum(system.cpu(pid) for pid in some) for name, some in pids.items()}
        return {**used, "bus up and this bench": time.process_time()}

    async def ask(self, database: Database, sql: str) -> list[tuple[str, ...]]:
        """Runs SQL without holding up the bus."""
        return await asyncio.to_thread(database.sql, sql)

    def log(self, name: str) -> Path:
        """Where an adapter writes what it says."""
        return self.home / f"{name.replace('/', '-')}.log"

    def profile(self, name: str) -> Path:
        """Where an adapter's profile is written."""
        return self.home / f"{name.replace('/', '-')}.prof"


@asynccontextmanager
async def open_offices(*, indexed: bool = True) -> AsyncIterator[Offices]:
    """Starts PostgreSQL and the bus, without the adapters. Raises RuntimeError where PostgreSQL is not installed.

    Without ``indexed`` the bus keeps no index: what is measured then has both cores for itself and the server.
    """
    programs = postgresql.installed()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed (apt-get install postgresql)")
    server = PostgreSQL(programs)
    try:
        server.start()
        with tempfile.TemporaryDirectory(prefix="bus-bench-") as folder:
            async with _offices(Path(folder), server, indexed=indexed) as offices:
                try:
                    yield offices
                finally:
                    await offices.stop()
    finally:
        server.close()


@asynccontextmanager
async def _offices(home: Path, server: PostgreSQL, *, indexed: bool) -> AsyncIterator[Offices]:
    for name, text in CONTRACTS.items():
        opd, app = name.split("/")
        path = home / "contracts" / name / "adapter.toml"
        path.parent.mkdir(parents=True)
        path.write_text(HEAD.format(opd=opd, app=app) + text, encoding="utf-8")
    settings = config.load(home=home / "bus", log_level="WARNING")
    logging.setup(settings)
    platform = Platform(settings, load_all([home / "contracts"]), indexed=indexed)
    offices = Offices(home, settings, server.create(), server.create(), platform, _pid(server))
    offices.variables.update(
        SOURCE_URL=offices.source.url, CAPTURE_URL=offices.source.url, TARGET_URL=offices.target.url
    )
    await offices.ask(offices.source, SOURCE)
    await offices.ask(offices.target, TARGET)
    try:
        await platform.start()
        yield offices
    finally:
        await platform.stop()


def _pid(server: PostgreSQL) -> int:
    return int((server.folder / guard.PID_FILE).read_text(encoding="ascii"))


def environment(**own: str) -> Mapping[str, str]:
    """This process's environment without settings of whoever measures, and what is given.

    Python keeps what it has compiled, as it does by default: an adapter would compile 2,600 modules at each start.
    """
    dropped = ("BUS_", "OTEL_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **own}
