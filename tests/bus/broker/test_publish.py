"""Publishing on a real server: once per id, whole batches or nothing, cursors fenced, clear errors."""

from __future__ import annotations

import pytest

from bus.broker.connection import Connection
from bus.broker.publish import MAX_BATCH, Message, Outgoing, Publisher
from bus.errors import ContractError, Fenced, StreamFull, Unavailable
from bus.server import EmbeddedServer
from tests.bus.broker.conftest import CURSOR, STREAM, count, cursor, event, reconnected


async def test_a_repeated_message_is_stored_once(connection: Connection, publisher: Publisher) -> None:
    first = await publisher.send_all([event(1), event(2)])
    again = await publisher.send_all([event(2), event(3)])

    assert [stored.duplicate for stored in (*first, *again)] == [False, False, True, False]
    assert first[1].sequence == again[0].sequence
    assert await count(connection) == 3


async def test_many_messages_are_committed_in_groups(connection: Connection, publisher: Publisher) -> None:
    stored = await publisher.send_all([event(number, key=f"k{number % 3}") for number in range(1234)])

    assert [each.sequence for each in stored] == list(range(1, 1235))
    assert await count(connection) == 1234


async def test_a_few_of_different_keys_are_no_batch(connection: Connection, publisher: Publisher) -> None:
    for number, keys in enumerate(("abcdefgh", "ii", "jklmnopqr")):
        stored = await publisher.send_all([event(10 * number + at, key=key) for at, key in enumerate(keys)])
        assert [each.duplicate for each in stored] == [False] * len(keys)
        last = await publisher.last(STREAM, event(0, key=keys[-1]).subject)
        assert last is not None
        assert ("Nats-Batch-Id" in last.headers) == (number > 0)

    assert await count(connection) == 19


async def test_a_few_need_not_be_stored_together_with_their_cursor(
    connection: Connection, publisher: Publisher
) -> None:
    first = await publisher.send_batch(
        Outgoing([event(1, key="a"), event(2, key="b")]), cursor(), after=0, together=False
    )
    again = [event(1, key="a"), event(2, key="b"), event(3, key="c")]  # as after a crash before the cursor
    second = await publisher.send_batch(Outgoing(again), cursor(), after=first.sequence, together=False)
    with pytest.raises(Fenced):
        await publisher.send_batch(Outgoing([event(4, key="d")]), cursor(), after=first.sequence, together=False)

    for key in "abc":
        last = await publisher.last(STREAM, event(0, key=key).subject)
        assert last is not None
        assert "Nats-Batch-Id" not in last.headers
        assert last.sequence < second.sequence
    assert await count(connection) == 4 + 2, "the events, each once, and two cursors"


async def test_a_stream_that_takes_no_batches_gets_messages_one_by_one(
    connection: Connection, publisher: Publisher
) -> None:
    info = await connection.api(f"STREAM.INFO.{STREAM}")
    await connection.api(f"STREAM.UPDATE.{STREAM}", {**info["config"], "allow_atomic": False, "allow_batched": False})

    stored = await publisher.send_all([event(number) for number in range(20)])

    assert [each.sequence for each in stored] == list(range(1, 21))


async def test_a_batch_and_its_cursor_are_stored_together(connection: Connection, publisher: Publisher) -> None:
    stored = await publisher.send_batch(Outgoing([event(number) for number in range(10)]), cursor(b'{"n":1}'), after=0)

    assert stored.sequence == 11
    last = await publisher.last(STREAM, CURSOR)
    assert last is not None
    assert (last.body, last.sequence) == (b'{"n":1}', 11)


async def test_a_batch_behind_a_moved_cursor_stores_nothing(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_batch(Outgoing([event(1)]), cursor(), after=0)

    with pytest.raises(Fenced, match="another instance"):
        await publisher.send_batch(Outgoing([event(2), event(3)]), cursor(), after=0)

    assert await count(connection) == 2


async def test_a_batch_that_was_stored_in_part_is_completed(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_all([event(1), event(2)])

    await publisher.send_batch(Outgoing([event(1), event(2), event(3)]), cursor(), after=0)

    assert await count(connection) == 4


async def test_an_empty_batch_moves_the_cursor(publisher: Publisher) -> None:
    first = await publisher.send_batch(Outgoing([]), cursor(b'{"n":1}'), after=0)
    second = await publisher.send_batch(Outgoing([]), cursor(b'{"n":2}'), after=first.sequence)

    assert second.sequence == 2
    with pytest.raises(Fenced):
        await publisher.send_batch(Outgoing([]), cursor(), after=first.sequence)


async def test_an_event_over_the_limit_is_refused_before_it_is_sent(
    connection: Connection, publisher: Publisher
) -> None:
    large = event(1, body=b"x" * connection.client.max_payload)

    for sending in (publisher.send(large), publisher.send_batch(Outgoing([large]), cursor(), after=0)):
        with pytest.raises(ContractError, match=r"1,0[0-9,]+ bytes, the server takes"):
            await sending

    assert connection.connected
    assert await count(connection) == 0


async def test_headers_count_towards_the_limit(connection: Connection, publisher: Publisher) -> None:
    body = b"x" * (connection.client.max_payload - 100)
    message = Message.of(event(1).subject, body, "id", {"ce-pihak": "y" * 200})

    with pytest.raises(ContractError):
        await publisher.send(message)

    assert connection.connected


async def test_a_batch_has_room_for_so_many(publisher: Publisher) -> None:
    with pytest.raises(ContractError, match="at most 999"):
        await publisher.send_batch(Outgoing([event(number) for number in range(MAX_BATCH)]), cursor(), after=0)


async def test_a_full_stream_says_so(connection: Connection, publisher: Publisher) -> None:
    info = await connection.api(f"STREAM.INFO.{STREAM}")
    await connection.api(f"STREAM.UPDATE.{STREAM}", {**info["config"], "max_bytes": 2_000})

    with pytest.raises(StreamFull, match=r"full.*max_bytes"):
        await publisher.send_all([event(number, body=b"x" * 300) for number in range(10)])
    with pytest.raises(StreamFull, match="full"):
        await publisher.send_batch(
            Outgoing([event(number, body=b"y" * 300) for number in range(20, 30)]), cursor(), after=0
        )

    assert await publisher.last(STREAM, CURSOR) is None


async def test_a_subject_without_a_stream_is_no_silent_loss(publisher: Publisher) -> None:
    with pytest.raises(Unavailable, match="no stream stores this subject"):
        await publisher.send(Message.of("opd.lain.aplikasi.uji.baris.berubah.v1.k", b"{}", "id"))


async def test_a_server_that_is_away_is_unavailable_and_comes_back(
    server: EmbeddedServer, connection: Connection
) -> None:
    publisher = Publisher(connection, timeout=0.5)
    await server.kill()

    with pytest.raises(Unavailable, match=r"is away|connection was lost|connection failed"):
        await publisher.send(event(1))

    await server.start()
    await reconnected(connection)
    await Publisher(connection).send(event(1))  # the same id: stored once, whatever became of the first attempt
    assert await count(connection) == 1
