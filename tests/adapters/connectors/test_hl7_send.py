"""hl7_send against another library's MLLP server, in a process of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from hl7apy.parser import parse_message
from pydantic import ValidationError

from adapters.connectors.hl7_frames import END, START, framed
from adapters.connectors.hl7_send import Hl7Send, Hl7SendConfig
from adapters.connectors.hl7_template import SegmentTemplate, written
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.ports import Context, Sink
from bus.subjects import AppName
from bus.testing import SinkApplication, SinkContract
from tests.adapters.connectors.deliveries import delivery
from tests.adapters.connectors.hl7_desk import certify
from tests.adapters.connectors.hl7_receiver import Receiver
from tests.servers.proxy import Proxy

CONTEXT = Context(AppName("rsud", "alat"), "kirim", Path(), ZoneInfo("Asia/Jakarta"))
SEGMENTS = ["EVN||{$time}", "PID|1||{kunci}||{nilai}", "ZBS|{$sequence}|{$id}"]


def send(port: int, folder: Path = Path(), **options: Any) -> Hl7Send:
    given = {"address": f"127.0.0.1:{port}", "message": "ADT^A31^ADT_A05", "segments": SEGMENTS, "timeout": 10}
    return Hl7Send(Hl7SendConfig.model_validate(given | options), replace(CONTEXT, folder=folder))


@asynccontextmanager
async def opened(port: int, folder: Path = Path(), **options: Any) -> AsyncIterator[Hl7Send]:
    sink = send(port, folder, **options)
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


class Office:
    """The application behind a door that can be shut, and be bad."""

    def __init__(self, receiver: Receiver, door: Proxy) -> None:
        self._receiver, self._door = receiver, door
        self.away, self.back, self.calm, self.suffered = door.refuse, door.accept, door.calm, door.suffered

    def sink(self) -> Sink:
        return send(self._door.port)

    def stranger(self) -> Sink | None:
        return None  # MLLP knows no credentials

    async def rows(self) -> Mapping[str, str]:
        rows: Mapping[str, str] = self._receiver.control()["rows"]
        return rows

    async def writes(self) -> Sequence[str]:
        writes: Sequence[str] = self._receiver.control()["writes"]
        return writes

    async def heard(self) -> Sequence[str]:
        heard: Sequence[str] = self._receiver.control()["heard"]
        return heard

    async def refuse(self, value: str | None) -> None:
        self._receiver.control(refused=value)

    async def extend(self) -> None:
        self._receiver.control(adds=True)

    async def withdraw(self) -> None:
        self._receiver.control(gone=True)

    async def restore(self) -> None:
        self._receiver.control(gone=False)

    async def kill(self) -> bool:
        await asyncio.to_thread(self._receiver.kill)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._receiver.start)

    async def disturb(self) -> bool:
        await self._door.disturb()
        return True


@pytest.fixture(scope="module")
def hospital() -> Iterator[Receiver]:
    with Receiver().serving() as receiver:
        yield receiver


@pytest.fixture
def receiver(hospital: Receiver) -> Receiver:
    hospital.clear()
    return hospital


@pytest.fixture
async def door(receiver: Receiver) -> AsyncIterator[Proxy]:
    async with Proxy(receiver.port) as proxy:
        yield proxy


class TestHl7Send(SinkContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(self, receiver: Receiver, door: Proxy) -> SinkApplication:
        return Office(receiver, door)


async def test_what_a_message_carries(receiver: Receiver) -> None:
    options = {"codes": {"nilai": {"L": "M"}}, "sender": "BUS^KEDIRI", "receiver": "SIMRS^RSUD"}
    async with opened(receiver.port, **options) as sink:
        await sink.apply([delivery(nilai="L"), delivery("k|2", "a^b~c&d\\e\nf é", event_id="f" * 32)], None)
        await sink.apply([delivery(event_id="e" * 32, nilai="lain")], None)  # known already
    seen = receiver.control()
    assert seen["rows"] == {"k1": "M", "k|2": "a^b~c&d\\e\rf é"}
    assert seen["writes"] == ["e" * 32, "f" * 32]
    assert all(len(control) == 20 for control in seen["controls"])
    header = parse_message(seen["last"], find_groups=False).msh.to_er7()
    assert header == (
        r"MSH|^~\&|BUS|KEDIRI|SIMRS|RSUD|20260131080000+0700||ADT^A31^ADT_A05|"
        f"{seen['controls'][0]}|P|2.5||||||UNICODE UTF-8"
    )


async def test_one_connection_serves_many(door: Proxy) -> None:
    async with opened(door.port) as sink:
        for number in range(20):
            await sink.apply([delivery(event_id=f"{number:032}")], None)
        assert (door.accepted, door.connections) == (1, 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [("AE", Rejected), ("AR", Rejected), ("CE", Rejected), ("CR", Rejected), ("XX", Unavailable)],
)
async def test_what_an_answer_means(receiver: Receiver, code: str, error: type[BusError]) -> None:
    receiver.control(code=code)
    async with opened(receiver.port) as sink:
        with pytest.raises(error) as caught:
            await sink.apply([delivery(nilai="rahasia")], None)
        assert "rahasia" not in str(caught.value)
        receiver.control(code="CA")
        await sink.apply([delivery()], None)


@pytest.mark.parametrize(
    "told", ["ERR|||200^Unsupported message type|E", "ERR|^^^203&Unsupported version id&HL70357", "MSA|AE|{0}||||202^x"]
)
async def test_what_all_messages_have_alike_stops_it(told: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        control = (await reader.readuntil(END)).split(b"|")[9].decode()
        segments = told.format(control) if told.startswith("MSA") else f"MSA|AR|{control}\r{told}"
        writer.write(framed(f"MSH|^~\\&|X\r{segments}\r".encode()))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, opened(server.sockets[0].getsockname()[1]) as sink:
        with pytest.raises(ConfigError, match=r"takes no such messages \(A[RE], 20[023]\)"):
            await sink.apply([delivery()], None)


async def test_a_silent_receiver_is_tried_again_over_another_connection(receiver: Receiver, door: Proxy) -> None:
    receiver.control(silent=True)
    async with opened(door.port, timeout=0.2) as sink:
        with pytest.raises(Unavailable, match="no answer"):
            await sink.apply([delivery()], None)
        receiver.control(silent=False)
        await sink.apply([delivery()], None)
        assert door.accepted == 2
    assert receiver.control()["writes"] == ["e" * 32]  # it had been applied


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a message, and before it another one that was never sent."""
    message = (await reader.readuntil(END)).removeprefix(START)
    control = message.split(b"|")[9].decode()
    for code, meant in (("AE", "lain"), ("AA", control)):
        writer.write(framed(f"MSH|^~\\&|X\nMSA|{code}|{meant}\n".encode()))
    await writer.drain()
    await reader.read()
    writer.close()


