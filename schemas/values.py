"""Values that are no identifiers: names, texts, dates, moments, money, amounts, places, coded answers, diagnoses.

Each takes the forms in which the city's applications keep it and yields one Python type; errors name no values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, LiteralString, TypeVar

from schemas.faults import BLANK, NoneIfBlank, Rule, blank, fault

WIB = timezone(timedelta(hours=7), "WIB")
"""Western Indonesian time, Asia/Jakarta: no daylight saving, so a fixed offset."""

T = TypeVar("T")
Opsional = Annotated[T | None, NoneIfBlank()]
"""An optional field: '-', empty and ``0000-00-00`` mean unknown and become None."""

MAX_RUPIAH = 999_999_999_999_999  #: 15 digits: exact where JSON numbers are read as doubles
_MAX_EXACT_FLOAT = 2.0**53
_MAX_DIGITS = 18  # of a whole number
_BROKEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # no database or JSON writer takes all of these
_ISO_LENGTH = len("YYYY-MM-DD")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ][0-9:.]*(?:Z|[+-][0-9:]+)?)?")
_DAY_FIRST = re.compile(r"([0-9]{1,2})[-/. ]([0-9]{1,2})[-/. ]([0-9]{4})")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(?:[.,][0-9]{1,15})?")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])(?:[:.][0-5][0-9](?:[.][0-9]+)?)?")
_RUPIAH = re.compile(r"(?:Rp[. ]*)?(?:([0-9]+)(?:[.,]0{1,2})?|([0-9]{1,3}(?:[.][0-9]{3})+)(?:,0{1,2})?)(?:,-)?")
_ICD10 = re.compile(r"([A-Z][0-9]{2})[.]?([0-9]{1,2})?")


def _date(value: object) -> date:
    """A civil date: YYYY-MM-DD (a time behind it is dropped), or day first, DD-MM-YYYY. A datetime counts in WIB."""
    if type(value) is str and len(value) == _ISO_LENGTH:
        try:
            return date.fromisoformat(value)
        except ValueError:
            return _date_of_text(value.strip())
    if isinstance(value, datetime):
        return _local_date(value)
    if isinstance(value, date):
        return value
    if value is None:
        raise fault("tanggal_kosong", "tanggal kosong")
    if not isinstance(value, str):
        raise fault("bukan_tanggal", "harus tanggal, misalnya 2026-01-31; jangan angka dari spreadsheet")
    return _date_of_text(value.strip())


def _local_date(moment: datetime) -> date:
    try:
        return moment.astimezone(WIB).date() if moment.tzinfo else moment.date()
    except OverflowError:  # within hours of the calendar's ends
        raise fault("tanggal_tidak_ada", "tanggal ini tidak ada di kalender") from None


def _date_of_text(text: str) -> date:
    if text in BLANK:
        raise fault("tanggal_kosong", "tanggal kosong")
    if len(text) > _ISO_LENGTH and text.endswith(("Z", "+00:00")):
        return _local_date(_moment(text))
    if match := _ISO_DATE.fullmatch(text):
        year, month, day = match.groups()
    elif match := _DAY_FIRST.fullmatch(text):
        day, month, year = match.groups()
    else:
        raise fault("bukan_tanggal", "tanggal tidak terbaca; tulis seperti 2026-01-31")
    if "00" in {day, month} or year == "0000":
        raise fault("tanggal_kosong", "tanggal kosong atau tidak lengkap")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise fault("tanggal_tidak_ada", "tanggal ini tidak ada di kalender") from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise fault("bukan_tanggal", "tanggal tidak terbaca; tulis seperti 2026-01-31") from None


Tanggal = Annotated[date, Rule(_date, {"type": "string", "format": "date"})]
"""A civil date, without time or offset."""


def _clock(value: object) -> str:
    """A wall-clock time as HH:MM; MySQL drivers give a ``timedelta``."""
    if isinstance(value, timedelta) and timedelta(0) <= value < timedelta(days=1):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, str) and (match := _CLOCK.fullmatch(value.strip())):
        return f"{match[1]:0>2}:{match[2]}"
    raise fault("bukan_jam", "harus jam, misalnya 07:30")


Jam = Annotated[
    str,
    Rule(_clock, {"type": "string", "format": "jam-wib", "pattern": "^(?:[01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
"""Wall-clock time in WIB, HH:MM."""

_EPOCH = range(10**9, 10**10)  # seconds since 1970 between 2001 and 2286; a thousand times as many are milliseconds
_YEARS = range(1900, 2200)


def _instant(value: object) -> datetime:
    """A moment in WIB: a datetime, ISO 8601 (WIB where no offset is given), or a device's (milli)seconds since 1970."""
    moment = _moment_of(value)
    try:
        moment = moment.astimezone(WIB) if moment.tzinfo else moment.replace(tzinfo=WIB)
    except OverflowError:  # within hours of the calendar's ends
        raise fault("waktu_tidak_ada", "waktu ini tidak ada") from None
    if moment.year not in _YEARS:
        raise fault("waktu_tidak_ada", "waktu ini tidak mungkin: tahunnya di luar 1900 sampai 2199")
    return moment


