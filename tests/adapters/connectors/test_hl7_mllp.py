"""hl7_mllp beyond the conformance suite: what is answered, and what connections may do."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hl7.client import MLLPClient
from hl7apy.parser import parse_message
from pydantic import ValidationError

from adapters.connectors.hl7_frames import END, START
from adapters.connectors.hl7_mllp import Hl7Mllp
from adapters.connectors.hl7_options import Hl7MllpConfig
from bus.errors import ConfigError, Unavailable
from bus.ports import Batch, Context, Rejection
from bus.subjects import AppName
from tests.adapters.connectors.hl7_device import Client, adt, said

WIB = ZoneInfo("Asia/Jakarta")


def source(folder: Path = Path(), **options: Any) -> Hl7Mllp:
    given = {"listen": "127.0.0.1:0", "fields": {"kunci": "PID-3(MR)", "nilai": "PID-5"}, "key": ["kunci"]}
    context = Context(AppName("rsud", "alat"), "adt", folder, WIB)
    return Hl7Mllp(Hl7MllpConfig.model_validate(given | options), context)


class Desk:
    """An open source, and a bus that stores what it reads."""

    def __init__(self, at: Hl7Mllp) -> None:
        self.source = at
        self.batches: list[Batch] = []

    async def read(self) -> Batch:
        """The next batch, not yet stored."""
        async with asyncio.timeout(10):
            while (batch := await self.source.read()) is None:
                pass
        return batch

    async def store(self, *reasons: str) -> Batch:
        """Stores the next batch; its first records are rejected for these reasons."""
        batch = await self.read()
        rejections = [Rejection(record, reason) for record, reason in zip(batch.records, reasons, strict=False)]
        rejections += [Rejection(record, record.fault) for record in batch.records[len(reasons) :] if record.fault]
        await self.source.commit(batch, rejections)
        return batch

    async def client(self, **options: Any) -> Client:
        return await Client.connect(self.source.port, **options)


@asynccontextmanager
async def desk(folder: Path = Path(), **options: Any) -> AsyncIterator[Desk]:
    opened = source(folder, **options)
    await opened.open(None)
    try:
        yield Desk(opened)
    finally:
        await opened.close()


async def drip(client: Client) -> None:
    """Sends a byte now and then."""
    while True:
        await asyncio.sleep(0.02)
        client.writer.write(b"x")


async def ended(client: Client) -> bool:
    """Whether the other side ends a connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            await client.answer()
        return False
    return True


async def test_a_message_is_acknowledged_when_it_is_stored() -> None:
    async with desk() as at:
        client = await at.client()
        client.send(adt(1, "A", "m1"))
        batch = await at.read()
        state = await at.source.state()
        assert (state.waiting, state.position) == (1, "")
        assert state.oldest is not None
        client.writer.write(b"")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.answer()
        (record,) = batch.records
        assert record.key == "1"
        assert record.at == datetime(2026, 3, 15, 8, 15, tzinfo=WIB)
        assert record.data == {"_pesan": "ADT^A08", "_waktu": record.at, "kunci": "1", "nilai": "A"}
        assert record.place == "ADT^A08 2026-03-15T08:15:00+07:00, dari 127.0.0.1"
        await at.source.commit(batch, [])
        assert await client.says() == ["AA", "m1", ""]
        state = await at.source.state()
        assert (state.waiting, state.oldest, state.position) == (0, None, "2026-03-15T08:15:00+07:00")
        await client.close()


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5"])
async def test_answers_are_messages_that_another_library_reads(version: str) -> None:
    async with desk() as at:
        client = await at.client()
        client.send(adt(1, "A", "m1", version=version), adt(1, "B", "m2", version=version))
        while not (batch := await at.read()).records:
            pass
        await at.source.commit(batch, [Rejection(batch.records[-1], "kolom nilai: harus | diisi")])
        if len(batch.records) == 1:
            await at.store("kolom nilai: harus | diisi")
        good, bad = [(await client.answer()).decode() for _ in range(2)]
        for text in (good, bad):
            answer = parse_message(text)
            for segment in answer.children:
                segment.validate()
            assert answer.msh.msh_9.msh_9_1.value == "ACK"
            assert answer.msh.msh_5.value == "ALAT"
        error = bad.split("\r")[2]
        assert said(bad.encode()) == ["AE", "m2", "kolom nilai: harus  diisi"]
        code = "207^Application internal error^HL70357"
        if version == "2.5":
            assert error == f"ERR|||{code}|E||||kolom nilai: harus  diisi"
        else:
            assert error == "ERR|^^^" + code.replace("^", "&")
        await client.close()


