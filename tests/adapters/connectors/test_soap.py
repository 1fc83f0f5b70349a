"""soap_poll and soap_call against PHP's SoapServer: the conformance suites, and what is SOAP's alone."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from pydantic import ValidationError

from adapters.connectors.soap_call import SoapCall, SoapCallConfig
from adapters.connectors.soap_poll import SoapPoll, SoapPollConfig
from bus.envelope import Event
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.ports import Context, Delivery, Sink, Source
from bus.subjects import AppName
from bus.testing import SinkApplication, SinkContract, SourceApplication, SourceContract
from bus.testing.events import APP, NAME, BarisBerubah
from tests.servers.php import SCRIPTS, Php
from tests.servers.proxy import Proxy
from tests.servers.server import HOST

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
LAST, END = '<xsd:element name="pesan" type="xsd:string" minOccurs="0"/>', "</ns1:TerimaBarisJawaban>"
#: Answers have an element more, and so has their description.
MORE = {"ubah": {LAST: LAST + LAST.replace("pesan", "nomor")}, "jawab": {END: f"<ns1:nomor>7</ns1:nomor>{END}"}}


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """An application whose bus keeps its descriptions in a folder of the test."""
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    return Context(AppName("dpmptsp", "oss"), "permohonan", tmp_path, ZoneInfo("Asia/Jakarta"))


def poll(url: str, context: Context, **options: Any) -> SoapPoll:
    given = {"url": f"{url}/uji", "allow_local": True, **POLL, **options}
    return SoapPoll(SoapPollConfig.model_validate(given), context)


def call(url: str, context: Context, **options: Any) -> SoapCall:
    given = {"url": f"{url}/uji", "allow_local": True, **CALL, **options}
    return SoapCall(SoapCallConfig.model_validate(given), context)


def delivery(kunci: str = "k1", nilai: str = "isi", version: int = 7) -> Delivery:
    event = Event(
        id="e" * 32,
        source=APP.ce_source,
        type=NAME.ce_type,
        subject="abcdefghijklmnop",
        time="2026-01-31T08:00:00+07:00",
        data=b"{}",
    )
    return Delivery(event, BarisBerubah(kunci=kunci, nilai=nilai), frozenset(("kunci", "nilai")), APP.stream, version)


class Office:
    """A service of PHP behind a door that can be shut: rows for a source, a door for a sink."""

    def __init__(self, php: Php, door: Proxy, context: Context) -> None:
        self._php, self._url, self._context = php, door.url(php.url), context
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
        return call(self._url, self._context, username="bus", password=password)

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

    async def lose_column(self) -> bool | None:
        self._php.describe("uji.xsd", {'"nilai"': '"isi"'})
        self._value = "isi"
        self._put([])
        return None

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


class TestSoapPoll(SourceContract):
    @pytest.fixture
    def tells(self) -> set[str]:
        return set()  # what it has not asked for it does not know

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(
        self, php: Php, proxy: Callable[[str], Awaitable[Proxy]], context: Context
    ) -> AsyncIterator[SourceApplication]:
        yield SourceOffice(php, await proxy(php.url), context)


class TestSoapCall(SinkContract):
    @pytest.fixture
    def large(self) -> int:
        return 2_000  # one call an event, one connection a call: PHP's server keeps none open

    @pytest_asyncio.fixture
    async def application(
        self, php: Php, proxy: Callable[[str], Awaitable[Proxy]], context: Context
    ) -> AsyncIterator[SinkApplication]:
        yield SinkOffice(php, await proxy(php.url), context)


@asynccontextmanager
async def opened(connector: Any, *arguments: Any) -> AsyncIterator[Any]:
    """A connector that is open, and closed at the end."""
    try:
        await connector.open(*arguments)
        yield connector
    finally:
        await connector.close()


async def rows_of(source: SoapPoll) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while batch := await source.read():
        rows += [dict(record.data) for record in batch.records]
        await source.commit(batch, [])
    return rows


@pytest.mark.parametrize("port", ["Uji11", "Uji12"])
async def test_both_versions_of_soap_read_and_write(php: Php, context: Context, port: str) -> None:
    php.put_rows("baris", [{"kunci": 1, "nilai": "Siti & Budi <é>", "urutan": 2**40}])
    async with opened(poll(php.url, context, port=port), None) as source:
        assert await rows_of(source) == [{"kunci": 1, "nilai": "Siti & Budi <é>", "urutan": 2**40}]
        assert (await source.state()).position.startswith("read 20")  # what it asks for is everything
        found = await source.reread("1")
        assert found is not None
        assert found.data["nilai"] == "Siti & Budi <é>"
        assert await source.reread("2") is None
    async with opened(call(php.url, context, port=port)) as sink:
        await sink.apply([delivery(nilai="Siti & Budi <é>")], None)
        await sink.apply([delivery(nilai="lain")], None)  # the same event again
    (row,) = php.documents("kunci")
    assert row == {"kunci": "k1", "nilai": "Siti & Budi <é>", "urutan": "0" * 19 + "7", "peristiwa": "e" * 32}


async def test_the_description_is_kept_and_asked_for_again_when_it_is_old(php: Php, context: Context) -> None:
    for _ in range(2):
        async with opened(poll(php.url, context), None):
            pass
    assert php.lines("permintaan") == ["uji", "uji.xsd"]

    php.stop()
    async with opened(call(php.url, context)) as sink:  # another connector of the same service
        with pytest.raises(Unavailable, match="cannot be reached"):
            await sink.apply([delivery()], None)
    with pytest.raises(Unavailable, match="cannot be reached"):
        async with opened(call(php.url, context, wsdl=f"{php.url}/lain?wsdl")):
            pass
    php.start()

    php.put("atur.json", {"ubah": {"AmbilBaris": "BacaBaris"}})
    async with opened(call(php.url, context)):
        pass  # what is kept is good enough
    with pytest.raises(ConfigError, match=r"no operation HapusBaris \(it has BacaBaris, TerimaBaris"):
        async with opened(call(php.url, context, operation="HapusBaris")):
            pass


async def test_a_description_of_the_network_names_no_file_of_this_machine(php: Php, context: Context) -> None:
    php.put("atur.json", {"ubah": {'schemaLocation="uji.xsd"': 'schemaLocation="file:///etc/hostname"'}})
    with pytest.raises(ConfigError, match="names a document that is no address"):
        async with opened(poll(php.url, context), None):
            pass


async def test_a_description_may_lie_beside_the_contract(php: Php, context: Context) -> None:
    for name in ("uji.wsdl", "uji.xsd"):
        shutil.copy(SCRIPTS / name, context.folder)
    async with opened(poll(php.url, context, wsdl="uji.wsdl"), None) as source:
        assert await rows_of(source) == []
    assert php.lines("permintaan") == []
    (context.folder / "uji.xsd").unlink()
    with pytest.raises(ConfigError, match=r"wsdl: cannot read uji\.xsd: No such file"):
        async with opened(poll(php.url, context, wsdl="uji.wsdl"), None):
            pass
    (context.folder / "uji.wsdl").write_text("<html>bukan</html>")
    with pytest.raises(ConfigError, match="the WSDL has no service of SOAP"):
        async with opened(poll(php.url, context, wsdl="uji.wsdl"), None):
            pass


@pytest.mark.parametrize(
    ("file", "right", "wrong", "kind"),
    [
        ("uji.wsdl", "</wsdl:definitions>", "", "XMLSyntaxError"),
        ("uji.wsdl", 'type="tns:Uji"', 'type="tns:Tiada"', "IndexError"),
        ("uji.wsdl", 'minOccurs="0"', 'minOccurs="banyak"', "ValueError"),
        ("uji.xsd", "</xsd:schema>", "<xsd:include/></xsd:schema>", "NotImplementedError"),
    ],
)
async def test_a_description_that_cannot_be_read(
    php: Php, context: Context, file: str, right: str, wrong: str, kind: str
) -> None:
    for name in ("uji.wsdl", "uji.xsd"):
        text = (SCRIPTS / name).read_text(encoding="utf-8")
        assert name != file or right in text
        (context.folder / name).write_text(text.replace(right, wrong) if name == file else text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"wsdl: the WSDL cannot be read \({kind}\)"):
        async with opened(poll(php.url, context, wsdl="uji.wsdl"), None):
            pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"since": "dari"}, r"since: the request has no dari \(it has sejak, halaman, jumlah\)"),
        ({"page_param": "hal"}, "paging: the request has no hal"),
        ({"parameters": {"kantor": "1"}}, "parameters: the request has no kantor"),
        ({"records": "daftar.rincian"}, r"records: the answer has no rincian \(it has baris\)"),
        ({"port": "Lain"}, "no such port of SOAP"),
    ],
)
async def test_what_the_contract_names_is_in_the_description(
    php: Php, context: Context, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        async with opened(poll(php.url, context, **options), None):
            pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"body": {"kunci": "kunci", "isi.harga": "nilai"}}, r"body: the request has no harga \(it has nilai\)"),
        ({"constants": {"kantor": "1"}}, "constants: the request has no kantor"),
        ({"accepted": {"hasil": "OK"}}, "accepted: the answer has no hasil"),
    ],
)
async def test_what_a_target_names_is_in_the_description(
    php: Php, context: Context, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        async with opened(call(php.url, context, **options)):
            pass


FAULTS: list[tuple[dict[str, Any], type[BusError], type[BusError]]] = [
    ({"gagal": "Server"}, Unavailable, Unavailable),
    ({"gagal": "Client"}, Rejected, ConfigError),
    ({"gagal": "E-417"}, Rejected, ConfigError),
    ({"gagal": "rpc:ProcedureNotPresent"}, ConfigError, ConfigError),
    ({"gagal": "Client.Authentication"}, AccessError, AccessError),
    ({"status": 503}, Unavailable, Unavailable),
    ({"status": 500}, Unavailable, Unavailable),
    ({"status": 422}, Rejected, ConfigError),
    ({"status": 403}, AccessError, AccessError),
    ({"status": 404}, ConfigError, ConfigError),
    ({"status": 200}, ConfigError, ConfigError),
]


@pytest.mark.parametrize(("fault", "of_sink", "of_source"), FAULTS, ids=[str(fault) for fault, *_ in FAULTS])
async def test_faults_say_who_must_act(
    php: Php, context: Context, fault: dict[str, Any], of_sink: type[BusError], of_source: type[BusError]
) -> None:
    async with opened(call(php.url, context)) as sink, opened(poll(php.url, context), None) as source:
        php.put("atur.json", fault)
        for expected, attempt in ((of_sink, sink.apply([delivery()], None)), (of_source, source.read())):
            with pytest.raises(BusError) as raised:
                await attempt
            assert type(raised.value) is expected
            assert "3571010101900001" not in str(raised.value)


async def test_an_answer_that_is_no_acceptance_is_a_rejection(php: Php, context: Context) -> None:
    php.put("atur.json", {"tolak": "terlarang", "cara": "jawaban"})
    async with opened(call(php.url, context)) as sink:
        with pytest.raises(Rejected, match="tidak diterima") as raised:
            await sink.apply([delivery(nilai="terlarang")], None)
        await sink.apply([delivery()], None)
    assert "terlarang" not in str(raised.value)


async def test_an_answer_that_says_more_is_read_by_the_description_of_today(php: Php, context: Context) -> None:
    async with opened(call(php.url, context)) as sink:
        php.put("atur.json", MORE)
        await sink.apply([delivery()], None)
        await sink.apply([delivery("k2")], None)
    assert len(php.lines("didengar")) == 2, "nothing is called again for it"
    assert php.lines("permintaan").count("uji") == 2


async def test_a_required_element_without_a_value_is_a_rejection(php: Php, context: Context) -> None:
    body = {"kunci": "kunci", "idPeristiwa": "$id", "urutan": "$sequence"}
    async with opened(call(php.url, context, body=body)) as sink:
        with pytest.raises(Rejected, match=r"isian wajib kosong: TerimaBaris\.isi"):
            await sink.apply([delivery()], None)


async def test_a_value_that_xml_cannot_hold_is_a_rejection(php: Php, context: Context) -> None:
    async with opened(call(php.url, context)) as sink:
        with pytest.raises(Rejected, match="tidak dapat ditulis"):
            await sink.apply([delivery(nilai="a\x00b")], None)
        await sink.apply([delivery(nilai="baik")], None)
    assert len(php.documents("kunci")) == 1


async def test_credentials_go_to_the_address_of_the_contract_alone(php: Php, context: Context) -> None:
    """The WSDL names another address; and this machine may be called where the contract says so."""
    with pytest.raises(ConfigError, match="allow_local"):
        async with opened(call(php.url, context, allow_local=False)):
            pass
    php.put("atur.json", {"sandi": PASSWORD})
    with pytest.raises(AccessError):
        async with opened(call(php.url, context, username="bus", password="salah")):
            pass
    async with opened(call(php.url, context, username="bus", password=PASSWORD)) as sink:
        await sink.apply([delivery()], None)
    assert len(php.documents("kunci")) == 1


async def test_the_host_is_found_while_many_calls_wait_for_it(php: Php, context: Context) -> None:
    async with opened(call(php.url.replace(HOST, "localhost"), context)) as sink, asyncio.timeout(15):
        sink._client.http._session.connector.clear_dns_cache()
        await asyncio.gather(*(sink.apply([delivery(f"k{number}")], None) for number in range(40)))
    assert len(php.lines("didengar")) == 40


async def test_a_token_of_ws_security_goes_along(php: Php, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDI", PASSWORD)
    php.put("atur.json", {"token": PASSWORD})
    token = {"wsse_username": "bus", "wsse_password": "env:SANDI"}
    async with opened(call(php.url, context, **token)) as sink:
        await sink.apply([delivery()], None)
    async with opened(call(php.url, context)) as sink:
        with pytest.raises(AccessError, match="FailedAuthentication"):
            await sink.apply([delivery()], None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"paging": "link"}, "paging"),
        ({"paging": "cursor", "next": "lanjut"}, "cursor_param"),
        ({"since": "sejak", "watermark": None}, "watermark"),
        ({"wsse_username": "bus"}, "wsse_password"),
        ({"item": "https://x/{a}"}, "item"),
    ],
)
def test_contracts_that_cannot_be(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SoapPollConfig.model_validate({"url": "https://x", **POLL, **options})


def test_fields_that_a_subscription_must_let_through() -> None:
    config = SoapCallConfig.model_validate({"url": "https://x", **CALL})
    assert SoapCall.needs(config) == {"kunci", "nilai"}
