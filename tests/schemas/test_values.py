"""Names, texts, dates, times, money and codes: what applications keep, and what comes out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bus.events import reason
from schemas import types
from schemas.faults import BLANK
from schemas.kebencanaan import NilaiUkur, TingkatSiaga
from schemas.kependudukan import Agama, LingkupPindah, StatusPenduduk
from schemas.kesehatan import CaraKeluar, JenisKunjungan, KodeCvx, NomorFaskes


def read(kind: Any, value: object) -> object:
    """The value as the type reads it."""
    return TypeAdapter(kind).validate_python(value)


def optional(kind: Any) -> Any:
    """The type of an optional field."""
    alias: Any = types.Opsional
    return alias[kind]


def refusal(kind: Any, value: object) -> str:
    """The clerk's text of a refusal."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return reason(caught.value)


@given(st.dates(date(1800, 1, 1)))
def test_a_date_in_every_form_is_the_same_day(day: date) -> None:
    iso = day.isoformat()
    forms = (
        day,
        iso,
        f" {iso} ",
        f"{iso} 00:00:00",
        f"{iso}T23:59:59",
        datetime(day.year, day.month, day.day, 23, 59),  # noqa: DTZ001 - a driver's value without an offset
        f"{day:%d}-{day:%m}-{iso[:4]}",
        f"{day.day}/{day.month}/{iso[:4]}",
        f"{day:%d}.{day:%m}.{iso[:4]}",
    )
    assert {read(types.Tanggal, form) for form in forms} == {day}


def test_a_moment_counts_in_local_time() -> None:
    assert read(types.Tanggal, datetime(2026, 3, 14, 18, 0, tzinfo=UTC)) == date(2026, 3, 15)
    assert read(types.Tanggal, "2026-03-14T18:00:00Z") == date(2026, 3, 15)
    assert read(types.Tanggal, "2026-03-15T01:00:00+07:00") == date(2026, 3, 15)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0000-00-00", "tanggal kosong"),
        ("0000-00-00 00:00:00", "tanggal kosong"),
        (None, "tanggal kosong"),
        ("", "tanggal kosong"),
        ("-", "tanggal kosong"),
        ("2026-00-15", "tanggal kosong atau tidak lengkap"),
        ("2026-03-00", "tanggal kosong atau tidak lengkap"),
        ("2026-02-30", "tanggal ini tidak ada di kalender"),
        ("31/02/2026", "tanggal ini tidak ada di kalender"),
        ("03/15/2026", "tanggal ini tidak ada di kalender"),
        ("15 Maret 2026", "tanggal tidak terbaca; tulis seperti 2026-01-31"),
        ("15-03-26", "tanggal tidak terbaca; tulis seperti 2026-01-31"),
        (46096, "harus tanggal, misalnya 2026-01-31; jangan angka dari spreadsheet"),
        (46096.0, "harus tanggal, misalnya 2026-01-31; jangan angka dari spreadsheet"),
    ],
)
def test_refused_dates(value: object, text: str) -> None:
    assert refusal(types.Tanggal, value) == text


@pytest.mark.parametrize("value", [None, *sorted(BLANK), "  ", " - ", float("nan")])
def test_unknown_is_none_where_a_field_is_optional(value: object) -> None:
    for kind in (
        types.Tanggal,
        types.Nik,
        types.Teks,
        types.Rupiah,
        types.JenisKelamin,
        types.KodeWilayah,
        types.Icd10,
    ):
        assert read(optional(kind), value) is None


def test_optional_does_not_mean_lenient() -> None:
    assert refusal(optional(types.Nik), "357101") == "harus 16 angka, ada 6"
    assert refusal(optional(types.Tanggal), "2026-02-30") == "tanggal ini tidak ada di kalender"


@pytest.mark.parametrize(
    ("value", "clock"),
    [
        ("7:05", "07:05"),
        ("23.59", "23:59"),
        ("04:30:00", "04:30"),
        (time(4, 30, 59), "04:30"),
        (timedelta(hours=4.5), "04:30"),
    ],
)
def test_clock_times(value: object, clock: str) -> None:
    assert read(types.Jam, value) == clock


@pytest.mark.parametrize("value", ["24:00", "7", "12:60", timedelta(days=1), timedelta(seconds=-1), 730])
def test_refused_clock_times(value: object) -> None:
    assert refusal(types.Jam, value) == "harus jam, misalnya 07:30"


@given(st.integers(0, 10**12))
def test_money_as_databases_and_people_write_it(amount: int) -> None:
    dotted = f"{amount:,}".replace(",", ".")
    forms = (
        amount,
        str(amount),
        f"{amount}.00",
        f"{amount},00",
        Decimal(f"{amount}.00"),
        float(amount),
        dotted,
        f"Rp {dotted},00",
        f"Rp{dotted},-",
        f"Rp. {dotted}",
    )
    assert {read(types.Rupiah, form) for form in forms} == {amount}