async def test_the_same_message_is_no_second_record() -> None:
    async with desk() as at, desk() as restarted:
        client, other = await at.client(), await at.client()
        client.send(adt(1, "A", "m1"))
        other.send(adt(1, "A", "m1"))
        client.send(adt(1, "A", "m2"))
        first: list[Any] = []
        while len(first) < 2:
            first += (await at.store()).records
        assert [record.data["nilai"] for record in first] == ["A", "A"]
        assert len({record.version for record in first}) == 2
        assert [await client.says() for _ in range(2)] == [["AA", "m1", ""], ["AA", "m2", ""]]
        client.send(adt(1, "A", "m1"))
        assert not (await at.store()).records
        assert (await client.says(), await other.says()) == (["AA", "m1", ""],) * 2

        again = await restarted.client()  # after a restart it is a record again, and the same one
        again.send(adt(1, "A", "m1"))
        assert (await restarted.store()).records[0].version == first[0].version
        assert await again.says() == ["AA", "m1", ""]
        for each in (client, other, again):
            await each.close()


async def test_a_message_that_comes_again_shares_what_becomes_of_the_first() -> None:
    async with desk() as at:
        client, other = await at.client(), await at.client()
        client.send(adt(1, "A", "m1"))
        first = await at.read()
        other.send(adt(1, "A", "m1"))
        second = await at.read()
        assert (len(first.records), len(second.records)) == (1, 0)
        await at.source.commit(first, [Rejection(first.records[0], "salah")])
        await at.source.commit(second, [])
        assert (await client.says(), await other.says()) == (["AE", "m1", "salah"],) * 2
        client.send(adt(1, "A", "m1"))  # what was refused is looked at again
        assert len((await at.store()).records) == 1
        assert await client.says() == ["AA", "m1", ""]
        await client.close()
        await other.close()


@pytest.mark.parametrize(
    ("message", "answer", "error"),
    [
        (adt(1, "A", "m1", event="A02"), ["AR", "m1", "jenis pesan (MSH-9) tidak diterima di sini"], "200"),
        (adt(1, "A", "m1", version="2.7"), ["AR", "m1", "versi HL7 (MSH-12) tidak diterima di sini"], "203"),
        (
            adt(1, "A", "m1").replace("|P|", "|T|"),
            ["AR", "m1", "MSH-11 tidak sesuai: pesan uji coba atau produksi"],
            "",
        ),
        ("bukan pesan", ["AR", "", "bukan pesan HL7: segmen MSH tidak terbaca"], "101"),
        (adt(1, "A", ""), ["AE", "", "MSH-10 (nomor pesan) kosong"], "102"),
        (adt(1, "rahasia\xe9", "m1").encode("latin-1"), ["AE", "m1", "byte ke-114 bukan karakter ASCII"], "102"),
        (adt(1, "rahasia", "m1", charset="EBCDIC"), ["AE", "m1", "set karakter (MSH-18) tidak dikenal"], "102"),
        (adt("", "A", "m1"), ["AE", "m1", "kolom kunci: kosong, padahal menjadi kunci"], "102"),
        (adt(1, "A", "m1") + "rahasia|1\r", ["AE", "m1", "segmen ke-5 tidak terbaca"], "102"),
        (adt(1, "rahasia" * 1000, "m1"), ["AE", "m1", "pesan lebih besar dari 4096 byte"], "102"),
    ],
)
async def test_what_is_refused(message: str | bytes, answer: list[str], error: str) -> None:
    async with desk(largest=4096) as at:
        client = await at.client()
        client.send(message, adt(2, "B", "m2"))
        batches = [await at.store()]
        text = await client.answer()
        assert said(text) == answer
        assert error.encode() in text.split(b"\rERR|")[1]
        assert b"rahasia" not in text
        if not any(record.key == "2" for record in batches[0].records):
            batches.append(await at.store())
        records = [record for batch in batches for record in batch.records]
        assert [record.fault for record in records if record.key != "2"] == ([answer[2]] if answer[0] == "AE" else [])
        assert await client.says() == ["AA", "m2", ""]
        await client.close()


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("8859/15", "iso8859-15"), ("", "latin-1")],
)
async def test_character_sets(charset: str, encoding: str) -> None:
    async with desk(charset="8859/1") as at:
        client = await at.client()
        client.send(adt(1, "Ayu Géßner", "m1", charset=charset).encode(encoding))
        assert (await at.store("kolom nilai: é")).records[0].data["nilai"] == "Ayu Géßner"
        assert "kolom nilai: é\r" in (await client.answer()).decode(encoding)
        await client.close()


