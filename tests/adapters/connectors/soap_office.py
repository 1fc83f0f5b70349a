"""A service of PHP as an office has it, with connectors over it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.connectors.soap_call import SoapCall, SoapCallConfig
from adapters.connectors.soap_poll import SoapPoll, SoapPollConfig
from bus.ports import Context, Sink, Source
from bus.subjects import AppName
from tests.servers.php import Php
from tests.servers.proxy import Proxy

PASSWORD = "rahasia"
POLL = {
    "operation": "AmbilBaris",
    "records": "daftar.baris",
    "key": ["kunci"],
    "since": "sejak",
    "watermark": "urutan",
    "paging": "page",
    "page_param": "halaman",
    "size_param": "jumlah",
    "size": 500,
    "poll": 0.01,
}
CALL = {
    "operation": "TerimaBaris",
    "body": {"kunci": "kunci", "isi.nilai": "nilai", "idPeristiwa": "$id", "urutan": "$sequence"},
    "accepted": {"status": "OK"},
}
LISTS = {"operation": "TerimaDaftar", "records": "daftar.baris"}
LAST, END = '<xsd:element name="pesan" type="xsd:string" minOccurs="0"/>', "</ns1:TerimaBarisJawaban>"
#: Answers have an element more, and so has their description.
MORE = {"ubah": {LAST: LAST + LAST.replace("pesan", "nomor")}, "jawab": {END: f"<ns1:nomor>7</ns1:nomor>{END}"}}


def context_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """An application whose bus keeps its descriptions in a folder of the test."""
    monkeypatch.setenv("BUS_HOME", str(folder / "home"))
    return Context(AppName("dpmptsp", "oss"), "permohonan", folder, ZoneInfo("Asia/Jakarta"))


def poll(url: str, context: Context, **options: Any) -> SoapPoll:
    given = {"url": f"{url}/uji", "allow_local": True, **POLL, **options}
    return SoapPoll(SoapPollConfig.model_validate(given), context)


def call(url: str, context: Context, **options: Any) -> SoapCall:
    given = {"url": f"{url}/uji", "allow_local": True, **CALL, **options}
    return SoapCall(SoapCallConfig.model_validate(given), context)


class Office:
    """A service of PHP behind a door that can be shut: rows for a source, a door for a sink."""

    def __init__(self, php: Php, door: Proxy, context: Context, **options: Any) -> None:
        self._php, self._url, self._context, self._options = php, door.url(php.url), context, options
        self.away, self.back, self.calm, self.suffered = door.refuse, door.accept, door.calm, door.suffered
        self._door = door
        self._rows: dict[int, tuple[str, int]] = {}
        self._value, self._more = "nilai", dict[str, str]()
        self._numbers = itertools.count(100)
        php.put_rows("baris", [])
        self._set()

    def _set(self, **wishes: Any) -> None:
        self._php.put("atur.json", {"sandi": PASSWORD, **wishes})

    def source(self, password: str = PASSWORD) -> Source:
        return poll(self._url, self._context, username="bus", password=password)

    def sink(self, password: str = PASSWORD) -> Sink:
        return call(self._url, self._context, username="bus", password=password, **self._options)

    async def kill(self) -> bool:
        await asyncio.to_thread(self._php.kill)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._php.start)

    async def disturb(self) -> bool:
        await self._door.disturb()
        return True

    def _put(self, rows: Iterable[tuple[int, str]], number: int | None = None) -> None:
        for key, value in rows:
            if self._rows.get(key, ("",))[0] != value:
                self._rows[key] = (value, next(self._numbers) if number is None else number)
        listed = sorted((number, key, value) for key, (value, number) in self._rows.items())
        names = ("urutan", "kunci", self._value)
        self._php.put_rows("baris", [dict(zip(names, row, strict=True)) | self._more for row in listed])

    async def widen(self) -> None:
        last = '<xsd:element name="urutan" type="xsd:long"/>'
        self._php.describe("uji.xsd", {last: f'{last}<xsd:element name="tambahan" type="xsd:string"/>'})
        self._more = {"tambahan": "baru"}
        self._put([])

    async def lose_column(self) -> None:
        self._php.describe("uji.xsd", {'"nilai"': '"isi"'})
        self._value = "isi"
        self._put([])

    async def regain_column(self) -> None:
        self._php.describe("uji.xsd", {})
        self._value = "nilai"
        self._put([])

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        self._put(rows)

    async def delete(self, key: int) -> None:
        del self._rows[key]
        self._put([])

    async def write_late(
        self, early: tuple[int, str], late: tuple[int, str], between: Callable[[], Awaitable[Any]]
    ) -> None:
        self._put([late])
        await between()
        self._put([early], number=1)

    async def write_oversized(self, key: int) -> None:
        self._put([(key, "x" * 1_500_000)])

    async def rows(self) -> Mapping[str, str]:
        return {row["kunci"]: row["nilai"] for row in self._php.documents("kunci")}

    async def writes(self) -> Sequence[str]:
        return self._php.lines("tulisan")

    async def heard(self) -> Sequence[str]:
        return self._php.lines("didengar")

    async def refuse(self, value: str | None) -> None:
        self._set(tolak=value, cara="Client")

    async def extend(self) -> None:
        self._set(**MORE)

    async def withdraw(self) -> None:
        self._set(kelas="ArrayObject")

    async def restore(self) -> None:
        self._set()


class SourceOffice(Office):
    """Its rows are read."""

    def stranger(self) -> Source:
        return self.source("salah")


class SinkOffice(Office):
    """Events are told to it."""

    def stranger(self) -> Sink:
        return self.sink("salah")