def _moment_of(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if blank(value):
        raise fault("kosong", "belum diisi")
    if isinstance(value, str) and _MOMENT.fullmatch(value.strip()):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            raise fault("waktu_tidak_ada", "waktu ini tidak ada") from None
    if type(value) is int and (value in _EPOCH or value // 1000 in _EPOCH):
        return datetime.fromtimestamp(value if value in _EPOCH else value / 1000, WIB)
    raise fault("bukan_waktu", "harus tanggal dan jam, misalnya 2026-01-31T07:30:00+07:00")


Waktu = Annotated[datetime, Rule(_instant, {"type": "string", "format": "date-time"})]
"""A moment with its offset, RFC 3339, brought to WIB: for what is measured or reported to the minute."""


def text(form: str, longest: int) -> Rule:
    """The rule of a text: outer spaces go, inner ones become single, at most ``longest`` characters."""

    def validate(value: object) -> str:
        if type(value) is not str:
            raise fault("kosong", "belum diisi") if value is None else fault("bukan_teks", "harus berupa teks")
        clean = " ".join(value.split())
        if clean in BLANK:
            raise fault("kosong", "belum diisi")
        if not clean.isprintable() and _BROKEN.search(clean):
            raise fault("huruf_rusak", "ada huruf yang rusak; periksa pengodean (encoding) sumbernya")
        if len(clean) > longest:
            raise fault("terlalu_panjang", "paling banyak {paling} huruf, ada {ada}", paling=longest, ada=len(clean))
        return clean

    schema = {"type": "string", "format": form, "minLength": 1, "maxLength": longest}
    return Rule(validate, schema)


Nama = Annotated[str, text("nama", 150)]
"""A person's, business's or programme's name as registered."""

Teks = Annotated[str, text("teks", 500)]
"""Free text, at most 500 characters."""

Nomor = Annotated[str, text("nomor-dokumen", 100)]
"""A document's number as its office writes it: letters, digits, strokes."""


def _whole(value: object) -> int:
    """An integer out of whatever holds one exactly."""
    if isinstance(value, bool) or value is None:
        raise fault("bukan_angka_bulat", "harus angka bulat")
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal) and _is_whole(value):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_EXACT_FLOAT:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value.strip()):
        return int(value)
    raise fault("bukan_angka_bulat", "harus angka bulat")


def _is_whole(value: Decimal) -> bool:
    """Whether a decimal is an integer of a sane size: one with a huge exponent would take for ever to write out."""
    return value.is_finite() and value.adjusted() < _MAX_DIGITS and value == value.to_integral_value()


def _rupiah(value: object) -> int:
    """Whole rupiah: ``150000``, ``150000.00`` (decimal column), ``Rp 1.500.000,00`` (as people write it)."""
    if type(value) is int and 0 <= value <= MAX_RUPIAH:
        return value
    if blank(value):
        raise fault("kosong", "belum diisi")
    if isinstance(value, str):
        match = _RUPIAH.fullmatch(value.strip())
        if match is None or len(value) > 30:  # noqa: PLR2004 - no sum of money is that long
            raise fault("bukan_rupiah", "harus rupiah bulat, misalnya 150000")
        amount = int(match[1] or match[2].replace(".", ""))
    else:
        amount = _whole(value)
    if amount < 0:
        raise fault("rupiah_negatif", "jumlah uang tidak boleh kurang dari nol")
    if amount > MAX_RUPIAH:
        raise fault("rupiah_terlalu_besar", "jumlah uang terlalu besar; paling banyak 15 angka")
    return amount


Rupiah = Annotated[int, Rule(_rupiah, {"type": "integer", "minimum": 0, "maximum": MAX_RUPIAH, "x-satuan": "rupiah"})]
"""Money in whole rupiah."""


def number(unit: str, least: int, most: int) -> Rule:
    """The rule of a whole number with its unit (``x-satuan``) and bounds."""

    def validate(value: object) -> int:
        if type(value) is int and least <= value <= most:
            return value
        amount = _whole(value)
        if not least <= amount <= most:
            raise fault("di_luar_batas", "harus antara {least} dan {most}", least=least, most=most)
        return amount

    return Rule(validate, {"type": "integer", "minimum": least, "maximum": most, "x-satuan": unit})


