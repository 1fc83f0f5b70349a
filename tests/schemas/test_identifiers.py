"""Identifiers: their real rules, the forms in which applications keep them, and errors without values."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bus.events import reason
from schemas import types
from schemas.faults import Rule
from schemas.identifiers import luhn


def check(kind: Any, value: object) -> str:
    """The value as the type reads it."""
    text = TypeAdapter(kind).validate_python(value)
    assert isinstance(text, str)
    return text


def refusal(kind: Any, value: object) -> str:
    """The clerk's text of a refusal."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return reason(caught.value)


def rule(kind: Any) -> Rule:
    """The rule behind a type."""
    return next(each for each in get_args(kind) if isinstance(each, Rule))


REGIONS = st.builds("{:02d}{:02d}{:02d}".format, st.integers(11, 99), st.integers(1, 99), st.integers(1, 99))
BIRTHS = st.dates(date(1900, 3, 1), date(2099, 12, 31))


@st.composite
def niks(draw: st.DrawFn) -> str:
    """Possible NIKs, built from their parts and not from the pattern under test."""
    born, female = draw(BIRTHS), draw(st.booleans())
    serial = draw(st.integers(1, 9999))
    return f"{draw(REGIONS)}{born.day + 40 * female:02d}{born:%m%y}{serial:04d}"


@given(niks())
def test_every_possible_nik_is_taken_in_every_exact_form(nik: str) -> None:
    for form in (
        nik,
        int(nik),
        Decimal(nik),
        f" {nik} ",
        f"'{nik}",
        f"{nik[:6]} {nik[6:12]} {nik[12:]}",
        f"\u00a0{nik}",
    ):
        assert check(types.Nik, form) == nik


@given(niks(), st.integers(1, 30).filter(lambda length: length != 16))
def test_a_nik_of_another_length_is_refused_with_its_length(nik: str, length: int) -> None:
    digits = (nik * 2)[:length]
    assert refusal(types.Nik, digits) == f"harus 16 angka, ada {length}"


@given(niks())
def test_a_float_is_refused_as_cut_by_a_spreadsheet(nik: str) -> None:
    scientific = f"{float(nik):.5E}"
    for form in (float(nik), scientific, scientific.replace(".", ","), f"{nik}.0", Decimal(scientific)):
        assert "spreadsheet" in refusal(types.Nik, form)


@given(REGIONS, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(1, 9999))
def test_a_nik_has_a_possible_birth_date(region: str, day: int, month: int, year: int, serial: int) -> None:
    nik = f"{region}{day:02d}{month:02d}{year:02d}{serial:04d}"
    if any(_exists(century + year, month, real) for century in (1900, 2000) for real in (day, day - 40)):
        assert check(types.Nik, nik) == nik
    else:
        assert refusal(types.Nik, nik) == "tanggal lahir di dalam NIK (angka ke-7 sampai 12) tidak mungkin"


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("3500010101800001", "kode wilayah (6 angka pertama) tidak mungkin"),
        ("0571010101800001", "kode wilayah (6 angka pertama) tidak mungkin"),
        ("3571010101800000", "nomor urut (4 angka terakhir) tidak boleh 0000"),
        ("3571012902010001", "tanggal lahir di dalam NIK (angka ke-7 sampai 12) tidak mungkin"),  # 2001, 1901: no leap
        ("35710101018000A1", "hanya boleh berisi angka"),
        ("3571.0101018000", "hanya boleh berisi angka"),
        ("٣٥٧١٠١٠١٠١٨٠٠٠٠١", "hanya boleh berisi angka"),
        ("3571010101800001\n3", "hanya boleh berisi angka"),
        ("-", "belum diisi"),
        ("  ", "belum diisi"),
        ("", "belum diisi"),
        (None, "belum diisi"),
        (True, "harus berupa teks"),
        (b"3571010101800001", "harus berupa teks"),
        ([], "harus berupa teks"),
        (Decimal("3571010101800001.5"), "harus angka bulat"),
        (Decimal("NaN"), "harus angka bulat"),
        (-3571010101800001, "hanya boleh berisi angka"),
    ],
)
def test_refused_niks(value: object, text: str) -> None:
    assert refusal(types.Nik, value) == text


def test_a_leap_day_is_a_birthday() -> None:
    assert check(types.Nik, "3571012902000001")
    assert check(types.Nik, "3571016902960001")


@given(REGIONS, BIRTHS, st.integers(0, 9999))
def test_family_card_numbers(region: str, issued: date, serial: int) -> None:
    number = f"{region}{issued:%d%m%y}{serial:04d}"
    assert check(types.NoKk, int(number)) == number
    assert "tidak mungkin" in refusal(types.NoKk, f"{region}{issued.day + 40}{issued:%m%y}{serial:04d}")


