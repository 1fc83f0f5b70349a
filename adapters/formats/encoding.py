"""Finds the encoding of a text file by what is in all of it, since one byte at its end decides.

Offices send UTF-8 (with byte order mark from Excel), UTF-16 (Excel's "Unicode text") and Windows-1252. A guess by
statistics is asked only for the rest, old DOS and Macintosh exports, and only where charset-normalizer is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from adapters.formats.table import Unreadable

WINDOWS = "cp1252"

_HEAD = 4096  # bytes that tell what kind of file it is
_LINE = 1 << 20  # bytes of a line looked at in one piece
_FEW = 3  # damaged lines below which a file is damaged, not of another encoding
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NO_TEXT = (
    (b"PK\x03\x04", "berkas ini adalah berkas Excel (.xlsx) atau ZIP, bukan CSV"),
    (b"\xd0\xcf\x11\xe0", "berkas ini adalah berkas Excel lama (.xls), bukan CSV"),
    (b"%PDF", "berkas ini adalah PDF, bukan CSV"),
)
_ESCAPED = re.compile("[\udc80-\udcff]")
_OLD = ["cp850", "cp437", "mac_roman"]
# What Indonesian and Western texts have outside ASCII in Windows-1252: letters, quotes and dashes, a few signs. In
# DOS and Macintosh files the letters have the codes that are missing here.
_PLAUSIBLE = frozenset(
    {*range(0xC0, 0xFD), *b"\x80\x85\x91\x92\x93\x94\x95\x96\x97\x99\xa0\xa7\xa9\xab\xae\xb0\xb1\xb2\xb3\xb7\xbb\xbd"}
)


def detect(path: Path) -> str:
    """The Python name of the file's encoding. Raises Unreadable where the file is no text or has nothing in it."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if not head.strip(b"\0\r\n\t "):
            raise Unreadable("berkas kosong", hint="ekspor lagi dari aplikasi, lalu taruh lagi")
        for magic, what in _NO_TEXT:
            if head.startswith(magic):
                raise Unreadable(what, hint="buka dengan Excel, pilih Simpan Sebagai > CSV, lalu taruh lagi")
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                return encoding
        return _utf_16(head) or _eight_bit(file)


def errors(encoding: str) -> str:
    """How undecodable bytes are carried, so that only their row suffers and can be written back as it was."""
    return "replace" if encoding.startswith("utf-16") else "surrogateescape"


def damaged(text: str, encoding: str) -> bool:
    """Whether a decoded text holds what ``errors`` put in for bytes that could not be decoded."""
    if text.isascii():
        return False
    if encoding.startswith("utf-16"):
        return "\ufffd" in text
    return _ESCAPED.search(text) is not None


def _utf_16(head: bytes) -> str | None:
    """UTF-16 without its mark: in Latin text every other byte is NUL."""
    even, odd = head[0::2], head[1::2]
    if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def _eight_bit(file: BinaryIO) -> str:
    """UTF-8 where its sequences prevail, else Windows-1252 where its letters do, else what statistics say."""
    file.seek(0)
    valid = windows = other = 0
    sample: list[bytes] = []
    for line in _beyond_ascii(file):
        with suppress(UnicodeDecodeError):
            line.decode("utf-8")
            valid += 1
            continue
        if all(byte < 0x80 or byte in _PLAUSIBLE for byte in line):  # noqa: PLR2004 - ASCII ends there
            windows += 1
        else:
            other += 1
            if len(sample) < 200:  # noqa: PLR2004 - lines enough for statistics
                sample.append(line)
    if windows > valid and windows >= other:
        return WINDOWS
    if other > valid and other >= _FEW:
        return _guess(b"".join(sample))
    return "utf-8"


def _beyond_ascii(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_LINE):
        if not line.isascii():
            yield line


def _guess(sample: bytes) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return WINDOWS
    best = from_bytes(sample, cp_isolation=_OLD, enable_fallback=False).best()
    return best.encoding if best else WINDOWS
