"""The audit sees what is lost, what is applied twice and what comes out of nowhere, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from adapters.demo.applications import (
    APPLICATIONS,
    BANSOS,
    EPUSKESMAS,
    PAJAK,
    PENGADUAN,
    PERIZINAN,
    SENSOR,
    SIMPEG,
    outside,
)
from adapters.demo.audit import DATABASES, Audit, audit, first_write
from adapters.demo.bank import Bank, Bills, Payment
from adapters.demo.city import WIFE, City, build
from adapters.demo.complaints import OFFICERS, Complaint, Counter
from adapters.demo.databases import connect, create, watch
from adapters.demo.hospital import UNKNOWN, Hospital
from adapters.demo.lists import EVENT, LISTS, DailyList
from adapters.demo.people import Aid, Personnel
from adapters.demo.permits import Permits
from adapters.demo.registry import Registry
from adapters.demo.river import BRANTAS, River

TODAY = date(2026, 3, 2)
LETTERS = {
    ("dukcapil/siak", "source-kelahiran"): 1,
    ("dukcapil/siak", "source-kedatangan"): 1,
    ("dukcapil/siak", "source-penduduk"): 1,
    ("rsud/simrs", "source-kelahiran"): 1,
    ("kominfo/pengaduan", "source-laporan"): 1,
    ("bpbd/sensor", "source-sensor"): 1,
    ("bppkad/pajak", "source-bank"): 1,
}

LISTED = {
    "keluar": "SELECT nik, tanggal_pindah FROM bansos.bus_pindah",
    "datang": "SELECT nik, tanggal_datang FROM bansos.bus_kedatangan",
    "izin_terbit": "SELECT nomor, nama_usaha FROM perizinan.izin",
    "izin_dicabut": "SELECT nomor, tanggal_cabut FROM perizinan.izin WHERE status = 'dicabut'",
}
ARRIVED = Path(__file__).with_name("arrived.sql")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A small day, and everything of it where it should be."""
    city = build(residents=60)
    people = city.residents
    registry, permits, bank = Registry(tmp_path), Permits(tmp_path), Bank(tmp_path)
    for application in APPLICATIONS:
        create(application, tmp_path)
    registry.fill(city)
    Aid(tmp_path).fill([(each, "BPNT") for each in people[:9]], date(2026, 1, 5))
    Personnel(tmp_path).fill([*people[:2], people[5]], [people[20], people[21]])
    Bills(tmp_path).fill(people[:6], date(2026, 1, 2))
    for application in APPLICATIONS:
        watch(application, tmp_path)
    bank.open()
    river = River(tmp_path, lambda *_: None)
    river.open()
    for value in (118.0, 131.5, 156.0, 171.5, 127.5, "rusak", 121.0):
        river.measure(BRANTAS, value)

    for number, person in enumerate(people[:4]):
        permits.grant(f"503/{number:04}/419.104/2026", "Izin Toko", "47111", person, TODAY)
    permits.revoke("503/0003/419.104/2026", TODAY, "Usaha tutup")
    registry.born(city.newborn(city.households[0], TODAY))
    registry.born(city.newborn(city.households[1], TODAY), mistyped="0000-00-00")
    complaint = Complaint("LPR-2026-000001", "Lain-lain", "Reklame", "Menutup trotoar.", OFFICERS, "RT 1", "")
    Counter(tmp_path).receive(complaint)
    Counter(tmp_path).receive(complaint._replace(number="LPR-2026-000002", department="dinkes"))
    Counter(tmp_path).receive(complaint._replace(number="LPR-2026-000003", title=""))
    born_in_hospital(city, Hospital(tmp_path), registry)
    registry.died(people[0], TODAY, "RSUD Gambiran")
    registry.died(people[1], TODAY, "Rumah")
    registry.died(people[20], TODAY, "Rumah")
    registry.withdraw_death(people[1])
    registry.moved_out(people[30], TODAY, "Surabaya")
    newcomer = city.newcomer(city.households[2], date(1990, 5, 5))
    registry.moved_in(newcomer, TODAY)
    other = city.newcomer(city.households[2], date(1991, 5, 5))
    registry.moved_in(other, TODAY, mistyped=other.nik[:15])
    good = Payment("T1", "357100100100100010", "2026", "185000", "0", "2026-03-02", "Bank Jatim", people[5].nik)
    bank.send("a.csv", [good, good._replace(no_transaksi="T2", nop="357100100100100020", nik="3,57101E+15")])

    with connect(outside(tmp_path)) as connection:
        for name in DATABASES:
            connection.execute(f"ATTACH ? AS {name}", (str(tmp_path / "applications" / f"{name}.db"),))
        connection.executescript(ARRIVED.read_text(encoding="utf-8"))
        for each in LISTS:
            write_list(each, tmp_path, connection.execute(LISTED[each.name]).fetchall())
    return tmp_path


def write_list(kind: DailyList, home: Path, rows: Sequence[Sequence[str]]) -> None:
    """A workbook of that kind with these rows, and an event for each."""
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append([kind.key, kind.content, EVENT])
    for number, row in enumerate(rows):
        sheet.append([*row, f"event{number}"])
    path = home / "applications" / kind.files.replace("*", "2026-03-02")
    path.parent.mkdir(parents=True, exist_ok=True)
    workbook.save(path)


