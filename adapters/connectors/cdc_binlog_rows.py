"""Decodes the rows of a binlog event: the wanted columns alone, as the values that a SELECT gives.

pymysqlreplication reads every column of every row, at half the speed of the whole way to the streams. It still reads
everything else of the log, and the rows of tables with a column that is not known here. Layouts: MySQL's internals
manual, "Rows event" and "Date and time data type representation"; the decimal's in MySQL's ``strings/decimal.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from struct import Struct
from typing import Any

from pymysql.charset import charset_by_name
from pymysqlreplication.constants import FIELD_TYPE as TYPE

from adapters.connectors.cdc_binlog_values import local
from adapters.connectors.cdc_tables import Row

Read = Callable[[bytes, int], tuple[Any, int]]  #: the value at a place, and where the next one is

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GROUP, DIGITS = 4, 9  #: a decimal's digits lie in groups of nine, of four bytes
BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)  #: and what is left of them in so many
SHORT = 255  #: a longer column's values have two bytes for their length


def rows_of(event: Any, wanted: Sequence[str], zone: tzinfo) -> Iterator[Row] | None:
    """The rows of an event with whole images, an update's old and new ones in turn; None where a type is not known."""
    reads = []
    for place, column in enumerate(event.columns):
        reader = _READERS.get(column.type)
        read = reader(column, zone) if reader else None
        if read is None:
            return None
        reads.append((place >> 3, 1 << (place & 7), column.name if column.name in wanted else None, read))
    return _rows(event, wanted, reads)


def _rows(event: Any, wanted: Sequence[str], reads: Sequence[tuple[int, int, str | None, Read]]) -> Iterator[Row]:
    size, at, end = (len(reads) + 7) // 8, 0, event.event_size - event.packet.read_bytes
    data = event.packet.packet.read_all()
    while at < end:
        row: Row = dict.fromkeys(wanted)
        nulls, at = data[at : at + size], at + size
        for byte, bit, name, read in reads:
            if not nulls[byte] & bit:
                value, at = read(data, at)
                if name is not None:
                    row[name] = value
        yield row


def _fixed(kind: str, convert: Callable[[Any], Any] | None = None) -> Read:
    layout = Struct(f"<{kind}")
    unpack, size = layout.unpack_from, layout.size
    if convert is None:
        return lambda data, at: (unpack(data, at)[0], at + size)
    return lambda data, at: (convert(unpack(data, at)[0]), at + size)


def _bytes(size: int, convert: Callable[[bytes], Any]) -> Read:
    return lambda data, at: (convert(data[at : at + size]), at + size)


def _text(size: int, character_set: str | None) -> Read:
    """A text, or bytes where it is none; signs that are none of its character set are left out."""
    known = charset_by_name(character_set) if character_set else None
    encoding = known.encoding if known else character_set or "utf8"
    try:
        b"x".decode(encoding)
    except LookupError:
        encoding = ""

    def read(data: bytes, at: int) -> tuple[str | bytes, int]:
        begin = at + size
        end = begin + int.from_bytes(data[at:begin], "little")
        raw = data[begin:end]
        return (raw.decode(encoding, "ignore") if encoding else raw), end

    return read


