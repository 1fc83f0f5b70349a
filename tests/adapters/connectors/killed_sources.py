"""Applications whose adapters are killed: what each kind of source reads, and what its end shows when all is read.

Rows are those of ``tests.faults``. Each application keeps their numbers as ``kunci`` and their NIKs as ``nilai``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.connectors.mqtt import Mqtt
from bus.app import Adapter
from bus.config import Settings
from bus.contracts import Contract, connectors
from bus.events import Catalogue
from bus.ports import Context
from tests.adapters.connectors.fhir_application import CLIENT, CLIENT_SECRET
from tests.adapters.connectors.fhir_store import KEY
from tests.adapters.connectors.hl7_device import Bedside, adt
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.connectors.sftp_bank import spools
from tests.faults.applications import Row
from tests.servers.mqtt import Mosquitto
from tests.servers.openssh import SftpFolder
from tests.servers.php import Php
from tests.servers.server import HOST, PASSWORD, USER, Database, free_port


class Application:
    """An application without any needs. ``bad`` counts the rows that it wrote and that are no deaths."""

    contract = ""  #: the table [source.log]
    portion = 600  #: rows between two kills
    bad = 0
    write: Callable[[Iterable[Row]], None]  #: takes rows

    def __init__(self, **variables: str) -> None:
        self.variables = variables  #: of its adapter's environment

    async def begin(self, contract: Contract, settings: Settings) -> None:
        """What happens before the adapter's first run."""

    def handed_over(self) -> set[str]:
        """The documents of rows that it need not keep for the bus any more, as far as it is told."""
        return set()

    def left(self) -> list[str]:
        """What it still has to hand over, as far as it can tell."""
        return []

    async def end(self) -> None:
        """Lets go of everything."""


class Outbox(Application):
    """Rows of a table, whose triggers fill an outbox."""

    contract = """
[source.log]
connector = "sql_outbox"
url       = "env:SIAK_URL"
poll      = 0.05
batch     = 50

[source.log.watch.baris]
table   = "baris"
key     = ["kunci"]
columns = ["nilai"]
"""

    portion = 1_000

    def __init__(self, database: Database) -> None:
        super().__init__(SIAK_URL=database.url)
        self._database = database
        database.sql("CREATE TABLE baris (kunci int PRIMARY KEY, nilai varchar(16))")

    async def begin(self, contract: Contract, settings: Settings) -> None:
        await Adapter(contract, settings, Catalogue.load()).install()

    def write(self, written: Iterable[Row]) -> None:
        values = ", ".join(f"({each.number}, '{each.nik}')" for each in written)
        self._database.sql(f"INSERT INTO baris VALUES {values}")

    def handed_over(self) -> set[str]:
        numbers = self._database.sql("SELECT JSON_VALUE(payload, '$.kunci') FROM bus_event WHERE sent_at IS NOT NULL")
        return {f"{int(number):06d}" for (number,) in numbers}

    def left(self) -> list[str]:
        return [row[0] for row in self._database.sql("SELECT id FROM bus_event WHERE sent_at IS NULL")]