def born_in_hospital(city: City, hospital: Hospital, registry: Registry) -> None:
    """Of three births one is reported, one withdrawn; a fourth mother has no NIK."""
    mothers = [each for each in city.residents if each.level == WIFE][3:7]
    children = [city.newborn(city.households[each.household - 1], TODAY) for each in mothers]
    for number, (mother, child) in enumerate(zip(mothers, children, strict=True), 1):
        hospital.born(mother, child, number, mistyped=UNKNOWN if number == 4 else "")
    hospital.withdraw_birth(children[0])
    registry.born(children[1], mother=mothers[1].nik)


def look(home: Path) -> Audit:
    return audit(home / "applications", LETTERS)


def execute(path: Path, statement: str) -> None:
    with connect(path) as connection:
        assert connection.execute(statement).rowcount == 1


def test_a_day_that_arrived_whole(home: Path) -> None:
    found = look(home)

    assert [each for each in found.accounts if each.missing or each.unexpected] == []
    assert all(each.expected > 0 for each in found.accounts), "every flow has something to compare"
    assert (found.ok, found.lost, found.duplicates_applied, found.dead_letters) == (True, 0, 0, sum(LETTERS.values()))
    assert found.applied > 60
    assert found.latencies
    assert found.percentile(0.5) <= found.percentile(0.99) == found.latencies[-1]
    assert first_write(home / "applications") is not None


DELETED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a state": (BANSOS.database, "DELETE FROM bus_penduduk WHERE nik = (SELECT MAX(nik) FROM bus_penduduk)"),
    "a fact": (PAJAK.database, "DELETE FROM bus_izin_dicabut"),
    "a tax object": (PAJAK.database, "DELETE FROM calon_objek_pajak WHERE rowid = 1"),
    "a follow-up": (PAJAK.database, "DELETE FROM bus_penerima WHERE status = 'berhenti'"),
    "a payment": (PERIZINAN.database, "DELETE FROM bus_pembayaran"),
    "a newborn": (EPUSKESMAS.database, "DELETE FROM kelahiran WHERE rowid = 1"),
    "an answer": (PENGADUAN.database, "DELETE FROM kabar WHERE kejadian = 'selesai'"),
    "an alarm": (SENSOR.database, "DELETE FROM bus_peringatan WHERE tingkat = 'WASPADA'"),
    "a pension that stops": (
        SIMPEG.database,
        "UPDATE pensiunan SET status = 'aktif', event_id = 'x' WHERE status = 'dihentikan'",
    ),
    "a flag": (PAJAK.database, "UPDATE sppt SET status = 'batal' WHERE id = 1"),
    "a withdrawal": (
        PAJAK.database,
        "UPDATE bus_penerima SET status = 'berhenti', event_id = 'x' WHERE status = 'aktif'",
    ),
}


@pytest.mark.parametrize("what", DELETED)
def test_one_target_row_deleted(home: Path, what: str) -> None:
    database, statement = DELETED[what]
    execute(database(home), statement)

    found = look(home)

    assert (found.ok, found.lost, found.duplicates_applied) == (False, 1, 0)


def test_one_event_applied_again(home: Path) -> None:
    execute(BANSOS.database(home), "UPDATE bus_kelahiran SET event_id = event_id WHERE rowid = 1")

    found = look(home)

    assert (found.ok, found.lost, found.duplicates_applied) == (False, 0, 1)


def test_a_row_that_no_source_accounts_for(home: Path) -> None:
    execute(PAJAK.database(home), "INSERT INTO bus_pindah_keluar VALUES ('3571010101010001', '2026-03-02', 'x')")

    found = look(home)

    assert (found.ok, found.lost, found.unexpected) == (False, 0, 1)


def test_a_row_that_stands_twice_in_a_daily_list(home: Path) -> None:
    path = home / "applications" / LISTS[0].files.replace("*", "2026-03-02")
    workbook = load_workbook(path)
    sheet = workbook.active
    assert sheet is not None
    sheet.append([cell.value for cell in sheet[2]])
    workbook.save(path)

    found = look(home)

    assert (found.ok, found.lost, found.duplicates_applied) == (False, 0, 1)


def test_aid_that_was_not_resumed(home: Path) -> None:
    execute(BANSOS.database(home), "UPDATE penerima SET status = 'dihentikan', event_id = 'y' WHERE event_id = 'hidup'")

    assert look(home).lost == 1


def test_a_bad_row_without_a_dead_letter(home: Path) -> None:
    letters = {place: count for place, count in LETTERS.items() if place != ("bppkad/pajak", "source-bank")}

    found = audit(home / "applications", letters)

    assert (found.ok, found.lost, found.dead_letters) == (False, 1, sum(letters.values()))


def test_a_dead_letter_of_a_good_row(home: Path) -> None:
    found = audit(home / "applications", {**LETTERS, ("dinsos/bansos", "kependudukan-penduduk-lahir-v1"): 1})

    assert (found.ok, found.lost, found.unexpected) == (False, 0, 1)
