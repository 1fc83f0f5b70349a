"""The conformance suite of sinks. A connector's tests subclass it and say how to look into the application:

    class TestSqlUpsert(SinkContract):
        @pytest.fixture
        async def application(self, sqlite_url: str) -> AsyncIterator[SinkApplication]: ...

It runs the engine itself over messages in memory, kills it at each step, kills the application, takes it away, cuts
its connections, and counts at both ends.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from bus.errors import AccessError, Action, BusError, ConfigError
from bus.testing.backlogs import LARGE, MEMORY, base_line, filling_of, large_or, resident
from bus.testing.events import APP
from bus.testing.lines import PATIENCE, until
from bus.testing.memory import Crash, MemoryStreams
from bus.testing.targets import BATCH, DEATHS, MIDDLE, MemoryMessage, SinkApplication, Target, deliver, numbered

FORBIDDEN = "terlarang"  #: a value that the application is told to refuse


class SinkContract:
    """What every sink must do. Subclasses give the fixture ``application``."""

    #: False: the target cannot tell an event that it had, which what was cut off on its way may bring it again.
    knows_events: ClassVar[bool] = True

    async def applied(self, application: SinkApplication) -> Counter[str]:
        """How often each event was applied; after a fault, where the target knows no events: that it was."""
        writes = await application.writes()
        return Counter(writes if self.knows_events else set(writes))

    @pytest.fixture
    def target(self, application: SinkApplication, tmp_path: Path) -> Target:
        """The application with an engine of its own."""
        return Target(application, tmp_path)

    async def test_every_event_is_applied_once(self, application: SinkApplication, target: Target) -> None:
        messages = numbered([(f"k{number}", f"isi {number}") for number in range(1200)])

        await target.deliver(messages)

        assert await application.rows() == {f"k{number}": f"isi {number}" for number in range(1200)}
        assert Counter(await application.writes()) == Counter(each.id for each in messages)
        assert Counter(await application.heard()) == Counter(each.id for each in messages), "told twice without need"

    async def test_an_event_that_comes_again_is_not_applied_again(
        self, application: SinkApplication, target: Target
    ) -> None:
        messages = numbered([(f"k{number}", f"isi {number}") for number in range(20)])

        await target.deliver(messages)
        await target.deliver([MemoryMessage(each.sequence, "k0", "lain", event_id=each.id) for each in messages[:5]])

        assert await application.rows() == {f"k{number}": f"isi {number}" for number in range(20)}
        assert Counter(await application.writes()) == Counter(each.id for each in messages)

    async def test_events_of_a_key_are_applied_in_order(self, application: SinkApplication, target: Target) -> None:
        messages = numbered([(f"k{number % 7}", f"isi {number}") for number in range(300)])

        await target.deliver(messages)

        assert await application.rows() == {f"k{number % 7}": f"isi {number}" for number in range(293, 300)}
        written = {event_id: number for number, event_id in enumerate(await application.writes())}
        for key in range(7):
            order = [written[each.id] for each in messages[key::7]]
            assert order == sorted(order)
        assert Counter(await application.heard()) == Counter(each.id for each in messages), "told twice without need"

    async def test_an_older_event_overwrites_no_newer_one(self, application: SinkApplication, target: Target) -> None:
        old = MemoryMessage(900, "k1", "lama", event_id="a" * 32, origin=f"{APP.stream}:3")

        await target.deliver(numbered([("k1", "baru"), ("k2", "tetap")], first=10))
        await target.deliver([old])

        assert await application.rows() == {"k1": "baru", "k2": "tetap"}
        assert old.settled == "ack"

    async def test_a_refused_event_is_alone_in_the_dead_letters(
        self, application: SinkApplication, target: Target
    ) -> None:
        await application.refuse(FORBIDDEN)
        messages = numbered([(f"k{number}", FORBIDDEN if number % 100 == 50 else "baik") for number in range(300)])

        await target.deliver(messages)
        refused = [each for each in messages if each.settled == "term"]

        assert {each.sequence for each in refused} == {51, 151, 251}
        assert {letter.sequence for letter in target.streams.letters} == {51, 151, 251}
        assert all(FORBIDDEN not in letter.reason for letter in target.streams.letters)
        assert len(await application.rows()) == 297
        assert set(Counter(await application.heard()).values()) == {1}, "told twice without need"

    async def test_a_repaired_event_is_applied_when_it_is_sent_again(
        self, application: SinkApplication, target: Target
    ) -> None:
        await application.refuse(FORBIDDEN)
        await target.deliver(numbered([("k1", FORBIDDEN)]))
        letter = target.streams.letters[0]
        await application.refuse(None)

        again = MemoryMessage(
            77, "k1", FORBIDDEN, event_id=letter.event_id, origin=f"{letter.stream}:{letter.sequence}"
        )
        await target.deliver([again])

        assert await application.rows() == {"k1": FORBIDDEN}

    async def test_the_application_is_away_and_comes_back(self, application: SinkApplication, target: Target) -> None:
        first = numbered([("k0", "sebelum")])
        await target.deliver(first)
        messages = numbered([(f"k{number}", "sesudah") for number in range(50)], first=10)
        async with target.running() as inflow:
            await application.away()
            delivering = asyncio.create_task(deliver(inflow, messages))
            await until(lambda: bool(target.health.problem))
            await application.back()
            await delivering

        assert not target.streams.letters
        assert await self.applied(application) == Counter(each.id for each in (*first, *messages))
        assert await application.rows() == {f"k{number}": "sesudah" for number in range(50)}

    async def test_the_application_is_killed_and_started_again(
        self, application: SinkApplication, target: Target
    ) -> None:
        messages: list[MemoryMessage] = []
        enough = asyncio.Event()

        async def deliver_on() -> None:
            while not enough.is_set():
                first = len(messages)
                messages.extend(numbered([(f"k{n}", f"isi {n}") for n in range(first, first + 40)], first=first + 1))
                await inflow.handle(messages[first:])  # type: ignore[arg-type]

        async with target.running() as inflow, asyncio.timeout(2 * PATIENCE):
            delivering = asyncio.create_task(deliver_on())
            await until(lambda: len(messages) > 80)
            seen = await application.kill()  # in the midst of it
            await until(lambda: not seen or bool(target.health.problem))
            await application.start()
            enough.set()
            await delivering
            await until(lambda: all(message.settled for message in messages))

        assert await application.rows() == {f"k{number}": f"isi {number}" for number in range(len(messages))}
        assert await self.applied(application) == Counter(each.id for each in messages)
        assert not target.streams.letters

    async def test_what_its_owner_adds_disturbs_nothing(self, application: SinkApplication, target: Target) -> None:
        pairs = [(f"k{number}", f"isi {number}") for number in range(60)]
        messages = numbered(pairs)
        async with target.running() as inflow:
            await deliver(inflow, messages[:20])
            await application.extend()
            await deliver(inflow, messages[20:40])
        await target.deliver(messages[40:])

        assert await application.rows() == dict(pairs)
        assert Counter(await application.writes()) == Counter(each.id for each in messages)
        assert Counter(await application.heard()) == Counter(each.id for each in messages), "told twice without need"
        assert not target.streams.letters

    async def test_what_its_owner_takes_away_stops_it_and_loses_nothing(
        self, application: SinkApplication, target: Target
    ) -> None:
        pairs = [(f"k{number}", f"isi {number}") for number in range(60)]
        messages = numbered(pairs)
        async with target.running() as inflow:
            await deliver(inflow, messages[:20])
            await application.withdraw()
            delivering = asyncio.create_task(deliver(inflow, messages[20:]))
            await until(lambda: delivering.done() or bool(target.health.problem))
            told = target.health.problem
            await application.restore()
            await asyncio.wait({delivering})
        if (stopped := delivering.exception()) is not None:  # a person starts it again
            assert isinstance(stopped, BusError)
            assert stopped.action is Action.STOP
            told = str(stopped)
            again = zip(messages, numbered(pairs), strict=True)
            await target.deliver([fresh for each, fresh in again if not each.settled])

        assert not target.streams.letters, "the events are not to blame"
        assert told
        assert "\n" not in told
        assert await application.rows() == dict(pairs)
        assert Counter(await application.writes()) == Counter(each.id for each in messages)

    async def test_wrong_credentials_end_it_and_lose_nothing(
        self, application: SinkApplication, target: Target
    ) -> None:
        messages = numbered([("k1", "isi")])
        if (stranger := application.stranger()) is not None:
            with pytest.raises((AccessError, ConfigError)) as refused:
                async with asyncio.timeout(PATIENCE), target.running(sink=stranger) as inflow:
                    await inflow.handle(messages)  # type: ignore[arg-type]
            assert "\n" not in str(refused.value)
            assert not messages[0].settled
        await target.deliver(numbered([("k1", "isi")]))

        assert await application.rows() == {"k1": "isi"}
        assert not target.streams.letters

    async def test_a_bad_line_loses_nothing(self, application: SinkApplication, target: Target) -> None:
        messages: list[MemoryMessage] = []
        async with target.running() as inflow, asyncio.timeout(2 * PATIENCE):
            disturbed = await application.disturb()
            while len(messages) < 200 or (disturbed and not application.suffered()):
                first = len(messages)
                messages += numbered([(f"k{n}", f"isi {n}") for n in range(first, first + 40)], first=first + 1)
                await inflow.handle(messages[first:])  # type: ignore[arg-type]
            await until(lambda: all(message.settled for message in messages))
            await application.calm()

        assert await application.rows() == {f"k{number}": f"isi {number}" for number in range(len(messages))}
        assert await self.applied(application) == Counter(each.id for each in messages)
        assert not target.streams.letters

    @pytest.mark.parametrize("step", DEATHS)
    async def test_killed_at_each_step(self, application: SinkApplication, target: Target, step: str) -> None:
        pairs = [(f"k{number}", f"isi {number}") for number in range(40)]
        messages = numbered(pairs)
        async with target.running(DEATHS[step]) as inflow:
            with pytest.raises(Crash):
                await inflow.handle(messages)  # type: ignore[arg-type]
        settled, told = {each.id for each in messages if each.settled == "ack"}, target.receipted
        if step.endswith("the acknowledgement"):
            assert told
            assert settled == (told if step.startswith("after") else set())
        else:  # a target that is told one at a time may have settled some of those before the one it died with
            assert settled == told
            assert len(told) < MIDDLE
        assert bool(await application.writes()) >= step.endswith(("the acknowledgement", "the receipt"))

        await target.deliver([again for each, again in zip(messages, numbered(pairs), strict=True) if not each.settled])

        assert await application.rows() == dict(pairs)
        assert await self.applied(application) == Counter(each.id for each in messages)
        assert target.receipted == {each.id for each in messages}
        assert not target.streams.letters

    @pytest.fixture
    def large(self) -> int:
        """Events of a large backlog; a connector that is tested on several databases has them all on one."""
        return LARGE

    @pytest.fixture
    def filling(self, large: int) -> str:
        """What fills each of its values."""
        return filling_of(large)

    async def test_a_large_backlog_needs_no_more_memory(
        self, application: SinkApplication, target: Target, large: int, filling: str
    ) -> None:
        target.streams, large = MemoryStreams(keep=False), large_or(large)
        async with target.running() as inflow:
            before = 0
            for begun, batch in _batches(large, filling):
                if not before and begun >= large // 10:
                    before = base_line()
                await inflow.handle(batch)  # type: ignore[arg-type]
                assert all(message.settled == "ack" for message in batch)

        assert resident() - before < MEMORY


def _batches(large: int, filling: str) -> Iterator[tuple[int, list[MemoryMessage]]]:
    """A large backlog, batch by batch, and how many came before each: of a small one too there are twenty batches, so
    that a tenth of it has all that the first batches make.
    """
    size, keys = min(BATCH, large // 20), large // 40
    for start in range(0, large, size):
        pairs = [(f"k{number % keys}", f"isi {number} {filling}") for number in range(start, min(start + size, large))]
        yield start, numbered(pairs, first=start + 1)
