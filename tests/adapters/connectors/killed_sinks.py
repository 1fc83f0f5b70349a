"""Applications whose adapters are killed: what each kind of sink writes to, and which deaths that has in the end.

Documents are ``kunci`` there, NIKs ``nilai`` and event ids ``peristiwa``, wherever the names are ours to choose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.connectors import mail_server
from tests.adapters.connectors.daily_application import Readers
from tests.adapters.connectors.hl7_receiver import Receiver
from tests.adapters.connectors.mail_server import MailServer
from tests.servers.kept import Kept
from tests.servers.openssh import SftpFolder
from tests.servers.php import Php
from tests.servers.server import HOST, Database

Written = list[tuple[str, str, str]]  #: event id, NIK, document


class Application:
    """An application that is told of deaths."""

    to = ""  #: the table [subscribe.to]
    rows = 600  #: that it is told of
    written: Callable[[], Written]  #: every death that it has, in the order of writing
    knows = False  #: what comes again it is told by an id, and has to know it

    def __init__(self, **variables: str) -> None:
        self.variables = variables  #: of its adapter's environment

    async def begin(self) -> None:
        """Starts."""

    def count(self) -> int:
        """How many deaths it has."""
        return len(self.written())

    def enough(self, count: int | None) -> None:
        """Where it answers: from so many deaths on it takes what comes and gives no answer. None: it answers all."""

    def repeated(self) -> int:
        """How many deaths it was told of once more."""
        return 0

    async def end(self) -> None:
        """Lets go of everything."""


class Procedure(Application):
    """A procedure that writes down whatever it is called with."""

    to = """
[subscribe.to]
connector  = "sql_call"
url        = "env:MAKAM_URL"
call       = "catat"
parameters = { p_peristiwa = "$id", p_nilai = "nik", p_kunci = "no_akta" }
"""
    rows = 1_500

    def __init__(self, database: Database) -> None:
        super().__init__(MAKAM_URL=database.url)
        self._database = database
        columns = "peristiwa varchar(40), nilai varchar(16), kunci varchar(20)"
        parameters = ", ".join(f"p_{each}" for each in columns.split(", "))
        database.sql(
            f"CREATE TABLE kematian (nomor bigint AUTO_INCREMENT PRIMARY KEY, {columns}); "
            f"CREATE PROCEDURE catat({parameters}) "
            "INSERT INTO kematian (peristiwa, nilai, kunci) VALUES (p_peristiwa, p_nilai, p_kunci)"
        )

    def count(self) -> int:
        return int(self._database.sql("SELECT count(*) FROM kematian")[0][0])

    def written(self) -> Written:
        rows = self._database.sql("SELECT peristiwa, nilai, kunci FROM kematian ORDER BY nomor")
        return [(event_id, nik, akta) for event_id, nik, akta in rows]


class Lists(Application):
    """People who read daily lists, at any time: what they have read stays, and more comes behind it."""

    rows = 1_500

    def __init__(self, folder: Path, options: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._readers, self._read = Readers(folder, monkeypatch), Written()
        self.to = (
            f'[subscribe.to]\n{options}\npattern = "kematian-{{tanggal}}.csv"\n'
            'columns = { kunci = "no_akta", nilai = "nik", peristiwa = "$id" }\n'
        )

    @classmethod
    def here(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lists:
        """In a folder of this machine."""
        return cls(folder, f'connector = "file_write"\nfolder = "{folder}"', monkeypatch)

    @classmethod
    def there(cls, sftp: SftpFolder, monkeypatch: pytest.MonkeyPatch) -> Lists:
        """In a folder of a server."""
        options = f'connector = "sftp_put"\nfolder = "{sftp.url}/hasil"\n{sftp.proofs}'
        made = cls(sftp.path / "hasil", options, monkeypatch)
        sftp.own(sftp.path / "hasil")
        return made

    def written(self) -> Written:
        read = [(row["peristiwa"], row["nilai"], row["kunci"]) for row in self._readers.lines()]
        assert read[: len(self._read)] == self._read
        self._read = read
        return read


class Mailbox(Application):
    """A mailbox: mails of one Message-ID are the same mail."""

    knows = True

    def __init__(self) -> None:
        super().__init__()
        self._stack = AsyncExitStack()
        self._server: MailServer
        self._mails: set[str] = set()
        self._enough: int | None = None
        self._answers = asyncio.Event()

    async def begin(self) -> None:
        self._server = await self._stack.enter_async_context(mail_server.serving(Kept()))
        self._server.when_received = self._received
        self.to = f"""
