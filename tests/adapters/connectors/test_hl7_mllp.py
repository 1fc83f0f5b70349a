"""hl7_mllp beyond the conformance suite: what is read, and what is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hl7.client import MLLPClient
from hl7apy.parser import parse_message
from pydantic import ValidationError

from adapters.connectors.hl7_frames import END, START
from bus.ports import Rejection
from tests.adapters.connectors.hl7_desk import WIB, desk, source
from tests.adapters.connectors.hl7_device import adt, said
from tests.adapters.connectors.hl7_published import ADDED, ADMITTED, CHANGED, DISCHARGED, REGISTERED, UPDATED


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


def by_hl7(port: int, message: str) -> bytes:
    """Sends a message by the client of ``hl7``; returns the answer."""
    with MLLPClient("127.0.0.1", port) as client:
        answer: bytes = client.send_message(message)
        return answer


def by_hl7apy(port: int, message: str) -> bytes:
    """Sends a message as ``hl7apy``, which has no client, writes and frames it; returns the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(parse_message(message, find_groups=False).to_mllp().encode())
        answer = b""
        while not answer.endswith(END):
            answer += connection.recv(4096)
        return answer


PUBLISHED = {
    "no": "PID-3",
    "nama": "PID-5.2 PID-5.1",
    "lahir": "PID-7:date",
    "alamat": "PID-11[2].1",
    "kota": "PID-11.3",
    "jenis": "PV1-2",
    "kunjungan": "PV1-19",
    "masuk": "PV1-44:time",
    "keluar": "PV1-45:time",
    "dicatat": "EVN-2:time",
    "diagnosa": "DG1-3.2",
}


@pytest.mark.parametrize("send", [by_hl7, by_hl7apy])
@pytest.mark.parametrize(
    ("message", "number", "at", "values"),
    [
        (
            ADMITTED,
            "01052901",
            datetime(2006, 5, 29, 21, 1, 31, tzinfo=WIB),
            {
                "no": "56782445",
                "nama": "BARRY KLEINSAMPLE",
                "lahir": date(1962, 9, 10),
                "alamat": "NICKELL\N{RIGHT SINGLE QUOTATION MARK}S PICKLES",
                "kota": "BIRMINGHAM",
                "jenis": "I",
                "masuk": datetime(2006, 5, 29, 9, 0, tzinfo=WIB),
                "dicatat": datetime(2006, 5, 29, 9, 1, tzinfo=WIB),
                "diagnosa": "CHEST PAIN, UNSPECIFIED",
            },
        ),
        (
            REGISTERED,
            "000001",
            datetime(1991, 12, 31, 15, 1, tzinfo=WIB),
            {
                "no": "191919",
                "nama": "JAMES MASSIE",
                "lahir": date(1956, 1, 29),
                "kota": "ISHPEMING",
                "jenis": "O",
                "kunjungan": "1400",
                "masuk": datetime(1995, 1, 10, 14, 10, tzinfo=WIB),
                "dicatat": datetime(2003, 1, 10, 15, 0, tzinfo=WIB),
            },
        ),
        (
            CHANGED,
            "599102",
            datetime(2005, 1, 10, 4, 55, 4, tzinfo=WIB),
            {
                "no": "10006579",
                "nama": "DONALD DUCK",
                "lahir": date(1924, 10, 10),
                "kota": "FOWL",
                "dicatat": datetime(2005, 1, 10, 4, 55, 2, tzinfo=WIB),
            },
        ),
        (
            DISCHARGED,
            "13403893338056",
            datetime(2010, 10, 21, 17, 6, tzinfo=WIB),
            {
                "no": "3333333333",
                "nama": "FREDRICA SMITH",
                "lahir": date(1965, 12, 13),
                "kota": "MALTON",
                "jenis": "I",
                "kunjungan": "YOR123456",
                "masuk": datetime(2010, 10, 20, 17, 16, tzinfo=WIB),
                "keluar": datetime(2010, 10, 21, 17, 6, tzinfo=WIB),
                "dicatat": datetime(2010, 10, 21, 17, 35, tzinfo=WIB),
            },
        ),
    ],
    ids=["A01-2.5", "A04-2.5", "A08-2.3", "A03-2.4"],
)
async def test_messages_that_others_have_published(
    send: Callable[[int, str], bytes], message: str, number: str, at: datetime, values: dict[str, Any]
) -> None:
    async with desk(fields=PUBLISHED, key=["no"], charset="UNICODE UTF-8") as open_desk:
        calling = asyncio.create_task(asyncio.to_thread(send, open_desk.source.port, message))
        (record,) = (await open_desk.store()).records
        assert said((await calling).strip(START + END)) == ["AA", number, ""]
    about = {"_pesan": message.split("|")[8][:7], "_waktu": at}
    assert (record.fault, record.at, record.key) == ("", at, values["no"])
    assert record.data == {**dict.fromkeys(PUBLISHED), **values, **about}


@pytest.mark.parametrize(
    ("message", "number", "kind"),
    [(ADDED, "13403891320453338075", "ADT^A28"), (UPDATED, "134039113204538055", "ADT^A31")],
    ids=["A28-2.4", "A31-2.4"],
)
async def test_published_messages_with_a_thirteenth_month(message: str, number: str, kind: str) -> None:
    """Whoever wants the birth date refuses them; as a text it is read."""
    text = {"no": "PID-3", "nama": "PID-5.2 PID-5.1", "lahir": "PID-7", "jenis": "PV1-2"}
    answers, read = [], []
    for fields in (text | {"lahir": "PID-7:date"}, text):
        async with desk(fields=fields, key=["no"]) as open_desk:
            client = await open_desk.client()
            client.send(message)
            read += (await open_desk.store()).records
            answers.append(await client.says())
            await client.close()

    assert answers == [["AE", number, "PID-7: tanggal atau waktu tidak terbaca"], ["AA", number, ""]]
    values = {"no": "3333333333", "nama": "FREDRICA SMITH", "lahir": "196513121515", "jenis": None}
    assert {name: read[1].data[name] for name in ("_pesan", *values)} == {"_pesan": kind, **values}


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


async def test_what_the_bus_itself_sent_is_answered_and_left_out() -> None:
    own, other = adt(1, "A", 1).replace("|ALAT|", "|BUS|"), adt(2, "B", 2)
    fields = {"kunci": "PID-3(MR)", "nilai": "PID-5", "asal": "MSH-3"}
    async with desk(fields=fields, skip={"asal": "BUS"}) as at:
        client = await at.client()
        client.send(own, other, own)
        assert [record.data["kunci"] for record in (await at.store()).records] == ["2"]
        assert [(await client.says())[:2] for _ in range(3)] == [["AA", "1"], ["AA", "2"], ["AA", "1"]]
        await client.close()


def test_what_is_left_out_is_told_by_a_field() -> None:
    with pytest.raises(ValidationError, match="skip names asal, which is not in fields"):
        source(skip={"asal": "BUS"})