@pytest.mark.parametrize(
    "value", ["150000.50", 150000.5, Decimal("1.5"), -1, "-1", "1.50.000", "lima", True, 2.0**60, "9" * 40]
)
def test_refused_money(value: object) -> None:
    assert refusal(types.Rupiah, value) in {
        "harus rupiah bulat, misalnya 150000",
        "harus angka bulat",
        "jumlah uang tidak boleh kurang dari nol",
    }


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-15T17:40:00+07:00",
        "2026-03-15T10:40:00Z",
        "2026-03-15 17:40",
        " 2026-03-15 17:40:00 ",
        datetime(2026, 3, 15, 17, 40),  # noqa: DTZ001 - as databases without offsets give it
        datetime(2026, 3, 15, 10, 40, tzinfo=UTC),
        1_773_571_200,
        1_773_571_200_000,
    ],
)
def test_a_moment_in_every_form_is_the_same_in_wib(value: object) -> None:
    moment = read(types.Waktu, value)
    assert isinstance(moment, datetime)
    assert moment.isoformat() == "2026-03-15T17:40:00+07:00"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-03-15", "harus tanggal dan jam, misalnya 2026-01-31T07:30:00+07:00"),
        (46096, "harus tanggal dan jam, misalnya 2026-01-31T07:30:00+07:00"),
        ("2026-02-30 07:30", "waktu ini tidak ada"),
        ("0001-01-01 00:00", "waktu ini tidak mungkin: tahunnya di luar 1900 sampai 2199"),
        (datetime.max.replace(tzinfo=UTC), "waktu ini tidak ada"),
        ("0000-00-00 00:00:00", "belum diisi"),
    ],
)
def test_refused_moments(value: object, text: str) -> None:
    assert refusal(types.Waktu, value) == text


@pytest.mark.parametrize("value", ["245,5", "245.5", "+245.50", 245.5, Decimal("245.50")])
def test_a_measured_number_as_devices_and_people_write_it(value: object) -> None:
    assert read(NilaiUkur, value) == 245.5


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (types.Lintang, -91, "harus antara -90 dan 90"),
        (types.Lintang, float("inf"), "harus antara -90 dan 90"),
        (types.Bujur, Decimal("1E+999999999"), "harus antara -180 dan 180"),
        (types.Bujur, "112 BT", "harus angka, misalnya 3.45"),
        (types.Bujur, True, "harus angka, misalnya 3.45"),
        (NilaiUkur, "1.234.567", "harus angka, misalnya 3.45"),
        (NilaiUkur, " - ", "belum diisi"),
    ],
)
def test_refused_measured_numbers(kind: Any, value: object, text: str) -> None:
    assert refusal(kind, value) == text


def test_texts_lose_their_outer_and_doubled_spaces() -> None:
    assert read(types.Nama, "  Siti   Contoh\t") == "Siti Contoh"
    assert refusal(types.Nama, "x" * 151) == "paling banyak 150 huruf, ada 151"
    assert refusal(types.Nama, " - ") == "belum diisi"
    assert refusal(types.Nama, 5) == "harus berupa teks"


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (types.JenisKelamin, 1, "L"),
        (types.JenisKelamin, "perempuan", "P"),
        (types.JenisKelamin, Decimal(2), "P"),
        (Agama, "KATHOLIK", "KATOLIK"),
        (Agama, "Kepercayaan Terhadap Tuhan YME / Lainnya", "KEPERCAYAAN"),
        (StatusPenduduk, 2, "MATI"),
        (LingkupPindah, "Pindah keluar Provinsi", "PROVINSI"),
        (types.Desil, "3", 3),
        (types.Desil, Decimal("10.0"), 10),
        (types.Icd10, "i219", "I21.9"),
        (types.Icd10, "A17.0†", "A17.0"),
        (types.Icd10, "Z38", "Z38"),
        (types.RtRw, 7, "007"),
        (types.RtRw, "7", "007"),
        (types.Periode, 2026, "2026"),
        (types.KodeOpd, " SatpolPP ", "satpolpp"),
        (NomorFaskes, " 3571015/2026/03/15/000042 ", "3571015/2026/03/15/000042"),
        (CaraKeluar, "+", "MENINGGAL"),
        (CaraKeluar, "Atas Permintaan Sendiri", "ATAS PERMINTAAN SENDIRI"),
        (JenisKunjungan, "Ranap", "RAWAT INAP"),
        (KodeCvx, 8, "08"),
        (TingkatSiaga, "Siaga II", "SIAGA"),
        (types.Periode, "2026-TW4", "2026-TW4"),
    ],
)
def test_codes_have_one_spelling(kind: Any, value: object, code: object) -> None:
    assert read(kind, value) == code


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (types.JenisKelamin, "X", "bukan salah satu pilihan yang dikenal"),
        (types.JenisKelamin, 1.0, "bukan salah satu pilihan yang dikenal"),
        (types.Desil, 11, "harus antara 1 dan 10"),
        (types.Desil, 0, "harus antara 1 dan 10"),
        (types.Desil, "tiga", "harus angka bulat"),
        (types.Icd10, "sakit", "harus kode ICD-10, misalnya I21.9"),
        (types.Periode, "2026-13", "harus tahun, triwulan atau bulan: 2026, 2026-TW1 atau 2026-03"),
        (types.RtRw, "1234", "harus nomor RT/RW, paling banyak 3 angka"),
        (CaraKeluar, "Pindah Kamar", "bukan salah satu pilihan yang dikenal"),
        (NomorFaskes, "000123", "harus kode fasilitas kesehatan, garis miring, lalu nomornya; misalnya 3571015/000123"),
        (
            NomorFaskes,
            "3571015/",
            "harus kode fasilitas kesehatan, garis miring, lalu nomornya; misalnya 3571015/000123",
        ),
        (types.IdPeristiwa, "ABC", "harus id peristiwa: 32 angka heksadesimal"),
    ],
)
def test_refused_codes(kind: Any, value: object, text: str) -> None:
    assert refusal(kind, value) == text


def test_an_optional_takes_only_types_of_the_catalogue() -> None:
    with pytest.raises(TypeError, match=r"schemas\.types"):
        TypeAdapter(optional(int))
