"""Values of every type in MariaDB's binlog, drawn at random: the same as a SELECT gives, however they are decoded."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.adapters.connectors.cdc_application import all_of, batches, captured, reading, records
from tests.servers.server import Database

ROWS = 60
Draw = Callable[[Random], str]


def digits(draw: Random, count: int) -> str:
    return "".join(draw.choices("0123456789", k=count))


def decimal(whole: int, part: int) -> tuple[str, Draw]:
    sign = "-+"
    kind = f"decimal({whole},{part})"
    return kind, lambda draw: f"{draw.choice(sign)}{digits(draw, whole - part) or 0}.{digits(draw, part) or 0}"


def number(draw: Random) -> str:
    return f"{draw.choice('-+')}{digits(draw, draw.randrange(1, 19))}"


def moment(draw: Random) -> str:
    day = f"{draw.randrange(1971, 2037)}-0{draw.randrange(10)}-1{draw.randrange(10)}"
    return f"'{day} 1{draw.randrange(10)}:2{draw.randrange(10)}:3{draw.randrange(10)}.{digits(draw, 6)}'"


def duration(draw: Random) -> str:
    hours = draw.choice(("0", "-0", "838", "-100", "23", "-1"))
    return f"'{hours}:1{draw.randrange(10)}:0{draw.randrange(10)}.{digits(draw, 6)}'"


def words(draw: Random) -> str:
    return f"'{'é ñ x'[: draw.randrange(6)]}'"


COLUMNS: dict[str, tuple[str, Draw]] = {
    **{f"d{whole}_{part}": decimal(whole, part) for whole, part in ((1, 0), (9, 9), (30, 7), (65, 30), (18, 9))},
    **{
        f"n_{kind.replace(' ', '_')}": (kind, number)
        for kind in (
            "tinyint",
            "smallint unsigned",
            "mediumint",
            "mediumint unsigned",
            "int",
            "bigint",
            "double",
            "float",
        )
    },
    **{f"m{places}": (f"datetime({places})", moment) for places in range(7)},
    **{f"s{places}": (f"timestamp({places}) NULL", moment) for places in range(7)},
    **{f"h{places}": (f"time({places})", duration) for places in range(7)},
    "latin": ("varchar(300) CHARACTER SET latin1", words),
    "panjang": ("mediumtext", words),
    "tetap": ("char(5)", words),
    "mentah": ("varbinary(9)", lambda draw: f"x'{digits(draw, 8)}'"),
    "salah": ("enum('x','y')", lambda draw: draw.choice(("'x'", "'y'", "''"))),
    "beberapa": ("set('a','b','c','d','e','f','g','h','i')", lambda draw: f"{draw.randrange(512)}"),
    "bits": ("bit(12)", lambda draw: f"{draw.randrange(4096)}"),
    "tahun": ("year", lambda draw: draw.choice(("0", "1901", "2155"))),
    "hari": ("date", lambda draw: draw.choice(("'0000-00-00'", "'2024-00-01'", "'2024-02-29'"))),
}


@pytest.mark.parametrize("decoder", ["own", "the library's"])
async def test_a_value_comes_out_of_the_log_as_out_of_a_select(
    mariadb: Database, monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    known_faults: set[str] = set()
    if decoder != "own":
        known_faults = {f"h{places}" for places in range(1, 7)}  # negative times lose their fraction
        monkeypatch.setattr("adapters.connectors.cdc_binlog_changes.rows_of", lambda *_: None)
    draw = Random(35)
    rows = [
        ", ".join("NULL" if draw.random() < 0.1 else value(draw) for _, value in COLUMNS.values()) for _ in range(ROWS)
    ]
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    mariadb.sql(f"CREATE TABLE asal (id int PRIMARY KEY, {columns}); CREATE TABLE warga LIKE asal")
    listed = ", ".join(f"({place}, {row})" for place, row in enumerate(rows))
    mariadb.sql(f"SET sql_mode = ''; INSERT INTO asal VALUES {listed}")
    tables = {"warga": {"columns": list(COLUMNS)}}
    async with reading(captured(mariadb.url, tables)) as source:
        await batches(source, lambda found: len(found) >= 1)
        mariadb.sql(
            "SET sql_mode = ''; INSERT INTO warga SELECT * FROM asal; UPDATE warga SET panjang = 'x' WHERE id % 2"
        )
        mariadb.sql("INSERT INTO warga (id) VALUES (99)")
        logged = await batches(source, lambda found: any(each.data["id"] == 99 for each in all_of(found)))
    async with reading(captured(mariadb.url, tables)) as source:
        selected = await records(source, ROWS + 1)
    seen = {each.key: each.data for each in all_of(logged)}
    differing = {
        (name, seen[each.key][name], each.data[name])
        for each in selected
        for name in COLUMNS.keys() - known_faults
        if seen[each.key][name] != each.data[name]
    }
    assert len(seen) == len(selected)
    assert not differing