async def test_what_a_sender_asks_to_be_answered() -> None:
    async with desk() as at:
        client = await at.client()
        for accept, application, code in (("AL", "NE", "CA"), ("AL", "AL", "AA"), ("NE", "AL", "AA"), ("", "", "AA")):
            message = adt(1, code, f"m{accept}{application}").replace("|2.5", f"|2.5|||{accept}|{application}")
            client.send(message)
            await at.store()
            assert await client.says() == [code, f"m{accept}{application}", ""]
        client.send("MSH|^~\\&|ALAT|RSUD|||2026||ACK^A01|m9|P|2.5\rMSA|AA|m8\r", adt(1, "x", "m10"))
        batch = await at.store()
        if not batch.records:
            await at.store()
        assert await client.says() == ["AA", "m10", ""]  # an answer is not answered
        await client.close()


async def test_messages_however_they_are_cut() -> None:
    message = START + adt(1, "A", "m1").encode() + END
    other = START + adt(2, "B", "m2").encode() + END
    async with desk() as at:
        client = await at.client()
        client.writer.write(message + other)
        for byte in message.replace(b"m1", b"m3"):
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        client.writer.write(b"GET / HTTP/1.1\r\n" + message.replace(b"m1", b"m4") + b"\r\n")
        client.writer.write(message[:50] + message.replace(b"m1", b"m5"))  # begun, and begun anew
        answers: list[list[str]] = []
        while len(answers) < 5:
            batch = await at.store()
            answers += [await client.says() for _ in batch.records]
        assert answers == [["AA", f"m{number}", ""] for number in range(1, 6)]
        await client.close()


async def test_a_connection_that_is_cut_within_a_message() -> None:
    message = adt(1, "A", "m1").encode()
    async with desk() as at:
        client = await at.client()
        client.send(message)
        client.writer.write(START + message[:40])
        await client.writer.drain()
        batch = await at.read()
        await client.close()
        await at.source.commit(batch, [])  # nobody takes the answer
        again = await at.client()
        again.send(message, adt(1, "B", "m2"))
        records = (await at.store()).records or (await at.store()).records
        assert [record.data["nilai"] for record in records] == ["B"]
        assert [await again.says() for _ in range(2)] == [["AA", "m1", ""], ["AA", "m2", ""]]
        await again.close()


async def test_back_pressure_stops_reading() -> None:
    async with desk(ahead=10) as at:
        client = await at.client()
        client.send(*(adt(number, "x" * 3000, number) for number in range(3000)))
        batch = await at.read()
        assert len(batch.records) < 500
        await asyncio.sleep(0.05)
        assert (await at.source.state()).waiting < 500  # type: ignore[operator]
        await at.source.commit(batch, [])
        answered = len(batch.records)
        while answered < 3000:
            answered += len((await at.store()).records)
        assert [await client.says() for _ in range(3000)] == [["AA", str(number), ""] for number in range(3000)]
        await client.close()


async def test_who_takes_no_answers_or_sends_half_a_message_is_cut_off() -> None:
    async with desk(whole=0.1, ahead=100_000, connections=2) as at:
        half, deaf = await at.client(), await at.client()
        half.writer.write(START + b"MSH|")
        dripping = asyncio.create_task(drip(half))  # a byte now and then is no message
        assert await ended(half)
        dripping.cancel()
        # What is refused is answered with its own header: 9 MB that nobody takes.
        refused = adt(1, "A", "m1", event="A02").replace("ALAT", "A" * 3000)
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        deaf.send(*[refused] * 3000)
        server = at.source._server
        assert server is not None
        async with asyncio.timeout(20):
            while server._open:
                if (batch := await at.source.read()) is not None:
                    await at.source.commit(batch, [])
        await half.close()
        await deaf.close()


