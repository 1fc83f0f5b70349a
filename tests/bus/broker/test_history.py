"""What was stored on an application's cursors, read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bus.broker import history, streams
from bus.broker.connection import Connection
from bus.broker.publish import Publisher
from bus.config import Settings
from bus.contracts.grants import ConsumerGrant, cursor_place
from bus.errors import ConfigError
from bus.subjects import AppName, durable
from tests.bus.broker.conftest import CURSOR, OPD, STREAM, cursor, event

APP = AppName("uji", "aplikasi")
DURABLE = durable(APP, cursor_place("sumber"))
GRANT = ConsumerGrant(APP, cursor_place("sumber"), STREAM, DURABLE, (CURSOR,), None, "all", settles=False)


async def again(publisher: Publisher, first: int, last: int) -> list[tuple[int, bytes]]:
    return [each async for each in publisher.again(STREAM, CURSOR, DURABLE, first=first, last=last)]


async def test_cursors_are_read_again_as_often_as_somebody_asks(
    connection: Connection, publisher: Publisher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "AT_ONCE", 4)
    await streams.apply(connection, settings, [OPD], [GRANT])
    assert await streams.plan(connection, settings, [OPD], [GRANT]) == [], "the server has it as it was declared"
    stored = []
    for number in range(10):
        await publisher.send(event(number))
        stored.append((await publisher.send(cursor(b'"%d"' % number))).sequence)

    expected = [(sequence, b'"%d"' % number) for number, sequence in enumerate(stored)]
    for _ in range(2):
        assert await again(publisher, 0, stored[-1]) == expected
    assert await again(publisher, stored[6], stored[-1]) == expected[6:]
    await connection.api(f"STREAM.PURGE.{STREAM}", {"seq": stored[3] + 1})
    assert await again(publisher, stored[0], stored[-1]) == expected[4:]


async def test_a_consumer_that_was_never_made(connection: Connection, publisher: Publisher) -> None:
    sequence = (await publisher.send(cursor())).sequence
    with pytest.raises(ConfigError, match="this consumer does not exist"):
        await again(publisher, 0, sequence)


async def test_one_of_another_source_tells_nothing(
    connection: Connection, publisher: Publisher, settings: Settings
) -> None:
    await streams.apply(connection, settings, [OPD], [replace(GRANT, filters=("opd.uji.aplikasi.cursor.>",))])
    first = await publisher.send(cursor(b'"1"'))
    await publisher.send(replace(cursor(b'"other"'), subject=f"{CURSOR}-lain"))
    last = await publisher.send(cursor(b'"2"'))
    assert [body for _, body in await again(publisher, first.sequence, last.sequence)] == [b'"1"', b'"2"']
