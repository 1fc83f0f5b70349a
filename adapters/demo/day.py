"""The script of the day: what the clerks do, and what goes wrong meanwhile. Every day is the same, but for its date.

Each act is one transaction in one application; the acts of a part of the day are spread evenly over its seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from adapters.demo.applications import APPLICATIONS, BANSOS, PERIZINAN, SIAK
from adapters.demo.bank import Bank, Bills, Payment
from adapters.demo.city import WIFE, City, Resident, build
from adapters.demo.complaints import OFFICERS, Complaint, Counter, Officers
from adapters.demo.databases import away, create, watch
from adapters.demo.hospital import UNKNOWN, Hospital
from adapters.demo.people import Aid, Personnel
from adapters.demo.permits import Permits
from adapters.demo.registry import Registry
from adapters.demo.river import BRANTAS, KRESEK, POSTS, Post, River, Send

Act = Callable[[], None]
Tell = Callable[[str], None]

BIRTHS, DEATHS, MOVED_OUT, MOVED_IN, PERMITS, FILES, LINES = 30, 24, 20, 16, 60, 4, 40
IN_HOSPITAL, REGISTERED = 12, 10  #: births there, and how many of them the parents report on the same day
PATIENTS = 40
#: Of the rivers' posts, in cm: the first before the doors open; no value twice.
READINGS = {
    BRANTAS: (118.0, 131.5, 156.0, 171.5, 203.0, 238.5, 262.0, 254.5, 212.0, 181.5, 149.0, 127.5),
    KRESEK: (41.0, 62.5, 88.0, 97.5, 121.0, 109.0, 76.5, 58.0),
}
COMPLAINTS = 15  #: every third one is for another department than Satpol PP
LOOK = 0.7  #: seconds between two looks of an officer at the list
RECIPIENTS, HOLDERS = 240, 80
OTHERS, EMPLOYEES = 60, 8  #: who has a pension and pays tax, and to whom nothing happens; civil servants who die
AWAY = 11.5  #: seconds that Dinsos's database takes no writes: longer than an adapter waits for a lock (10 s)
SPREADSHEET_NIK = "3,57102E+15"  #: what is left of a NIK once a spreadsheet took it for a number

_PLACES = ("RSUD Gambiran", "RS Baptis", "Rumah", "RSUD Kilisuci")
_KINDS = (("Izin Toko", "47111"), ("Izin Apotek", "47721"), ("Izin Rumah Makan", "56101"), ("Izin Bengkel", "45201"))
_COMPLAINTS = (
    ("Ketenteraman dan ketertiban umum", "Reklame menutup trotoar", "Pejalan kaki turun ke jalan.", OFFICERS),
    ("Ketenteraman dan ketertiban umum", "Pedagang berjualan di badan jalan", "Jalan macet tiap pagi.", OFFICERS),
    ("Kesehatan", "Antrean puskesmas panjang", "Menunggu sejak subuh.", "dinkes"),
)
_CITIES = ("Surabaya", "Malang", "Blitar", "Tulungagung")


@dataclass(frozen=True)
class Pace:
    """How long the morning, each later part of the day and the outage take, seconds."""

    morning: float = 5.0
    part: float = 3.0
    outage: float = AWAY


@dataclass
class Day:
    """One day of the city.

    ``tell`` hears what is happening now, ``kill`` kills the adapter of the registry. ``noticed`` waits until a query of
    a database, with one parameter, has a row: what is withdrawn must have arrived, where the mistake is found. A query
    that is looked at again after each change shows no state that came and went before the look. ``send`` is how the
    rivers' posts send.
    """

    home: Path
    tell: Tell
    kill: Act
    noticed: Callable[[Path, str, str], Awaitable[object]]
    send: Send
    pace: Pace = Pace()
    today: date = field(default_factory=date.today)
    city: City = field(init=False)

    def prepare(self) -> None:
        """The night before: the applications as the day finds them."""
        self.city = build(today=self.today)
        self._counter, self._at_work = Counter(self.home), Officers(self.home)
        self._registry, self._permits, self._bank = Registry(self.home), Permits(self.home), Bank(self.home)
        for application in APPLICATIONS:
            create(application, self.home)
        self._registry.fill(self.city)
        grown_up = [each for each in self.city.residents if each.adult]
        self.city.random.shuffle(grown_up)
        recipients, holders = grown_up[:RECIPIENTS], grown_up[RECIPIENTS // 2 : RECIPIENTS // 2 + HOLDERS]
        aid = [
            (each, program) for n, each in enumerate(recipients) for program in (("BPNT", "PKH")[: 1 + (n % 4 == 0)])
        ]
        Aid(self.home).fill(aid, date(self.today.year, 1, 5))
        for number, holder in enumerate(holders, 1):
            self._permits.grant(self._permit(number), *_KINDS[number % len(_KINDS)], holder, self.today - timedelta(90))
        people = self._mixed(recipients, holders, grown_up)
        dying, others = people[:DEATHS], people[-OTHERS:]
        old, young = sorted(dying, key=lambda each: each.born)[: DEATHS // 2], dying[-EMPLOYEES:]
        Personnel(self.home).fill([*old, *others], [each for each in young if each not in old])
        self._mothers = [each for each in people[-PATIENTS * 10 : -OTHERS] if each.level == WIFE][: IN_HOSPITAL + 2]
        self._hospital = Hospital(self.home)
        self._hospital.fill(people[-PATIENTS:], self.today - timedelta(30))
        Bills(self.home).fill([*dying, *others], date(self.today.year, 1, 2))
        self._people = iter(people)
        self._bank.open()
        self._river = River(self.home, self.send)
        self._river.open()
        self._readings = {each: iter(values) for each, values in READINGS.items()}

    def open(self) -> None:
        """The doors open: from here on every write is noted."""
        for application in APPLICATIONS:
            watch(application, self.home)
        for post in POSTS:
            self._river.measure(post, next(self._readings[post]), retain=True)

    async def live(self) -> None:
        """Lets the day pass; returns when the counters have closed and all applications answer again."""
        self._mistaken = next(self._people)
        parts = self._parts()
        officers = asyncio.create_task(self._officers())
        try:
            await self._hours(parts)
        finally:
            officers.cancel()

    async def _hours(self, parts: Sequence[Sequence[Act]]) -> None:
        self.tell("08.00 the counters open: births, deaths, moves, permits, complaints; the river rises")
        await self._do(self._died(self._mistaken))
        await self._part(parts[0], self.pace.morning)

        self.tell("09.30 bad rows: a NIK of 15 digits, a mother without one, a complaint without a title, …")
        await self._do(*self._bad_rows(), self._payments(1), self._payments(2))

        self.tell("10.00 the database of Dinsos takes no writes; everybody else works on")
        outage = asyncio.create_task(self._away())
        try:
            await self._through_the_outage(parts)
            await outage
        finally:
            outage.cancel()

    async def _through_the_outage(self, parts: Sequence[Sequence[Act]]) -> None:
        await self._part(parts[1], self.pace.part)

        self.tell("11.00 the adapter of dukcapil/siak is killed (SIGKILL) and started again")
        self.kill()
        await self._part(parts[2], self.pace.part)

        known = "SELECT 1 FROM bus_kematian WHERE nik = ?"
        await self.noticed(PERIZINAN.database(self.home), known, self._mistaken.nik)
        listed = "SELECT 1 FROM bus_kelahiran WHERE nik_ibu = ?"
        await self.noticed(SIAK.database(self.home), listed, self._mothers[0].nik)
        self.tell("13.00 a death and a birth turn out to be mistakes and are withdrawn")
        await self._do(
            partial(self._registry.withdraw_death, self._mistaken),
            partial(self._hospital.withdraw_birth, self._newborns[0]),
            self._payments(3),
            self._payments(4),
        )
        await self._part(parts[3], self.pace.part)

        self.tell("15.00 the counters close")

    async def _away(self) -> None:
        with away(BANSOS.database(self.home)):
            await asyncio.sleep(self.pace.outage)
        self.tell("15.30 the database of Dinsos is back: what waited is applied now")

    def _parts(self) -> list[list[Act]]:
        """The ordinary acts in a mixed order: half of them in the morning, the rest in three equal parts."""
        acts = [*self._births(), *self._deaths(), *self._moves(), *self._issued()]
        self.city.random.shuffle(acts)
        half = len(acts) // 2
        parts = [acts[:half], *(acts[half + number :: 3] for number in range(3))]
        parts[0] = self._between(parts[0], self._born_in_hospital())
        complaints = list(self._complaints())
        readings = [partial(self._measure, post) for post, values in READINGS.items() for _ in values[1:]]
        parts[0] = self._between(parts[0], iter((*complaints[::2], *readings[::2])))
        parts[1] = self._between(parts[1], iter((*complaints[1::2], *readings[1::2])))
        parts[2] = self._between(parts[2], self._reported())
        parts[-1] += self._revoked()
        return parts

    def _between(self, acts: Sequence[Act], more: Iterator[Act]) -> list[Act]:
        mixed = [*acts, *more]
        self.city.random.shuffle(mixed)
        return mixed

    async def _part(self, acts: Sequence[Act], seconds: float) -> None:
        for act in acts:
            await self._do(act)
            await asyncio.sleep(seconds / len(acts))

    @staticmethod
    async def _do(*acts: Act) -> None:
        """Off the event loop: a clerk's program waits for locks."""
        for act in acts:
            await asyncio.to_thread(act)

    def _births(self) -> Iterator[Act]:
        for _ in range(BIRTHS - REGISTERED):
            child = self.city.newborn(self.city.random.choice(self.city.households), self.today)
            yield partial(self._registry.born, child)

    def _born_in_hospital(self) -> Iterator[Act]:
        """The first will be withdrawn."""
        self._newborns = [
            self.city.newborn(self.city.households[each.household - 1], self.today) for each in self._mothers
        ]
        for number, (mother, child) in enumerate(zip(self._mothers[:-1], self._newborns, strict=False), 1):
            yield partial(self._hospital.born, mother, child, number)

    def _reported(self) -> Iterator[Act]:
        for mother, child in list(zip(self._mothers, self._newborns, strict=True))[1 : REGISTERED + 1]:
            yield partial(self._registry.born, child, mother=mother.nik)

    def _deaths(self) -> Iterator[Act]:
        for _ in range(DEATHS - 1):
            yield self._died(next(self._people))

    def _died(self, person: Resident) -> Act:
        on = self.today - timedelta(days=self.city.random.randint(0, 3))
        return partial(self._registry.died, person, on, self.city.random.choice(_PLACES))

    def _moves(self) -> Iterator[Act]:
        for _ in range(MOVED_OUT):
            address = f"Jl. Merdeka 1, {self.city.random.choice(_CITIES)}"
            yield partial(self._registry.moved_out, next(self._people), self.today, address)
        for _ in range(MOVED_IN):
            yield partial(self._registry.moved_in, self._newcomer(), self.today)

    def _issued(self) -> Iterator[Act]:
        for number in range(HOLDERS + 1, HOLDERS + PERMITS + 1):
            kind, kbli = _KINDS[number % len(_KINDS)]
            yield partial(self._permits.grant, self._permit(number), kind, kbli, next(self._people), self.today)

    def _revoked(self) -> Iterator[Act]:
        """Of permits that were there before the day: so that no act depends on another."""
        for number in range(1, HOLDERS, 16):
            yield partial(self._permits.revoke, self._permit(number), self.today, "Usaha tutup")

    def _bad_rows(self) -> Iterator[Act]:
        child = self.city.newborn(self.city.households[0], self.today)
        yield partial(self._registry.born, child, mistyped="0000-00-00")
        number = len(self._mothers)
        yield partial(self._hospital.born, self._mothers[-1], self._newborns[-1], number, mistyped=UNKNOWN)
        yield partial(self._counter.receive, self._complaint(COMPLAINTS + 1, "Lain-lain", "", "Tanpa judul.", OFFICERS))
        yield partial(self._river.measure, KRESEK, "rusak")
        newcomer = self._newcomer()
        yield partial(self._registry.moved_in, newcomer, self.today, mistyped=newcomer.nik[:-1])

    def _complaints(self) -> Iterator[Act]:
        for number in range(1, COMPLAINTS + 1):
            yield partial(self._counter.receive, self._complaint(number, *_COMPLAINTS[number % 3]))

    def _complaint(self, number: int, kind: str, title: str, text: str, department: str) -> Complaint:
        place = self.city.random.choice(self.city.clusters)
        name = f"LPR-{self.today.year}-{number:06}"
        return Complaint(name, kind, title, text, department, f"RT {place.rt} RW {place.rw}", place.code)

    def _measure(self, post: Post) -> None:
        """The next reading of a post, whichever act comes first."""
        self._river.measure(post, next(self._readings[post]))

    async def _officers(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._do(self._at_work.work)

    def _newcomer(self) -> Resident:
        random = self.city.random
        return self.city.newcomer(
            random.choice(self.city.households), date(1990, 1, 1) + timedelta(random.randint(0, 5_000))
        )

    def _payments(self, file: int) -> Act:
        """One file of the bank; the first two have a line with a spoiled NIK each."""
        payers = self.city.random.sample(self.city.households, LINES)
        lines = [
            Payment(
                no_transaksi=f"BJ-{self.today:%Y%m%d}-{file}{number:04}",
                nop=f"3571{file:03}{number:03}{payer.id:07}0"[:18],
                tahun=str(self.today.year),
                jumlah=str(self.city.random.randint(40, 900) * 1_000),
                denda="0",
                tanggal_bayar=str(self.today),
                bank="Bank Jatim",
                nik=SPREADSHEET_NIK if file <= 2 and number == LINES // 2 else payer.members[0].nik,  # noqa: PLR2004
            )
            for number, payer in enumerate(payers)
        ]
        return partial(self._bank.send, f"pbb-{self.today:%Y%m%d}-{file}.csv", lines)

    def _permit(self, number: int) -> str:
        return f"503/{number:04}/419.104/{self.today.year}"

    def _mixed(
        self, recipients: Sequence[Resident], holders: Sequence[Resident], everyone: Sequence[Resident]
    ) -> list[Resident]:
        """Whom the day happens to, each once: the first are recipients who hold a permit too, the eldest first."""
        both = sorted((each for each in recipients if each in holders), key=lambda each: each.born)[:12]
        only = [each for each in recipients if each not in holders][:12]
        known = {each.id for each in (*recipients, *holders)}
        return [*both, *only, *(each for each in everyone if each.id not in known)]