@given(st.dates(date(1940, 1, 1), date(2010, 1, 1)), st.integers(0, 10**10 - 1))
def test_civil_servant_numbers(born: date, rest: int) -> None:
    number = f"{born:%Y%m%d}{rest:010d}"
    assert check(types.Nip, f"{number[:8]} {number[8:14]} {number[14]} {number[15:]}") == number
    assert "tanggal lahir" in refusal(types.Nip, f"{born:%Y}0230{rest:010d}")


def _with_check_digit(eight: str) -> str:
    return next(f"{eight}{digit}" for digit in range(10) if luhn(f"{eight}{digit}"))


def test_luhn_follows_the_published_example() -> None:
    assert luhn("79927398713")  # the example of ISO/IEC 7812-1's description
    assert not any(luhn(f"7992739871{digit}") for digit in (0, 1, 2, 4, 5, 6, 7, 8, 9))


@given(
    st.integers(10**6, 10**8 - 1).map("{:08d}".format), st.integers(0, 999_999).map("{:06d}".format), st.integers(1, 9)
)
def test_taxpayer_numbers(eight: str, rest: str, error: int) -> None:
    nine = _with_check_digit(eight)
    old = nine + rest
    dotted = f"{old[:2]}.{old[2:5]}.{old[5:8]}.{old[8]}-{old[9:12]}.{old[12:]}"
    assert check(types.Npwp, dotted) == check(types.Npwp, old) == old
    assert check(types.Npwp, int(old)) == old  # a leading zero that a number column lost
    assert check(types.Npwp, f"0{old}") == f"0{old}"
    wrong = f"{nine[:8]}{(int(nine[8]) + error) % 10}{rest}"
    assert "angka pemeriksa" in refusal(types.Npwp, wrong)
    assert "angka pemeriksa" in refusal(types.Npwp, f"0{wrong}")


@given(niks())
def test_a_nik_is_a_taxpayer_number(nik: str) -> None:
    assert check(types.Npwp, nik) == nik


def test_taxpayer_numbers_of_other_lengths() -> None:
    assert refusal(types.Npwp, "12345678901234") == "harus 15 atau 16 angka, ada 14"
    assert "NIK" in refusal(types.Npwp, "3571013202800001")


def test_tax_objects_businesses_schools() -> None:
    assert check(types.Nop, "35.71.010.001.005-0123.0") == "357101000100501230"
    assert refusal(types.Nop, "35.71.010.001.005-0123") == "harus 18 angka, ada 17"
    assert check(types.Nib, 220100123456) == "0220100123456"
    assert check(types.Kbli, 1111) == "01111"
    assert refusal(types.Kbli, "1111") == "harus 5 angka, ada 4"  # text keeps its zeros: nothing to guess
    assert check(types.Nisn, 51234567) == "0051234567"
    assert refusal(types.Nisn, 512) == "harus 10 angka, ada 3"
    assert check(types.Npsn, "20534390") == "20534390"


PATTERNED = [
    "Nik",
    "NoKk",
    "Nip",
    "Nop",
    "Nib",
    "Kbli",
    "Nisn",
    "Npsn",
    "KodeWilayah",
    "KodeDaerah",
    "Icd10",
    "Periode",
    "Jam",
]


@pytest.mark.parametrize("name", [*PATTERNED, "RtRw", "IdPeristiwa"])
def test_what_the_published_pattern_allows_the_model_reads_unchanged(name: str) -> None:
    kind = getattr(types, name)
    pattern = rule(kind).schema["pattern"].removeprefix("^").removesuffix("$")

    @given(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    def holds(value: str) -> None:
        assert check(kind, value) == value

    holds()


IDENTIFIERS = ["Nik", "NoKk", "Nip", "Npwp", "Nop", "Nib", "Kbli", "Nisn", "Npsn", "KodeWilayah", "KodeDaerah", "Icd10"]


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_nothing_but_a_fitting_text_comes_out_and_no_error_repeats_the_value(name: str) -> None:
    kind = getattr(types, name)
    fits = re.compile(rule(kind).schema["pattern"], re.ASCII)
    anything = st.one_of(
        st.text(max_size=30),
        st.text("0123456789 .-'", min_size=9, max_size=24),
        st.integers(),
        st.decimals(),
        st.floats(),
        st.binary(max_size=20),
    )

    @given(anything)
    def holds(value: object) -> None:
        try:
            text = check(kind, value)
        except ValidationError as error:
            shown = f"{reason(error)} {error.errors(include_input=False)}"
            assume(len(str(value).strip()) > 6)  # "16" or "angka" may well stand in a text of ours
            assert str(value).strip() not in shown
        else:
            assert fits.fullmatch(text)
            assert check(kind, text) == text

    holds()


@given(niks())
def test_an_identifier_is_never_a_number_in_json(nik: str) -> None:
    assert TypeAdapter(types.Nik).dump_json(check(types.Nik, int(nik))) == f'"{nik}"'.encode()


def test_another_identifier_is_made_with_the_same_parts() -> None:
    school = Annotated[str, types.digits("npsn", 8, pattern="[0-9]{8}|P[0-9]{7}")]
    assert check(school, "P9908123") == "P9908123"