class Folder(Application):
    """Files of a drop folder, each with a row that is none in its middle."""

    ROWS = 200  #: of a file

    def __init__(self, path: Path, copies: Path, options: str, own: Callable[[Path], Path] = lambda path: path) -> None:
        super().__init__(TMPDIR=str(copies))
        self._path, self._own, self._numbers = path, own, count(1)
        self._copies = copies
        self._files: dict[str, list[Row]] = {}
        self.contract = f'[source.log]\n{options}\nkey = ["kunci"]\nsettle = 0\npoll = 0.05\nbatch = 50\n'

    @classmethod
    def here(cls, path: Path) -> Folder:
        """A folder of this machine."""
        path.mkdir()
        return cls(path, path.parent, f'connector = "file_drop"\nfolder = "{path}"')

    @classmethod
    def there(cls, folder: SftpFolder, copies: Path) -> Folder:
        """A folder of a server, whose files are copied to one of this machine."""
        options = f'connector = "sftp_drop"\nfolder = "{folder.url}"\n{folder.proofs}'
        return cls(folder.path, copies, options, folder.own)

    def write(self, written: Iterable[Row]) -> None:
        listed = list(written)
        for start in range(0, len(listed), self.ROWS):
            self._drop(listed[start : start + self.ROWS])

    def _drop(self, rows: list[Row]) -> None:
        lines = [f"{each.number};{each.nik}" for each in rows]
        lines.insert(len(lines) // 2, f"{rows[0].number + 10**6};3571")
        draft, name = self._path / ".draf", f"berkas-{next(self._numbers):03}.csv"
        draft.write_text("\n".join(["kunci;nilai", *lines, ""]))
        self._own(draft).rename(self._path / name)
        self._files[name], self.bad = rows, self.bad + 1

    def handed_over(self) -> set[str]:
        done = {path.name for path in (self._path / "done").glob("*.csv")}
        return {each.akta for name, rows in self._files.items() if name in done for each in rows}

    def left(self) -> list[str]:
        """Files without a report that knows each of their rows; what reading has left; copies that nobody reads."""
        done = self._path / "done"
        reports = {name: done / f"{name}.laporan.txt" for name in self._files}
        unknown = [
            name
            for name, rows in self._files.items()
            if not reports[name].exists()
            or f"Baris dibaca  : {len(rows) + 1}\n" not in (text := reports[name].read_text("utf-8"))
            or "Ditolak       : 1\n" not in text
        ]
        reading = [path.name for path in (self._path / "reading").glob("[!.]*")]
        return [*unknown, *reading, *(path.name for path in spools(self._copies)[1:])]


class Sensors(Application):
    """What publishes to a broker. A thing is a person here: its state, the number, comes and is followed by another."""

    portion = 800

    def __init__(self, server: Mosquitto, root: str) -> None:
        super().__init__(SANDI=PASSWORD)
        self._server, self._root = server, root
        self.contract = f"""
[source.log]
connector = "mqtt"
url       = "{server.url}"
topic     = "{root}/{{pos}}"
key       = ["nilai"]
username  = "{USER}"
password  = "env:SANDI"
client_id = "{root}"
window    = 200
"""

    async def begin(self, contract: Contract, settings: Settings) -> None:
        """The session begins with the source's first run."""
        source = connectors.build(contract.source["log"], Context(contract.name, "log", Path(), ZoneInfo("UTC")))
        assert isinstance(source, Mqtt)
        await source.open(None)
        await source.close()

    def write(self, written: Iterable[Row]) -> None:
        lines = [json.dumps({"kunci": each.number, "nilai": each.nik}) for each in written]
        self._server.publish_now(f"{self._root}/a", lines)


class Service(Application):
    """Rows that a SOAP service gives out in the order of their numbers."""

    def __init__(self, php: Php) -> None:
        super().__init__()
        self._php = php
        self._rows: list[dict[str, object]] = []
        php.put_rows("baris", [])
        self.contract = f"""
[source.log]
connector   = "soap_poll"
url         = "{php.url}/uji"
allow_local = true
operation   = "AmbilBaris"
records     = "daftar.baris"
key         = ["kunci"]
since       = "sejak"
watermark   = "urutan"
paging      = "page"
page_param  = "halaman"
size_param  = "jumlah"
size        = 50
poll        = 0.05
"""

    def write(self, written: Iterable[Row]) -> None:
        self._rows += [{"urutan": each.number, "kunci": each.number, "nilai": each.nik} for each in written]
        self._php.put_rows("baris", self._rows)


class Registry(Application):
    """Patients of a FHIR server."""

    portion = 400

    def __init__(self, server: HttpServer) -> None:
        super().__init__(SANDI=CLIENT_SECRET)
        self._server = server
        self.contract = f"""
[source.log]
connector     = "fhir_rest"
url           = "{server.url}/fhir"
token_url     = "{server.url}/oauth2/v1/accesstoken?grant_type=client_credentials"
client_id     = "{CLIENT}"
client_secret = "env:SANDI"
client_auth   = "body"
allow_local   = true
size          = 50
overlap       = 5
poll          = 0.05

[source.log.resources.Patient]
kunci = "identifier.where(system='{KEY}').value"
nilai = "name[0].text"
"""

    def write(self, written: Iterable[Row]) -> None:
        self._server.control_now("tulis", [(each.akta, each.nik) for each in written])


class Ward(Application):
    """Devices that send each row as a message and keep it until they hear AA; a person's rows are one device's."""

    DEVICES = 4
    portion = 400

    def __init__(self) -> None:
        super().__init__()
        port = free_port()
        self.devices = [Bedside(port) for _ in range(self.DEVICES)]
        self._running: list[asyncio.Task[None]] = []
        self.contract = f"""
[source.log]
connector = "hl7_mllp"
listen    = "{HOST}:{port}"
fields    = {{ kunci = "PID-3(MR).1", nilai = "PID-5" }}
key       = ["kunci"]
"""

    async def begin(self, contract: Contract, settings: Settings) -> None:
        self._running = [asyncio.create_task(device.run()) for device in self.devices]

    def write(self, written: Iterable[Row]) -> None:
        for each in written:
            self.devices[int(each.nik) % self.DEVICES].kept.append(adt(each.akta, each.nik, each.akta))

    def handed_over(self) -> set[str]:
        return {number for device in self.devices for number in device.acknowledged}

    def left(self) -> list[str]:
        """Messages without an answer, and answers that none should get."""
        return [each for device in self.devices for each in (*device.kept, *device.refused)]

    async def end(self) -> None:
        for each in self._running:
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