async def test_certificates(tmp_path: Path) -> None:
    certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    context.load_cert_chain(tmp_path / "bus.pem", tmp_path / "bus.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    ours = {"certificate": "alat.pem", "private_key": "alat.key", "authority": "ca.pem"}
    others = {"certificate": "asing.pem", "private_key": "asing.key", "authority": "ca.pem"}
    async with server:
        async with opened(port, tmp_path, tls=ours) as sink:
            await sink.apply([delivery()], None)
        async with opened(port, tmp_path, tls=others) as sink:
            # TLS 1.3 refuses a client after the handshake: its alert may be lost with the connection.
            with pytest.raises((AccessError, Unavailable), match=r"does not take our certificate|no connection"):
                await sink.apply([delivery()], None)
        async with opened(port, tmp_path, tls={**ours, "authority": "asing.pem"}) as sink:
            with pytest.raises(AccessError, match="the receiver's certificate"):
                await sink.apply([delivery()], None)


async def test_answers_to_others_are_passed_over() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, opened(server.sockets[0].getsockname()[1]) as sink:
        await sink.apply([delivery()], None)


async def test_what_cannot_be_sent(receiver: Receiver) -> None:
    async with opened(receiver.port, charset="ASCII") as sink:
        with pytest.raises(Rejected, match="ASCII"):
            await sink.apply([delivery(nilai="é")], None)
    async with opened(receiver.port, segments=["PID|{alamat}"]) as sink:
        with pytest.raises(ConfigError, match="`segments` names alamat"):
            await sink.apply([delivery()], None)
    with pytest.raises(ConfigError, match="host:port"):
        await send(0, address="simrs").open()


@pytest.mark.parametrize(
    "options",
    [
        {"segments": []},
        {"segments": ["MSH|x"]},
        {"segments": ["PID"]},
        {"segments": ["PID|\r"]},
        {"message": "A31"},
        {"charset": "EBCDIC"},
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        send(1, **options)


def test_what_a_contract_must_let_through() -> None:
    assert Hl7Send.needs(send(1)._config) == {"kunci", "nilai"}
    template = SegmentTemplate(["PID|{a}||{b}|{c}"], {})
    assert template.filled({"a": None, "b": "{a}", "c": None}) == "PID|||{a}\r"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (date(1980, 8, 5), "19800805"),
        (datetime(2026, 3, 15, 8, 15, tzinfo=UTC), "20260315081500+0000"),
        (True, "Y"),
        (Decimal("1E+2"), "100"),
        (7, "7"),
    ],
)
def test_values_as_fields_have_them(value: object, text: str) -> None:
    assert written(value) == text
