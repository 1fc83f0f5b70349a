"""Rows, files, events and databases that are no good: each is told in one clear line, and the good ones arrive."""

from __future__ import annotations

import pytest

from bus.errors import BusError
from tests.bad_input import offices
from tests.bad_input.day import LIMIT, Day
from tests.bad_input.foreign import APPLIED, PREFIX, REFUSED, Letter
from tests.bad_input.persons import PERSONS, PLANTED

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("bad_day")]

DEATHS = "kependudukan-penduduk-meninggal-v1"
RESIDENTS = "kependudukan-penduduk-tercatat-v1"


@pytest.mark.parametrize("letter", REFUSED, ids=[each.name for each in REFUSED])
def test_a_malformed_event_is_a_dead_letter_that_says_why(day: Day, letter: Letter) -> None:
    subject = f"{PREFIX}.TOKENASING{REFUSED.index(letter):06d}"
    (found,) = [each for each in day.letters if each.subject == subject]
    assert (found.app, found.place, found.kind) == ("dinsos/bansos", DEATHS, "event")
    assert found.reason.startswith(letter.reason) or letter.reason in found.reason
    assert found.code in {"envelope", "contract"}
    assert found.data == letter.message(REFUSED.index(letter))[2]


def test_what_is_odd_but_right_is_applied_among_them(day: Day) -> None:
    assert {each.person.nik for each in APPLIED} <= set(day.stopped)


def test_rows_that_do_not_fit_are_dead_letters_and_their_neighbours_are_published(day: Day) -> None:
    assert day.reasons("dukcapil/siak", "source-log") == [
        "kolom nik: harus 16 angka, ada 15",
        "kolom tgl: tanggal tidak terbaca; tulis seperti 2026-01-31",
        f"kolom alamat: paling banyak 500 huruf, ada {len(PERSONS[3].alamat) * 40}",
        "kolom nik: belum diisi",
        "kolom nik: angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya",
        "kolom tgl: tanggal kosong",
        f"kolom alamat: paling banyak 500 huruf, ada {len(PERSONS[2].alamat) * 1_000}",
        "kolom nik: harus 16 angka, ada 14",
    ]
    assert {PERSONS[0].nik, PERSONS[1].nik, PERSONS[3].nik[:-1] + "5"} <= set(day.stopped)


def test_an_event_over_the_payload_limit_is_a_dead_letter(day: Day) -> None:
    assert day.reasons("dukcapil/siak", "source-warga") == ["datanya terlalu besar untuk dikirim"]
    assert day.residents == sorted(PERSONS[number].nik for number in (0, 1, 5))


def test_a_dead_letter_over_the_limit_keeps_size_and_hash_and_stops_nothing(day: Day) -> None:
    (large,) = [each for each in day.letters if each.kind == "record" and each.size > LIMIT]
    assert not large.columns
    assert large.hash
    assert large.key == "9"
    small = next(each for each in day.letters if each.place == "source-log" and not each.size)
    assert set(small.columns) == {"nik", "tgl", "nama", "alamat", "telepon"}


def test_what_the_application_refuses_is_a_dead_letter_with_the_column(day: Day) -> None:
    unique = "data yang sama sudah ada: warga.nama (kode SQLITE_CONSTRAINT_UNIQUE)"
    assert day.reasons("dinsos/bansos", RESIDENTS) == [unique, unique]
    reasons = day.reasons("dinsos/bansos", DEATHS)
    assert sum(reason.startswith("the handler failed (ValueError)") for reason in reasons) == 1
    assert reasons.count("data yang sama sudah ada: berhenti.nik (kode SQLITE_CONSTRAINT_PRIMARYKEY)") == 2


def test_files_that_cannot_be_read_and_rows_in_them_are_told_to_the_clerk(day: Day) -> None:
    assert day.reasons("bppkad/pajak", "source-bank") == [
        "kolom nama: ada huruf yang rusak (tidak terbaca); ketik ulang huruf itu",
        "berkas tidak terbaca: kolom no_transaksi, jumlah, tanggal_bayar tidak ada; "
        "tambahkan kolom itu, atau perbaiki judulnya di baris pertama, lalu taruh lagi",
        "berkas tidak terbaca: berkas ini adalah berkas Excel (.xlsx) atau ZIP, bukan CSV; "
        "buka dengan Excel, pilih Simpan Sebagai > CSV, lalu taruh lagi",
        "kolom nop: harus 18 angka, ada 2; kolom jumlah: harus rupiah bulat, misalnya 150000",
    ]
    reports = {path.removeprefix("drop/"): text for path, text in day.files.items() if path.startswith("drop/")}
    assert "kolom no_transaksi, jumlah, tanggal_bayar tidak ada" in reports["failed/3-tanpa-kolom.csv.laporan.txt"]
    assert "Baris 3: kolom nama: ada huruf yang rusak" in reports["done/2-rusak.csv.laporan.txt"]
    paid = [each for each in day.messages if offices.PAID in each.subject]
    assert len(paid) == 5


def test_a_database_that_does_not_answer_is_told_once_and_tried_on(day: Day) -> None:
    (line,) = day.lines("source pauses")  # of the shift that logged JSON; the other one says the same in text
    assert line["code"] == "unavailable"
    assert line["error"] == (
        "dukcapil/siak source.jauh: the database does not answer (ConnectionRefusedError) "
        "(is it running and reachable?)"
    )
    assert not [output for output in day.outputs.values() if "rahasia-sekali" in output]


def test_a_query_that_fits_no_database_stops_its_source_alone(day: Day) -> None:
    (line,) = day.lines("stopped")
    assert (line["place"], line["code"]) == ("source-salah", "config")
    assert str(line["error"]).startswith("dukcapil/siak source.salah: ")
    assert "check database, query, table and columns" in str(line["error"])


def test_nothing_else_stopped(day: Day) -> None:
    assert day.codes == [0, 0, 0, 0, 0]
    assert day.archived == len(day.stopped) == 3 + len(APPLIED)
    assert PLANTED.nik in day.stopped
    for name, output in day.outputs.items():
        assert "Traceback" not in output, name
        assert "unexpected" not in output, name


def test_every_error_of_the_bus_is_one_line() -> None:
    error = BusError("what", where="where", hint="hint")
    assert str(error) == "where: what (hint)"
