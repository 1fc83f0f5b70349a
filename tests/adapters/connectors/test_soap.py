"""soap_poll and soap_call against PHP's SoapServer: what is SOAP's alone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.connectors.soap_call import SoapCall, SoapCallConfig
from adapters.connectors.soap_poll import SoapPoll, SoapPollConfig
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.ports import Context
from tests.adapters.connectors.deliveries import delivery
from tests.adapters.connectors.soap_office import CALL, LISTS, MORE, PASSWORD, POLL, call, context_in, poll
from tests.servers.php import SCRIPTS, Php
from tests.servers.server import HOST


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    return context_in(tmp_path, monkeypatch)


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
        ({**LISTS, "records": "daftar.isi"}, r"records: the request has no isi \(it has baris\)"),
        ({**LISTS, "records": "daftar", "body": {"baris.kunci": "$id"}}, "records: daftar is no list in the request"),
        ({**LISTS, "body": {"nomor": "$id"}}, "body: the request has no nomor"),
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


async def test_a_list_of_events_is_one_call(php: Php, context: Context) -> None:
    events = [
        delivery("k1", "satu", 1, "a" * 32),
        delivery("k1", "dua", 2, "b" * 32),
        delivery("k2", "tiga", 3, "c" * 32),
    ]
    async with opened(call(php.url, context, **LISTS)) as sink:
        await sink.apply(events, None)
        await sink.apply(events[2:], None)  # known already
    assert php.lines("tulisan") == [each.event.id for each in events]
    assert php.lines("ulangan") == ["c" * 32]
    assert {row["kunci"]: row["nilai"] for row in php.documents("kunci")} == {"k1": "dua", "k2": "tiga"}


def test_a_list_tells_its_events_apart() -> None:
    with pytest.raises(ValidationError, match=r"`body` names \$id"):
        SoapCallConfig.model_validate({"url": "https://x", **CALL, **LISTS, "body": {"kunci": "kunci"}})


def test_fields_that_a_subscription_must_let_through() -> None:
    config = SoapCallConfig.model_validate({"url": "https://x", **CALL})
    assert SoapCall.needs(config) == {"kunci", "nilai"}