def _decimal(whole: int, fraction: int) -> Read:
    """Groups of digits, the highest first; the sign turns the highest bit, and all of them where it is a minus."""
    left = [BYTES[whole % DIGITS], *[GROUP] * (whole // DIGITS)]
    right = [*[GROUP] * (fraction // DIGITS), BYTES[fraction % DIGITS]]
    powers = [*[10**DIGITS] * (fraction // DIGITS), 10 ** (fraction % DIGITS)]
    groups = [(size, 10**DIGITS) for size in left] + list(zip(right, powers, strict=True))
    size = sum(left) + sum(right)

    def convert(raw: bytes) -> Decimal:
        minus = not raw[0] & 0x80
        number = int.from_bytes(raw, "big") ^ (1 << (size * 8 - 1))
        if minus:
            number ^= (1 << (size * 8)) - 1
        digits, bits = 0, size * 8
        for length, power in groups:
            bits -= length * 8
            if length:
                digits = digits * power + (number >> bits & ((1 << (length * 8)) - 1))
        return Decimal(f"{'-' if minus else ''}{digits}E-{fraction}")

    return _bytes(size, convert)


def _date(raw: bytes) -> date | None:
    number = int.from_bytes(raw, "little")
    with suppress(ValueError):  # 0000-00-00 and the like are no dates
        return date(number >> 9, number >> 5 & 15, number & 31)
    return None


def _moment(size: int, places: int, convert: Callable[[int, int], Any]) -> Read:
    """A moment and its microseconds, which have a byte for each two places."""
    rest = (places + 1) // 2
    factor = 10 ** (6 - 2 * rest)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        middle = at + size
        end = middle + rest
        return convert(int.from_bytes(data[at:middle], "big"), int.from_bytes(data[middle:end], "big") * factor), end

    return read


def _datetime(number: int, microsecond: int) -> datetime | None:
    year, month = divmod(number >> 22 & 0x1FFFF, 13)
    with suppress(ValueError):
        return datetime(  # noqa: DTZ001 - as the application keeps it
            year, month, number >> 17 & 31, number >> 12 & 31, number >> 6 & 63, number & 63, microsecond
        )
    return None


def _timestamp(number: int, microsecond: int, zone: tzinfo) -> datetime | None:
    return local((EPOCH + timedelta(seconds=number, microseconds=microsecond)).replace(tzinfo=None), zone)


def _time(places: int) -> Read:
    """Hours, minutes and seconds with their fraction as one number, from the middle of its range on."""
    rest = (places + 1) // 2
    shift, factor = rest * 8, 10 ** (6 - 2 * rest)
    middle = 1 << (23 + shift)

    def convert(raw: bytes) -> timedelta:
        number = int.from_bytes(raw, "big") - middle
        size = abs(number)
        seconds = size >> shift
        value = timedelta(
            hours=seconds >> 12 & 0x3FF,
            minutes=seconds >> 6 & 63,
            seconds=seconds & 63,
            microseconds=(size & ((1 << shift) - 1)) * factor,
        )
        return value if number >= 0 else -value

    return _bytes(3 + rest, convert)


def _set(members: Sequence[str], number: int) -> str:
    return ",".join(member for place, member in enumerate(members) if number >> place & 1)


def _integer(kind: str) -> Callable[[Any, tzinfo], Read]:
    return lambda column, _: _fixed(kind.upper() if column.unsigned else kind)


_READERS: dict[int, Callable[[Any, tzinfo], Read | None]] = {
    TYPE.TINY: _integer("b"),
    TYPE.SHORT: _integer("h"),
    TYPE.LONG: _integer("i"),
    TYPE.LONGLONG: _integer("q"),
    TYPE.INT24: lambda column, _: _bytes(3, lambda raw: int.from_bytes(raw, "little", signed=not column.unsigned)),
    TYPE.FLOAT: lambda _, __: _fixed("f", lambda value: float(f"{value:.6g}")),
    TYPE.DOUBLE: lambda _, __: _fixed("d"),
    TYPE.YEAR: lambda _, __: _bytes(1, lambda raw: raw[0] and raw[0] + 1900),
    TYPE.VARCHAR: lambda column, _: _text(1 if column.max_length <= SHORT else 2, column.character_set_name),
    TYPE.STRING: lambda column, _: _text(1 if column.max_length <= SHORT else 2, column.character_set_name),
    TYPE.BLOB: lambda column, _: _text(column.length_size, column.character_set_name),
    TYPE.NEWDECIMAL: lambda column, _: _decimal(column.precision - column.decimals, column.decimals),
    TYPE.DATE: lambda _, __: _bytes(3, _date),
    TYPE.DATETIME2: lambda column, _: _moment(5, column.fsp, _datetime),
    TYPE.TIMESTAMP2: lambda column, zone: _moment(4, column.fsp, lambda number, part: _timestamp(number, part, zone)),
    TYPE.TIME2: lambda column, _: _time(column.fsp),
    TYPE.ENUM: lambda column, _: (
        column.enum_values and _bytes(column.size, lambda raw: column.enum_values[int.from_bytes(raw, "little")])
    ),
    TYPE.SET: lambda column, _: (
        column.set_values and _bytes(column.size, lambda raw: _set(column.set_values, int.from_bytes(raw, "little")))
    ),
    TYPE.BIT: lambda column, _: _bytes(column.bytes, lambda raw: int.from_bytes(raw, "big")),
}
