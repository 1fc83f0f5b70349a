"""Invented persons, of whom nothing may be seen outside of bodies; their names stand in no word of the software."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """One person, as an application stores her."""

    nik: str
    nama: str
    alamat: str
    telepon: str
    lahir: str  #: ISO date

    @property
    def traces(self) -> Iterator[str]:
        """What would give the person away, in each way in which software may write it."""
        yield self.nik
        yield self.nama
        yield from (word for word in self.nama.split() if len(word) > 5)  # longer than words that a log may have
        yield self.alamat
        yield self.telepon
        yield self.lahir
        year, month, day = self.lahir.split("-")
        yield f"datetime.date({year}, {int(month)}, {int(day)})"
        yield f"{day}-{month}-{year}"


PERSONS = [
    Person("3571016307610004", "Sulistyowati Prawirodirdjo", "Gang Kenanga Merah 47", "081335550147", "1961-07-23"),
    Person("3571021204580007", "Djatmiko Hadisoebroto", "Jalan Cempaka Ungu 9B", "081235550288", "1958-04-12"),
    Person("3571035509490002", "Rr. Endhang Kusumaningtyas", "Perum Wijayakusuma C-12", "085735550366", "1949-09-15"),
    Person("3571013011720009", "Poerwanto Tjokrosoedarmo", "Jalan Flamboyan Putih 101", "081135550455", "1972-11-30"),
    Person("3571026808850003", "Nyai Ratnaningsih Wulandhari", "Lingkungan Bangsalan 88", "082235550522", "1985-08-28"),
    Person("3571030502930006", "Bagaskara Notohamiprodjo", "Dusun Semampir Lor 3", "081435550611", "1993-02-05"),
    Person("3571014810010008", "Maheswari Kartawibawa", "Jalan Anggrek Bulan 77", "087835550744", "2001-10-08"),
    Person("3571022106660001", "Soedarsono Reksohadiprodjo", "Gang Melati Suci 14", "081535550833", "1966-06-21"),
]


GUEST = PERSONS[6]  #: whose NIK a foreign client puts where a key token belongs
PLANTED = PERSONS[7]  #: whom a handler puts into a log line and a span, and a foreign client into a header
HIDDEN = PERSONS[:6]  #: of whom nothing may be seen


def found(text: str, persons: list[Person]) -> list[str]:
    """Which traces of these persons stand in a text, whatever the case of its letters."""
    folded = text.casefold()
    traces = {trace for person in persons for trace in person.traces}
    return sorted(trace for trace in traces if re.search(rf"(?<!\w){re.escape(trace.casefold())}", folded))
