"""One bad day in a city: every kind of bad input at once, at DEBUG level and traced, and what is seen of it after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bus.broker.reading import read_stream
from bus.delivery.dead_letters import DeadLetter
from tests.bad_input import foreign, offices
from tests.bad_input.collector import Collector, Span
from tests.bad_input.offices import Database, death, resident
from tests.bad_input.persons import PERSONS, PLANTED
from tests.bad_input.town import Outcome, Town

LIMIT = 7_000  #: bytes that the server takes in one message
FAR = "postgresql://bus:rahasia-sekali@127.0.0.1:1/siak"  #: nobody answers on this port
OTHERS = ("dinsos/bansos", "bppkad/kas", "dinkes/arsip", "bppkad/pajak")

WIDE = "\N{MATHEMATICAL SCRIPT CAPITAL A}"  #: a letter of four bytes
HEADER = "nop;tahun;jumlah;tanggal_bayar;no_transaksi;nama;nik"


@dataclass(frozen=True)
class End:
    """What a shift has come to when all is done."""

    stopped: int
    residents: int
    letters: int


NOON = End(stopped=2 + len(foreign.APPLIED), residents=2, letters=7 + 1 + 1 + 1 + 4 + len(foreign.REFUSED))
EVENING = End(NOON.stopped + 1, NOON.residents + 1, NOON.letters + 1 + 2 + 1)


@dataclass(frozen=True)
class Message:
    """A message of a stream."""

    stream: str
    subject: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Day:
    """What was left of it."""

    outputs: dict[str, str] = field(default_factory=dict)  #: of every process, by its name and number
    codes: list[int] = field(default_factory=list)  #: with which the adapters ended
    answers: dict[str, Outcome] = field(default_factory=dict)  #: of the commands of operations
    letters: list[DeadLetter] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    traced: str = ""  #: everything that the collector was sent, as text
    stopped: list[str] = field(default_factory=list)  #: NIK of those whose aid was stopped
    residents: list[str] = field(default_factory=list)  #: NIK of those whom dinsos knows now
    archived: int = 0  #: rows at the end of the chain siak -> bansos -> kas -> arsip
    files: dict[str, str] = field(default_factory=dict)  #: what the bus left on the disk, by path

    def reasons(self, app: str, place: str) -> list[str]:
        """Why dead letters of a place were refused."""
        return [each.reason for each in self.letters if (each.app, each.place) == (app, place)]

    def lines(self, word: str) -> list[dict[str, object]]:
        """The JSON log lines with this event."""
        return [each for each in self._entries() if each.get("event") == word]

    def _entries(self) -> Iterator[dict[str, object]]:
        for output in self.outputs.values():
            for line in output.splitlines():
                if line.startswith("{"):
                    yield json.loads(line)


async def live(folder: Path) -> Day:
    """Lives it through; takes some 30 seconds."""
    siak, bansos, arsip, drop = offices.siak(folder), offices.bansos(folder), offices.arsip(folder), folder / "drop"
    drop.mkdir()
    urls = {"SIAK_URL": siak.url, "BANSOS_URL": bansos.url, "ARSIP_URL": arsip.url, "JAUH_URL": FAR}
    day = Day()
    with Collector() as collector:
        traced = {"BUS_LOG_LEVEL": "DEBUG", "BUS_OTLP_ENDPOINT": collector.endpoint, "PAJAK_FOLDER": str(drop)}
        async with Town(folder, **urls, **traced) as town:
            town.office(offices.SIAK + offices.AWAY + offices.NO_TABLE)
            town.office(offices.BANSOS, offices.STOP_AID)
            town.office(offices.KAS, offices.NOTE)
            town.office(offices.ARSIP)
            town.office(offices.PAJAK)
            await town.start()
            await town.limit_payload(LIMIT)
            await _morning(town, siak, drop)
            await _shift(town, day, ("json", "text"), _done(town, bansos, arsip, NOON))
            tail = town.command("tail", "tail")
            await tail.start()
            await town.until(lambda: _listening(town), "`bus tail` listens")
            await _afternoon(town, siak)
            await _shift(town, day, ("text", "json"), _done(town, bansos, arsip, EVENING))
            await town.until(lambda: tail.said(offices.TAXED), "`bus tail` has shown the last event")
            day.codes.append(await tail.stop())
            await _ask(town, day)
            await _look(town, day)
            day.stopped, day.residents = _nik(bansos, "berhenti"), _nik(bansos, "warga")
            day.archived, day.files = len(_nik(arsip, "objek")), _files(town, drop)
        day.outputs = {f"{each.name} {number}": each.log.read_text() for number, each in enumerate(town.processes)}
    day.spans, day.traced = collector.spans, collector.text
    return day


async def _morning(town: Town, siak: Database, drop: Path) -> None:
    """Rows, files and foreign messages of every kind."""
    a, b, c, d, e, f = PERSONS[:6]
    siak.add(
        "log",
        death(1, a),
        death(2, b, nik=b.nik[:15]),
        death(3, c, tgl=c.nama),
        death(4, d, alamat=d.alamat * 40),
        death(5, e, nik=None),
        death(6, f),  # whom the handler refuses
        death(7, a, nik=float(a.nik)),
        death(8, b, tgl="0000-00-00"),
        death(9, c, alamat=c.alamat * 1_000),  # too large for a dead letter
        death(10, b),
    )
    siak.add(
        "warga",
        resident(1, a),
        resident(2, c, nama=a.nama),  # the target knows each name once
        resident(
            3, d, alamat=WIDE * 480 + d.alamat[:20], nama=WIDE * 120 + d.nama, telepon=WIDE * 149
        ),  # over the limit
        resident(4, b),
    )
    good = [f"35710100010050{number:04d};2026;185000;2026-03-15;BJ-{number};{a.nama};{a.nik}" for number in range(5)]
    (drop / "1-baik.csv").write_text("\n".join([HEADER, *good[:2], ""]), encoding="utf-8")
    broken = f"357101000100509999;2026;1;2026-03-15;BJ-x;{b.nama}".encode() + b"\xff\xc3;" + b.nik.encode()
    (drop / "2-rusak.csv").write_bytes(b"\n".join([HEADER.encode(), good[2].encode(), broken, good[3].encode(), b""]))
    (drop / "3-tanpa-kolom.csv").write_text(f"nop;tahun;nama\n357101000100500001;2026;{c.nama}\n")
    (drop / "4-excel.csv").write_bytes(b"PK\x03\x04" + c.nama.encode() * 20)
    (drop / "5-baik.csv").write_text("\n".join([HEADER, good[4], f"12;2026;x;{d.lahir};BJ-y;{d.nama};{d.nik}", ""]))
    await foreign.send(town.home, town.url)


async def _afternoon(town: Town, siak: Database) -> None:
    """Some more, for adapters that log in the other format."""
    a, _, _, d, e, f = PERSONS[:6]
    siak.add(
        "log",
        death(11, a),  # whose aid is stopped already: the handler's statement fails
        death(12, e, nik=e.nik[:14]),
        death(13, e, nama=f.nama),
        death(14, PLANTED, nik=f"{d.nik[:-1]}5"),
    )
    siak.add("warga", resident(5, e, nama=a.nama), resident(6, f))


async def _shift(town: Town, day: Day, formats: tuple[str, str], done: Callable[[], Awaitable[bool]]) -> None:
    one, other = formats
    running = [town.run("dukcapil/siak", BUS_LOG_FORMAT=one), town.run(*OTHERS, BUS_LOG_FORMAT=other)]
    for each in running:
        await each.start()
    await town.until(done, "everything applied or dead-lettered")
    day.codes += [await each.stop() for each in running]


def _done(town: Town, bansos: Database, arsip: Database, end: End) -> Callable[[], Awaitable[bool]]:
    async def done() -> bool:
        return (
            len(_nik(bansos, "berhenti")) >= end.stopped
            and len(_nik(bansos, "warga")) >= end.residents
            and len(_nik(arsip, "objek")) >= end.stopped
            and len(await town.dead_letters()) >= end.letters
        )

    return done


def _nik(database: Database, table: str) -> list[str]:
    return [str(row[0]) for row in database.ask(f"SELECT nik FROM {table} ORDER BY nik")]


async def _listening(town: Town) -> bool:
    """Whether ``bus tail`` has its consumer."""
    reply = await town.admin.api("CONSUMER.LIST.OPD_DUKCAPIL")
    configs = [each["config"] for each in reply["consumers"] or ()]
    return any(each["deliver_policy"] == "new" and "durable_name" not in each for each in configs)


async def _ask(town: Town, day: Day) -> None:
    """What operations would ask, two commands at a time."""
    day.letters = await town.dead_letters()
    refused = next(each for each in day.letters if each.reason.startswith("the handler failed"))
    malformed = next(each for each in day.letters if each.reason.startswith("no ce-id"))
    row = next(each for each in day.letters if each.kind == "record")
    person = PERSONS[0].nik
    commands: dict[str, tuple[str, ...]] = {
        "where": ("--debug", "where", refused.event_id),
        "where --json": ("where", refused.event_id, "--json"),
        "where --key": ("where", "--key", f"nik={person}"),
        "where --key, short": ("--debug", "where", "--key", f"nik={person[:15]}"),
        "where, no event": ("where", person),
        "dlq list": ("--debug", "dlq", "list"),
        "dlq list --json": ("dlq", "list", "--all", "--json"),
        "dlq show event": ("dlq", "show", refused.id),
        "dlq show message": ("dlq", "show", malformed.id, "--json"),
        "dlq show record": ("dlq", "show", row.id),
        "status": ("--debug", "status"),
        "status OPD/APP": ("status", "dukcapil/siak"),
        "status OPD/APP --json": ("status", "dinsos/bansos", "--json"),
    }
    gate = asyncio.Semaphore(2)

    async def one(name: str, arguments: tuple[str, ...]) -> None:
        async with gate:
            day.answers[name] = await town.ask(*arguments)

    await asyncio.gather(*(one(*each) for each in commands.items()))


async def _look(town: Town, day: Day) -> None:
    """Everything that the server has."""
    streams = (await town.admin.api("STREAM.NAMES"))["streams"]
    for stream in streams:
        async for batch in read_stream(town.admin, stream, follow=False):
            day.messages += [Message(stream, each.subject, dict(each.headers), each.body) for each in batch]
        reply = await town.admin.api(f"CONSUMER.LIST.{stream}")
        day.consumers += [json.dumps(each["config"]) for each in reply["consumers"] or ()]


def _files(town: Town, drop: Path) -> dict[str, str]:
    """What lies on the disk and is no application's: logs, ledgers, journals, the index, reports to clerks."""
    kept = [each for each in town.home.rglob("*") if each.is_file() and "server" not in each.parts]
    kept += [*(town.home / "server").glob("*.log"), *drop.rglob("*.laporan.txt")]
    return {str(each.relative_to(town.folder)): each.read_bytes().decode(errors="replace") for each in kept}
