"""Messages of a batch that are sent ahead of its cursor: all or nothing, whatever became of them meanwhile."""

from __future__ import annotations

import pytest

from bus.broker.connection import Connection
from bus.broker.publish import FEW, Publisher, Staged
from bus.errors import ContractError, Fenced
from bus.server import EmbeddedServer
from tests.bus.broker.conftest import CURSOR, STREAM, count, cursor, event, reconnected

SOME = [event(number) for number in range(20)]


async def test_they_are_stored_with_their_cursor(connection: Connection, publisher: Publisher) -> None:
    staged = await publisher.stage(SOME, tracestate="bus=1")
    before = await count(connection)
    stored = await publisher.send_batch(SOME, cursor(b'{"n":1}'), after=0, staged=staged)

    assert (before, stored.sequence) == (0, 21)
    last = await publisher.last(STREAM, SOME[-1].subject)
    assert last is not None
    assert (last.sequence, last.headers["ce-id"], last.headers["tracestate"]) == (20, "id-19", "bus=1")


async def test_two_batches_are_on_their_way_and_stored_in_turn(connection: Connection, publisher: Publisher) -> None:
    staged = [await publisher.stage(some) for some in (SOME[:10], SOME[10:])]
    first = await publisher.send_batch(SOME[:10], cursor(), after=0, staged=staged[0])
    second = await publisher.send_batch(SOME[10:], cursor(), after=first.sequence, staged=staged[1])

    assert (first.sequence, second.sequence, await count(connection)) == (11, 22, 22)


async def test_behind_a_moved_cursor_nothing_is_stored(connection: Connection, publisher: Publisher) -> None:
    staged = await publisher.stage(SOME)
    await publisher.send_batch([], cursor(), after=0)

    with pytest.raises(Fenced, match="another instance"):
        await publisher.send_batch(SOME, cursor(), after=0, staged=staged)

    assert await count(connection) == 1


async def test_what_the_server_has_given_up_is_sent_again(connection: Connection, publisher: Publisher) -> None:
    forgotten = Staged("f" * 32, len(SOME))  # as one is whose end came after ten seconds
    stored = await publisher.send_batch(SOME, cursor(), after=0, staged=forgotten)

    assert (stored.sequence, await count(connection)) == (21, 21)


async def test_over_a_killed_server(server: EmbeddedServer, connection: Connection, publisher: Publisher) -> None:
    staged = await publisher.stage(SOME)
    await count(connection)  # the server has them
    await server.kill()
    await server.start()
    await reconnected(connection)

    await publisher.send_batch(SOME, cursor(), after=0, staged=staged)

    assert await count(connection) == 21


async def test_some_that_are_stored_already(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_all(SOME[:2])
    staged = await publisher.stage(SOME)

    await publisher.send_batch(SOME, cursor(), after=0, staged=staged)

    assert await count(connection) == 21
    assert await publisher.last(STREAM, CURSOR) is not None


async def test_an_end_is_sent_once(connection: Connection, publisher: Publisher) -> None:
    """After an unknown outcome the whole batch goes again: what was sent ahead is gone, or stored."""
    staged = await publisher.stage(SOME)
    first = await publisher.send_batch(SOME, cursor(), after=0, staged=staged)
    assert staged is not None
    assert staged.spent

    await publisher.send_batch(SOME, cursor(b"[]"), after=first.sequence, staged=staged)

    assert await count(connection) == 22


async def test_few_are_not_worth_it_and_large_ones_are_refused(connection: Connection, publisher: Publisher) -> None:
    assert await publisher.stage(SOME[:FEW]) is None
    with pytest.raises(ContractError, match="the server takes"):
        await publisher.stage([*SOME, event(99, body=b"x" * connection.client.max_payload)])
