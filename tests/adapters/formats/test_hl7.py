"""HL7 v2 messages: what a path finds, and what is no message."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hl7apy.core import Message as Built
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats.hl7 import STANDARD, Delimiters, Malformed, Message, Path, Paths, escaped, instant, unescaped

WIB = ZoneInfo("Asia/Jakarta")
MESSAGE = "\r".join(
    (
        r"MSH|^~\&|BEDSIDE|RSUD|BUS|KEDIRI|20260315081500+0700||ADT^A01^ADT_A01|77|P|2.5",
        "EVN|A01|202603150815",
        "PID|1||00123^^^RSUD&1.2&ISO^MR~3571020508800002^^^NIK&9&L^NNIDN||SANTOSO&VAN^BUDI^^^DR||19800805|M|"
        r'""|2106-3|JL\T\RK A\F\1\.br\RT 2',
        "NK1|1|SATU",
        "NK1|2|DUA^B",
        "PV1|1|I||||||||||||||||||||||||||||||||||||||||||202603",
        "",
    )
)


def found(path: str, message: str = MESSAGE) -> object:
    return Paths({"x": path}, WIB)(Message.parse(message))["x"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("MSH-3", "BEDSIDE"),
        ("MSH-9.2", "A01"),
        ("MSH-7:time", datetime(2026, 3, 15, 8, 15, tzinfo=WIB)),
        ("EVN-2:time", datetime(2026, 3, 15, 8, 15, tzinfo=WIB)),
        ("EVN-2:date", date(2026, 3, 15)),
        ("PID-3", "00123"),
        ("PID-3[2]", "3571020508800002"),
        ("PID-3[3]", None),
        ("PID-3(MR)", "00123"),
        ("PID-3(NIK)", "3571020508800002"),
        ("PID-3(NNIDN).4.2", "9"),
        ("PID-3(PPN)", None),
        ("PID-3.4", "RSUD"),
        ("PID-3.4.3", "ISO"),
        ("PID-3.4.4", None),
        ("PID-5", "SANTOSO"),
        ("PID-5.1.2", "VAN"),
        ("PID-5.5 PID-5.2 PID-5.3 PID-5.1", "DR BUDI SANTOSO"),
        ("PID-7:date", date(1980, 8, 5)),
        ("PID-7:time", date(1980, 8, 5)),
        ("PID-9", None),
        ("PID-11", "JL&RK A|1\nRT 2"),
        ("PID-99", None),
        ("NK1-2", "SATU"),
        ("NK1[2]-2.2", "B"),
        ("NK1[3]-2", None),
        ("OBX-5", None),
        ("PV1-44:date", None),
    ],
)
def test_what_a_path_finds(path: str, value: object) -> None:
    assert found(path) == value


@pytest.mark.parametrize(
    "path", ["PID", "pid-3", "PID-0", "PID-3.0", "MSH-1", "MSH-2", "PID-3:hari", "", "PID-3()", ":date"]
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(Malformed):
        Paths({"x": path}, WIB)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "MSH"),
        ("PID|1", "MSH"),
        ("MSH|^~|X", "MSH"),
        (r"MSH|^^\&|X", "MSH"),
        ("MSH|^~\\&|X\rPID|1\rrahasia|2", "segmen ke-3"),
        ("MSH|^~\\&|X\rPIDX|1", "segmen ke-2"),
        ("MSH|^~\\&|X\rMSH|^~\\&|X", "MSH"),
    ],
)
def test_what_is_no_message(message: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        Message.parse(message)
    assert "rahasia" not in str(caught.value)


def test_delimiters_of_its_own_and_line_feeds() -> None:
    message = "MSH#*!/%#A#B\r\nPID#1##7*x!8/T/9*y%z\nEVN#/X41C3A9/#/F//E/\n"
    assert found("PID-3.1", message) == "7"
    assert found("PID-3[2].1", message) == "8%9"
    assert found("PID-3[2].2.2", message) == "z"
    assert found("EVN-1", message) == "Aé"
    assert found("EVN-2", message) == "#/"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"a\F\b\S\c\R\d\T\e\E\f", r"a|b^c~d&e\f"),
        (r"\H\tebal\N\ ", "tebal "),
        (r"\.br\\.br\x", "\n\nx"),
        (r"\X0D0A\x", "\r\nx"),
        (r"\Xzz\ \Q\ \ sendiri", r"\Xzz\ \Q\ \ sendiri"),
        (r"akhir\\", r"akhir\\"),
        ("\\", "\\"),
    ],
)
def test_escapes(text: str, value: str) -> None:
    assert unescaped(text, Message.parse(MESSAGE)) == value


@given(st.text(), st.sampled_from([STANDARD, Delimiters("#", "*", "!", "/", "%")]))
def test_what_is_escaped_comes_back(text: str, by: Delimiters) -> None:
    written = escaped(text, by)
    assert not set(written) & {by.field, by.component, by.repetition, by.sub, *map(chr, range(32))}
    back = unescaped(written, Message(by, "utf-8", {}))
    assert back == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20260315081530.5-0300", datetime(2026, 3, 15, 18, 15, 30, 500_000, tzinfo=WIB)),
        ("2026031508", datetime(2026, 3, 15, 8, tzinfo=WIB)),
        ("20261231235960", datetime(2026, 12, 31, 23, 59, 59, tzinfo=WIB)),
        ("99991231235959+0000", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("00010101000000+0800", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8)))),
        ("20260315", date(2026, 3, 15)),
        ("202603", None),
        ("2026", None),
        ("00000000", None),
        ("20260300", None),
    ],
)
def test_time_stamps(text: str, value: object) -> None:
    assert instant(text, WIB) == value


@pytest.mark.parametrize("text", ["", "x", "2026-03-15", "20260230", "2026031525", "20260315081500+7", "0"])
def test_what_is_no_time_stamp(text: str) -> None:
    with pytest.raises(ValueError):
        instant(text, WIB)
    if text:
        with pytest.raises(Malformed, match="EVN-2"):
            found("EVN-2:time", f"MSH|^~\\&|X\rEVN||{text}")


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5"])
@pytest.mark.parametrize(
    ("event", "structure"),
    [("A01", "A01"), ("A03", "A03"), ("A04", "A01"), ("A08", "A01"), ("A28", "A05"), ("A31", "A05")],
)
def test_messages_that_another_library_builds(version: str, event: str, structure: str) -> None:
    built = Built(f"ADT_{structure.replace('A05', 'A01') if version == '2.3' else structure}", version=version)
    built.msh.msh_9 = f"ADT^{event}"
    built.msh.msh_10, built.msh.msh_11 = "77", "P"
    built.evn.evn_1, built.evn.evn_2 = event, "20260315081500"
    built.pid = f"PID|||{event}^^^RSUD^MR||SANTOSO^BUDI||19800805|M"
    built.pv1 = "PV1||I"
    built.validate()
    text = built.to_er7()

    assert found("MSH-9.2", text) == event
    assert found("MSH-12", text) == version
    assert found("PID-3(MR)", text) == event
    assert found("PID-5.2 PID-5.1", text) == "BUDI SANTOSO"


def test_a_path_tells_where_it_looks() -> None:
    path = Path("NK1[2]-2.1")
    assert (path.place, path.text) == (("NK1", 2), "NK1[2]-2.1")
