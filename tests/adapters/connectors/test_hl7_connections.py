"""hl7_mllp beyond the conformance suite: what connections may do."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from adapters.connectors.hl7_connections import SWEEP
from adapters.connectors.hl7_frames import END, START
from bus.errors import ConfigError, Unavailable
from tests.adapters.connectors.hl7_desk import certify, desk, drip, ended, source
from tests.adapters.connectors.hl7_device import adt


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
    return certify(tmp_path_factory.mktemp("sertifikat"))


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


async def test_new_certificates_are_taken_without_a_restart(tmp_path: Path) -> None:
    """Before the old ones end, their files are replaced, one after the other."""
    new = tmp_path / "baru"
    new.mkdir()
    certify(tmp_path)
    certify(new)
    async with desk(tmp_path, tls={"certificate": "bus.pem", "private_key": "bus.key"}) as at:
        with pytest.raises(ssl.SSLCertVerificationError):
            await at.client(ssl=ssl.create_default_context(cafile=new / "ca.pem"))
        for name in ("bus.pem", "bus.key"):
            (new / name).replace(tmp_path / name)
            await asyncio.sleep(2 * SWEEP)  # a moment in which they do not fit each other
        client = await at.client(ssl=ssl.create_default_context(cafile=new / "ca.pem"))
        client.send(adt(1, "A", "m1"))
        await at.store()
        assert await client.says() == ["AA", "m1", ""]
        await client.close()


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
