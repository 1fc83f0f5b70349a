"""Messages of a batch that are sent ahead of its cursor: all or nothing, whatever became of them meanwhile."""

from __future__ import annotations

import pytest

from bus.broker.connection import Connection
from bus.broker.publish import FEW, Outgoing, Publisher
from bus.errors import ContractError, Fenced
from bus.server import EmbeddedServer
from tests.bus.broker.conftest import CURSOR, STREAM, count, cursor, event, reconnected

SOME = [event(number) for number in range(20)]


async def ahead(publisher: Publisher, outgoing: Outgoing) -> Outgoing:
    """What is on its way."""
    await publisher.stage(outgoing)
    assert outgoing.staged
    return outgoing


async def test_they_are_stored_with_their_cursor(connection: Connection, publisher: Publisher) -> None:
    outgoing = await ahead(publisher, Outgoing(SOME, "bus=1"))
    before = await count(connection)
    stored = await publisher.send_batch(outgoing, cursor(b'{"n":1}'), after=0)

    assert (before, stored.sequence) == (0, 21)
    last = await publisher.last(STREAM, SOME[-1].subject)
    assert last is not None
    assert (last.sequence, last.headers["ce-id"], last.headers["tracestate"]) == (20, "id-19", "bus=1")


async def test_two_batches_are_on_their_way_and_stored_in_turn(connection: Connection, publisher: Publisher) -> None:
    one, other = [await ahead(publisher, Outgoing(some)) for some in (SOME[:10], SOME[10:])]
    first = await publisher.send_batch(one, cursor(), after=0)
    second = await publisher.send_batch(other, cursor(), after=first.sequence)

    assert (first.sequence, second.sequence, await count(connection)) == (11, 22, 22)


async def test_behind_a_moved_cursor_nothing_is_stored(connection: Connection, publisher: Publisher) -> None:
    outgoing = await ahead(publisher, Outgoing(SOME))
    await publisher.send_batch(Outgoing([]), cursor(), after=0)

    with pytest.raises(Fenced, match="another instance"):
        await publisher.send_batch(outgoing, cursor(), after=0)

    assert await count(connection) == 1


async def test_what_the_server_has_given_up_is_sent_again(connection: Connection, publisher: Publisher) -> None:
    forgotten = Outgoing(SOME, staged="f" * 32)  # as one is whose end came after ten seconds
    stored = await publisher.send_batch(forgotten, cursor(), after=0)

    assert (stored.sequence, await count(connection)) == (21, 21)


async def test_over_a_killed_server(server: EmbeddedServer, connection: Connection, publisher: Publisher) -> None:
    outgoing = await ahead(publisher, Outgoing(SOME))
    assert await count(connection) == 0, "the server has them, and stores none"
    await server.kill()
    await server.start()
    await reconnected(connection)

    await publisher.send_batch(outgoing, cursor(), after=0)

    assert await count(connection) == 21


async def test_some_that_are_stored_already(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_all(SOME[:2])
    outgoing = await ahead(publisher, Outgoing(SOME))

    await publisher.send_batch(outgoing, cursor(), after=0)

    assert await count(connection) == 21
    assert await publisher.last(STREAM, CURSOR) is not None


async def test_an_end_is_sent_once(connection: Connection, publisher: Publisher) -> None:
    """After an unknown outcome the whole batch goes again: what was sent ahead is gone, or stored."""
    outgoing = await ahead(publisher, Outgoing(SOME))
    first = await publisher.send_batch(outgoing, cursor(), after=0)
    assert not outgoing.staged

    await publisher.send_batch(outgoing, cursor(b"[]"), after=first.sequence)

    assert await count(connection) == 22


async def test_few_are_not_worth_it_and_large_ones_are_refused(connection: Connection, publisher: Publisher) -> None:
    few = Outgoing(SOME[:FEW])
    await publisher.stage(few)
    assert not few.staged
    with pytest.raises(ContractError, match="the server takes"):
        await publisher.stage(Outgoing([*SOME, event(99, body=b"x" * connection.client.max_payload)]))