def real(unit: str, least: int, most: int) -> Rule:
    """The rule of a measured number with its unit (``x-satuan``) and bounds; ``3,45`` is read as it is written here."""

    def validate(value: object) -> float:
        if blank(value):
            raise fault("kosong", "belum diisi")
        number: int | float | Decimal
        if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
            number = float(value.strip().replace(",", "."))
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            number = value
        else:
            raise fault("bukan_angka", "harus angka, misalnya 3.45")
        if (isinstance(number, Decimal) and not number.is_finite()) or not least <= number <= most:
            raise fault("di_luar_batas", "harus antara {least} dan {most}", least=least, most=most)
        return float(number)

    return Rule(validate, {"type": "number", "minimum": least, "maximum": most, "x-satuan": unit})


def choice(form: str, answers: Mapping[str, tuple[str, ...]]) -> Rule:
    """The rule of a coded answer: ``{code: spellings and numbers by which applications know it}``."""
    known = {spelling.upper(): code for code, spellings in answers.items() for spelling in (code, *spellings)}

    def validate(value: object) -> str:
        if type(value) is str and value in answers:
            return value
        if blank(value):
            raise fault("kosong", "belum diisi")
        code = known.get(" ".join(str(value).upper().split())) if isinstance(value, str | int | Decimal) else None
        if code is None:
            raise fault("pilihan", "bukan salah satu pilihan yang dikenal")
        return code

    return Rule(validate, {"type": "string", "format": form, "enum": list(answers)})


def coded(form: str, pattern: str, message: LiteralString, normal: Callable[[str], str] = str) -> Rule:
    """The rule of a short code with a pattern; ``normal`` brings a text into its one spelling first."""
    fits = re.compile(pattern).fullmatch

    def validate(value: object) -> str:
        if type(value) is str and fits(value):
            return value
        if blank(value):
            raise fault("kosong", "belum diisi")
        code = normal(str(value).strip()) if type(value) in {str, int} else ""
        if not fits(code):
            raise fault("bentuk", message)
        return code

    return Rule(validate, {"type": "string", "format": form, "pattern": f"^(?:{pattern})$"})


def _icd10(code: str) -> str:
    """``a099`` and ``A09.9+`` are ``A09.9``: dot in place, dagger and asterisk marks gone."""
    match = _ICD10.fullmatch(code.upper().rstrip("*+†"))
    return "" if match is None else match[1] + (f".{match[2]}" if match[2] else "")


Icd10 = Annotated[
    str, coded("icd-10", "[A-Z][0-9]{2}(?:[.][0-9]{1,2})?", "harus kode ICD-10, misalnya I21.9", normal=_icd10)
]
"""A diagnosis by ICD-10 (WHO), with its dot."""

Periode = Annotated[
    str,
    coded(
        "periode",
        "20[0-9]{2}(?:-(?:TW[1-4]|0[1-9]|1[0-2]))?",
        "harus tahun, triwulan atau bulan: 2026, 2026-TW1 atau 2026-03",
    ),
]
"""A year ``2026``, a quarter ``2026-TW1`` (DTSEN is refreshed quarterly) or a month ``2026-03``."""

RtRw = Annotated[
    str, coded("rt-rw", "[0-9]{3}", "harus nomor RT/RW, paling banyak 3 angka", normal=lambda code: code.zfill(3))
]
"""Neighbourhood number, three digits with leading zeros: RT 7 is ``007``."""

IdPeristiwa = Annotated[str, coded("id-peristiwa", "[0-9a-f]{32}", "harus id peristiwa: 32 angka heksadesimal")]
"""The ``ce-id`` of an event of the bus."""

JenisKelamin = Annotated[
    str,
    choice("jenis-kelamin", {"L": ("1", "LAKI-LAKI", "LAKI LAKI", "PRIA"), "P": ("2", "PEREMPUAN", "WANITA")}),
]
"""L or P; OpenSID's 1 and 2 and the words are understood."""

Desil = Annotated[int, number("desil DTSEN", 1, 10)]
"""Welfare decile of DTSEN, 1 (poorest) to 10 (Inpres 4/2025)."""

Lintang = Annotated[float, real("derajat lintang", -90, 90)]
"""Latitude, degrees, WGS 84; south is negative."""

Bujur = Annotated[float, real("derajat bujur", -180, 180)]
"""Longitude, degrees, WGS 84."""

UraianPanjang = Annotated[str, text("uraian", 4_000)]
"""Free text as citizens and officers write it, at most 4,000 characters. It may name persons: never ``umum``."""

KodeOpd = Annotated[
    str,
    coded("kode-opd", "[a-z][a-z0-9_]{1,30}", "harus kode OPD, misalnya dinkes", normal=lambda code: code.lower()),
]
"""A department by the name of its folder under ``adapters/departments``."""

Tahun = Annotated[int, number("tahun", 1994, 2100)]
"""A tax year, from 1994 (the first under UU 12/1994)."""
