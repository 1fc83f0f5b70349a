"""Identifiers of persons, families, civil servants, taxpayers, businesses and places: always strings, never numbers.

Integers and integral decimals are taken where a database keeps a number so (OpenSID: ``decimal(16,0)``); floats never,
since a spreadsheet has cut their last digits. Errors name lengths and places, no values. What merely looks odd (a birth
date in the NIK that differs from the date given) is no error: see ``schemas.oddities``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, LiteralString

from schemas.faults import LOST_DIGITS, Rule, blank, fault

OLD_NPWP = 15  #: digits of the form before PMK 112/2022

_REGION = "[1-9][0-9](?:0[1-9]|[1-9][0-9]){2}"  # province from 11, regency and district from 01
_SPREADSHEET = re.compile(r"[0-9][0-9.,]*[eE]\+?[0-9]+|[0-9]{9,}[.,]0+")  # 3.57E+15, 3571…0001.0

# A possible date DDMMYY whose century is unknown; {…} are the spellings of the days 1-28, 29-30, 29 and 31.
_DATE = (
    "(?:(?:{most})(?:0[1-9]|1[0-2])[0-9][0-9]|(?:{late})(?:0[13-9]|1[0-2])[0-9][0-9]"
    "|(?:{leap})02(?:[02468][048]|[13579][26])|(?:{last})(?:0[13578]|1[02])[0-9][0-9])"
)
_BIRTH = _DATE.format(most="0[1-9]|1[0-9]|2[0-8]|4[1-9]|5[0-9]|6[0-8]", late="29|30|69|70", leap="29|69", last="31|71")
_ISSUED = _DATE.format(most="0[1-9]|1[0-9]|2[0-8]", late="29|30", leap="29", last="31")
_NIK = f"{_REGION}{_BIRTH}(?:[0-9]{{3}}[1-9]|[0-9]{{2}}[1-9]0|[0-9][1-9]00|[1-9]000)"
_NPWP = f"0?[0-9]{{15}}|{_NIK}"
_NO_KK = f"{_REGION}{_ISSUED}[0-9]{{4}}"


def identifier_text(value: object, separators: LiteralString = " ") -> str:
    """An identifier as the digits and letters it is made of, whatever the source kept it as.

    Raises PydanticCustomError: ``kosong``, ``angka_terpotong`` (a float or its text) or ``bukan_teks``.
    """
    if blank(value):
        raise fault("kosong", "belum diisi")
    if isinstance(value, float) or (isinstance(value, str) and _SPREADSHEET.fullmatch(value.strip())):
        raise fault("angka_terpotong", LOST_DIGITS)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise fault("bukan_teks", "harus berupa teks")
    # Excel marks text with an apostrophe; text from web pages has hard spaces.
    text = value.strip().lstrip("'").replace("\u00a0", " ")
    for separator in separators:
        text = text.replace(separator, "")
    return text


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite() or value != value.to_integral_value():
        raise fault("bukan_angka_bulat", "harus angka bulat")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:  # 3.57E+15: the digits behind were never there
        raise fault("angka_terpotong", LOST_DIGITS)
    return str(int(value))


def digits(
    form: str,
    *lengths: int,
    pattern: str = "",
    separators: LiteralString = " ",
    pad: int = 0,
    explain: Callable[[str], None] | None = None,
    check: Callable[[str], None] | None = None,
) -> Rule:
    """The rule of an identifier made of digits; ``form`` is its ``format`` in the JSON Schema.

    ``lengths`` are the allowed ones. ``pattern`` is the whole rule as a regular expression (default: the lengths
    alone). ``separators`` are removed first. ``pad`` says how many leading zeros a source may have lost by keeping the
    identifier as a number. ``explain`` raises the reason why a text of the right length does not fit the pattern;
    ``check`` raises for what no pattern can say (a check digit).
    """
    pattern = pattern or "|".join(f"[0-9]{{{length}}}" for length in lengths)
    fits = re.compile(pattern).fullmatch

    def validate(value: object) -> str:
        if type(value) is str and fits(value):
            if check is not None:
                check(value)
            return value
        text = identifier_text(value, separators)
        if pad and not isinstance(value, str):
            text = _padded(text, lengths, pad)
        _require_digits(text, lengths)
        if not fits(text):
            if explain is not None:
                explain(text)
            raise fault("tidak_mungkin", "nomor ini tidak mungkin ada")
        if check is not None:
            check(text)
        return text

    return Rule(validate, {"type": "string", "format": form, "pattern": f"^(?:{pattern})$"})


def _padded(text: str, lengths: tuple[int, ...], pad: int) -> str:
    wanted = min((length for length in lengths if length - pad <= len(text) <= length), default=0)
    return text.zfill(wanted)


def _require_digits(text: str, lengths: tuple[int, ...]) -> None:
    if not (text.isascii() and text.isdigit()):
        raise fault("bukan_angka", "hanya boleh berisi angka")
    if len(text) in lengths:
        return
    if len(lengths) == 1:
        raise fault("jumlah_angka", "harus {harus} angka, ada {ada}", harus=lengths[0], ada=len(text))
    raise fault("jumlah_angka", "harus {a} atau {b} angka, ada {ada}", a=lengths[0], b=lengths[1], ada=len(text))


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).fullmatch


_fits_region, _fits_birth = _matcher(_REGION), _matcher(_BIRTH)


def _explain_nik(text: str) -> None:
    if not _fits_region(text[:6]):
        raise fault("wilayah_nik", "kode wilayah (6 angka pertama) tidak mungkin")
    if not _fits_birth(text[6:12]):
        raise fault("tanggal_nik", "tanggal lahir di dalam NIK (angka ke-7 sampai 12) tidak mungkin")
    raise fault("urut_nik", "nomor urut (4 angka terakhir) tidak boleh 0000")


def _explain_no_kk(text: str) -> None:
    if not _fits_region(text[:6]):
        raise fault("wilayah_kk", "kode wilayah (6 angka pertama) tidak mungkin")
    raise fault("tanggal_kk", "tanggal di dalam nomor KK (angka ke-7 sampai 12) tidak mungkin")


def _explain_nip(text: str) -> None:
    raise fault("tanggal_nip", "tanggal lahir di dalam NIP (8 angka pertama) tidak mungkin")


def _check_npwp(text: str) -> None:
    """The ninth of the 15 digits checks the eight before it; the NIK form has no check digit."""
    if (len(text) == OLD_NPWP or text[0] == "0") and not luhn(text[-15:-6]):
        raise fault("periksa_npwp", "angka pemeriksa NPWP salah; periksa kembali 9 angka pertama")


def luhn(text: str) -> bool:
    """Whether the last of these digits is the Luhn check digit (ISO/IEC 7812-1) of those before it."""
    odd, even = text[-1::-2], text[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(digit), 10)) for digit in even)) % 10 == 0


_NIP = (
    "(?:19|20)[0-9]{2}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-9])|(?:0[13-9]|1[0-2])30|(?:0[13578]|1[02])31)[0-9]{10}"
)

Nik = Annotated[str, digits("nik", 16, pattern=_NIK, explain=_explain_nik)]
"""16 digits: region 6, DDMMYY (women: day + 40), serial 4 from 0001 (PP 40/2019). Region and date are those of the
first registration and may be wrong for ever: never derive anything from them."""

NoKk = Annotated[str, digits("no-kk", 16, pattern=_NO_KK, explain=_explain_no_kk)]
"""Family card number, 16 digits: region 6, date 6, serial 4. It changes on moving, divorce, death of the head: no
stable key."""

Nip = Annotated[str, digits("nip", 18, pattern=_NIP, explain=_explain_nip)]
"""Civil servant number, 18 digits: YYYYMMDD of birth, then 10: YYYYMM, sex, serial for PNS, others for PPPK."""

Npwp = Annotated[
    str,
    digits("npwp", OLD_NPWP, 16, pattern=_NPWP, separators=" .-", pad=1, explain=_explain_nik, check=_check_npwp),
]
"""Taxpayer number: 15 digits (old), or 16: the NIK, or ``0`` and the 15 (PMK 112/2022). Kept in the form it came in."""

Nop = Annotated[str, digits("nop", 18, separators=" .-")]
"""Tax object (PBB-P2), 18 digits: 2+2+3+3+3+4+1. Its region digits are BPS codes, not those of ``KodeWilayah``."""

Nib = Annotated[str, digits("nib", 13, pad=1)]
"""Business number, 13 digits, one per business."""

Kbli = Annotated[str, digits("kbli", 5, pad=1)]
"""Line of business, 5 digits; agriculture starts with 0."""

Nisn = Annotated[str, digits("nisn", 10, pad=2)]
"""Pupil number, 10 digits, opaque; often starts with 00."""

Npsn = Annotated[str, digits("npsn", 8)]
"""School number, 8 digits. Unconfirmed: build another with ``digits`` where a school's differs."""