[subscribe.to]
connector = "smtp_send"
server    = "{HOST}:{self._server.port}"
tls       = "none"
sender    = "bus@kominfo.example"
to        = ["loket@makam.example"]
columns   = {{ kunci = "no_akta", nilai = "nik" }}
"""

    async def _received(self) -> None:
        self._mails.add(self._server.received[-1]["Message-ID"])
        if self._enough is not None and self.count() >= self._enough:
            await self._answers.wait()

    def count(self) -> int:
        return len(self._mails)

    def written(self) -> Written:
        told = [event for mail in self._server.mailbox() for event in mail_server.events(mail)]
        return [(event["kode"], event["nilai"], event["kunci"]) for event in told]

    def enough(self, count: int | None) -> None:
        self._answers.set()
        self._enough, self._answers = count, asyncio.Event()

    def repeated(self) -> int:
        return len(self._server.received) - self.count()

    async def end(self) -> None:
        await self._stack.aclose()


class Hospital(Application):
    """Another library's MLLP server, which knows messages by their MSH-10."""

    knows = True

    def __init__(self) -> None:
        super().__init__()
        self._stack = AsyncExitStack()
        self._receiver = self._stack.enter_context(Receiver().serving())
        self.to = f"""
[subscribe.to]
connector = "hl7_send"
address   = "{HOST}:{self._receiver.port}"
message   = "ADT^A31^ADT_A05"
segments  = ["EVN||{{$time}}", "PID|1||{{no_akta}}||{{nik}}", "ZBS|{{$sequence}}|{{$id}}"]
"""

    def _seen(self) -> dict[str, Any]:
        return self._receiver.control()

    def count(self) -> int:
        return len(self._seen()["writes"])

    def written(self) -> Written:
        seen = self._seen()
        rows = zip(seen["writes"], seen["rows"].items(), strict=True)  # a document comes once: each write is a row
        return [(event_id, nik, akta) for event_id, (akta, nik) in rows]

    def enough(self, count: int | None) -> None:
        self._receiver.control(enough=count)

    def repeated(self) -> int:
        seen = self._seen()
        return len(seen["heard"]) - len(seen["writes"])

    async def end(self) -> None:
        await self._stack.aclose()


class Service(Application):
    """A SOAP service of PHP, which keeps the events' ids."""

    knows = True

    def __init__(self, php: Php) -> None:
        super().__init__()
        self._php = php
        self.to = f"""
[subscribe.to]
connector   = "soap_call"
url         = "{php.url}/uji"
allow_local = true
operation   = "TerimaBaris"
accepted    = {{ status = "OK" }}

[subscribe.to.body]
kunci       = "no_akta"
"isi.nilai" = "nik"
idPeristiwa = "$id"
urutan      = "$sequence"
"""

    def count(self) -> int:
        return len(self._php.lines("tulisan"))

    def written(self) -> Written:
        rows = {row["peristiwa"]: (row["nilai"], row["kunci"]) for row in self._php.documents("kunci")}
        return [(event_id, *rows[event_id]) for event_id in self._php.lines("tulisan")]

    def enough(self, count: int | None) -> None:
        self._php.put("atur.json", {} if count is None else {"cukup": count})

    def repeated(self) -> int:
        return len(self._php.lines("ulangan"))