async def test_silent_connections_and_too_many() -> None:
    async with desk(quiet=0.1, connections=1) as at:
        client = await at.client()
        other = await at.client()
        assert await ended(other)
        assert await ended(client)
        third = await at.client()
        third.send(adt(1, "A", "m1"))
        await at.store()
        assert await third.says() == ["AA", "m1", ""]
        for each in (client, other, third):
            await each.close()


async def test_who_may_connect() -> None:
    async with desk(peers=["10.1.2.0/24"]) as at:
        client = await at.client()
        assert await ended(client)
        await client.close()
    async with desk(listen="0.0.0.0:0", peers=["127.0.0.1", "10.1.2.0/24"]) as at:
        client = await at.client()
        client.send(adt(1, "A", "m1"))
        await at.store()
        assert await client.says() == ["AA", "m1", ""]
        await client.close()
    with pytest.raises(ConfigError, match="name the senders' addresses"):
        await source(listen="0.0.0.0:0").open(None)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server's and a device's certificate, and a stranger's."""
    folder = tmp_path_factory.mktemp("sertifikat")
    for name in ("asing", "ca"):
        _openssl(folder, "req", "-x509", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    for name in ("bus", "alat"):
        _openssl(folder, "req", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san", "-days", "2")
        subprocess.run(
            ["openssl", "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *sign],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


def _openssl(folder: Path, *arguments: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(["openssl", *arguments, *key], cwd=folder, check=True, capture_output=True)


async def test_certificates(certificates: Path) -> None:
    tls = {"certificate": "bus.pem", "private_key": "bus.key", "authority": "ca.pem"}
    async with desk(certificates, tls=tls, listen="0.0.0.0:0") as at:
        for name in ("alat", "asing"):
            context = ssl.create_default_context(cafile=certificates / "ca.pem")
            context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
            client = await at.client(ssl=context)
            client.send(adt(1, name, "m1"))
            if name == "asing":
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await client.answer()
            else:
                assert (await at.store()).records[0].data["nilai"] == "alat"
                assert await client.says() == ["AA", "m1", ""]
            await client.close()
    with pytest.raises(ConfigError, match="needs a certificate"):
        await source(tls={}).open(None)
    with pytest.raises(ConfigError, match="No such file"):
        await source(certificates, tls={"certificate": "hilang.pem"}).open(None)
    with pytest.raises(ConfigError, match="cannot read the certificates"):
        await source(certificates, tls={**tls, "private_key": "asing.key"}).open(None)


async def test_a_client_of_another_library() -> None:
    async with desk() as at:

        def call() -> bytes:
            with MLLPClient("127.0.0.1", at.source.port) as client:
                answer: bytes = client.send_message(adt(1, "A", "m1"))
                return answer

        calling = asyncio.create_task(asyncio.to_thread(call))
        await at.store()
        assert said((await calling).strip(START + END)) == ["AA", "m1", ""]


async def test_a_port_that_is_taken_may_come_free() -> None:
    async with desk() as at:
        other = source(listen=f"127.0.0.1:{at.source.port}")
        with pytest.raises(Unavailable, match="EADDRINUSE"):
            await other.open(None)
        client = await at.client()
        client.send(adt(1, "A", "m1"))
        await at.read()
        await at.source.close()
        assert await ended(client)  # without an answer: it is sent again
        await other.open(None)
        assert await other.reread("1") is None
        await other.close()
        await client.close()


@pytest.mark.parametrize("listen", ["2575", "127.0.0.1:mllp", "192.0.2.1:0", ":80"])
async def test_where_it_cannot_listen(listen: str) -> None:
    with pytest.raises(ConfigError, match="listen"):
        await source(listen=listen, peers=["127.0.0.1"]).open(None)


@pytest.mark.parametrize(
    "options",
    [
        {"fields": {}},
        {"fields": {"a": "PID"}},
        {"key": ["nik"]},
        {"peers": ["10.1.2.3/24"]},
        {"charset": "EBCDIC"},
        {"processing": "X"},
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**options)
