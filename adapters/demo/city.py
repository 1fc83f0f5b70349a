"""2,000 residents of Kota Kediri who do not exist: the same ones for the same seed.

Identifiers have their real forms: a NIK is the region's 6 digits, DDMMYY (women: day + 40) and a serial from 0001.
Names are drawn from lists of common words; no row describes a real person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from schemas.wilayah import KELURAHAN

RESIDENTS = 2_000
MALE, FEMALE = 1, 2
HEAD, WIFE, CHILD, FAMILY = 1, 3, 4, 9  #: rows of tweb_penduduk_hubungan
SINGLE, MARRIED = 1, 2  #: rows of tweb_penduduk_kawin
PUPIL, HOUSEWORK, FARMER, TRADER, EMPLOYEE = 3, 2, 9, 84, 15  #: rows of tweb_penduduk_pekerjaan
SURABAYA = "357801"
COUPLES = 0.8  #: households of a couple
ADULT = timedelta(days=365 * 21)

_MEN = (
    "Agus",
    "Bambang",
    "Budi",
    "Dedi",
    "Eko",
    "Hadi",
    "Joko",
    "Margono",
    "Rudi",
    "Slamet",
    "Sugeng",
    "Teguh",
    "Wahyu",
    "Yanto",
)
_WOMEN = (
    "Ani",
    "Dewi",
    "Endang",
    "Fitri",
    "Indah",
    "Kartini",
    "Murni",
    "Puji",
    "Ratna",
    "Rini",
    "Siti",
    "Sri",
    "Tutik",
    "Yuni",
)
_LAST = (
    "Hartono",
    "Hidayat",
    "Kurniawan",
    "Maulana",
    "Nugroho",
    "Pratama",
    "Rahayu",
    "Santoso",
    "Setiawan",
    "Utami",
    "Wibowo",
)
_STREETS = ("Brawijaya", "Dhoho", "Hayam Wuruk", "Joyoboyo", "Kusuma Bangsa", "Mastrip", "Panglima Polim", "Veteran")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A row of tweb_wil_clusterdesa: an RT of a kelurahan."""

    id: int
    rt: str
    rw: str
    kelurahan: str  #: its name, which OpenSID keeps in `dusun`
    code: str  #: 35.71.CC.KKKK

    @property
    def region(self) -> str:
        """The six digits that a NIK or family card issued here begins with."""
        return self.code.replace(".", "")[:6]


@dataclass(frozen=True, slots=True)
class Resident:
    """A row of tweb_penduduk."""

    id: int
    nik: str
    name: str
    sex: int
    born: date
    household: int
    level: int
    job: int
    marital: int
    cluster: Cluster
    address: str

    @property
    def adult(self) -> bool:
        """Old enough to hold a permit or receive aid."""
        return self.level in {HEAD, WIFE}


@dataclass(frozen=True, slots=True)
class Household:
    """A row of tweb_keluarga with the people in it."""

    id: int
    number: str
    cluster: Cluster
    address: str
    members: list[Resident]

    @property
    def head(self) -> Resident:
        """Who stands first on the family card."""
        return self.members[0]


class Birth(NamedTuple):
    """What a NIK is made of."""

    sex: int
    day: date
    region: str = ""  #: of first registration, six digits; empty: where the household lives


@dataclass(slots=True)
class City:
    """The households of the city, and the numbers that it hands out next."""

    random: Random
    clusters: Sequence[Cluster]
    households: list[Household] = field(default_factory=list)
    _serials: Counter[str] = field(default_factory=Counter)
    _people: int = 0

    @property
    def residents(self) -> list[Resident]:
        """Everyone, in the order of their row numbers."""
        return [resident for household in self.households for resident in household.members]

    def nik(self, region: str, sex: int, born: date) -> str:
        """The next free NIK of that region (six digits), sex and date of birth."""
        stem = f"{region}{born.day + (40 if sex == FEMALE else 0):02}{born:%m%y}"
        self._serials[stem] += 1
        return f"{stem}{self._serials[stem]:04}"

    def newborn(self, household: Household, born: date) -> Resident:
        """A child born into a household; the caller writes it into the registry."""
        return self._person(household, Birth(self.random.choice((MALE, FEMALE)), born), CHILD)

    def newcomer(self, household: Household, born: date) -> Resident:
        """A grown-up who moves in with a household. Their NIK names the city where they were registered first."""
        return self._person(household, Birth(self.random.choice((MALE, FEMALE)), born, SURABAYA), FAMILY)

    def add_household(self, today: date) -> Household:
        """One more household of one to six people."""
        random, cluster = self.random, self.random.choice(self.clusters)
        address = f"Jl. {random.choice(_STREETS)} No. {random.randint(1, 250)}"
        stem = f"{cluster.region}{today - timedelta(days=random.randint(30, 6_000)):%d%m%y}"
        self._serials[f"kk{stem}"] += 1
        household = Household(len(self.households) + 1, f"{stem}{self._serials[f'kk{stem}']:04}", cluster, address, [])
        born, couple = today - timedelta(days=random.randint(9_000, 28_000)), random.random() < COUPLES
        head = Birth(MALE if couple else random.choice((MALE, FEMALE)), born)
        household.members.append(self._person(household, head, HEAD, MARRIED if couple else SINGLE))
        if couple:
            wife = Birth(FEMALE, born + timedelta(days=random.randint(0, 2_000)))
            household.members.append(self._person(household, wife, WIFE, MARRIED))
            oldest = max(60, (today - wife.day - ADULT).days)
            for _ in range(random.randint(0, 4)):
                household.members.append(self.newborn(household, today - timedelta(days=random.randint(30, oldest))))
        self.households.append(household)
        return household

    def _person(self, household: Household, birth: Birth, level: int, marital: int = SINGLE) -> Resident:
        random, cluster = self.random, household.cluster
        self._people += 1
        return Resident(
            id=self._people,
            nik=self.nik(birth.region or cluster.region, birth.sex, birth.day),
            name=f"{random.choice(_MEN if birth.sex == MALE else _WOMEN)} {random.choice(_LAST)}",
            sex=birth.sex,
            born=birth.day,
            household=household.id,
            level=level,
            job=PUPIL if level == CHILD else HOUSEWORK if level == WIFE else random.choice((FARMER, TRADER, EMPLOYEE)),
            marital=marital,
            cluster=cluster,
            address=household.address,
        )


def build(seed: int = 3571, residents: int = RESIDENTS, today: date = date(2026, 3, 2)) -> City:
    """The city with at least so many residents; equal seeds give equal cities."""
    random = Random(seed)  # noqa: S311 - invented people, no secrets
    clusters = [
        Cluster(number * 2 + part + 1, f"{random.randint(1, 12):03}", f"{random.randint(1, 8):03}", place.nama, code)
        for number, (code, place) in enumerate(KELURAHAN.items())
        for part in range(2)
    ]
    city = City(random, _distinct(clusters))
    while city._people < residents:
        city.add_household(today)
    return city


def _distinct(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The first of those that name the same RT: OpenSID keeps (rt, rw, dusun) unique."""
    return list({(each.rt, each.rw, each.kelurahan): each for each in reversed(clusters)}.values())
