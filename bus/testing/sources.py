"""The conformance suite of sources. A connector's tests subclass it and say how to write into the application:

    class TestSqlPoll(SourceContract):
        @pytest.fixture
        async def application(self, sqlite_url: str) -> AsyncIterator[SourceApplication]: ...

It runs the engine itself over streams in memory, kills it at each step, kills the application, takes it away, cuts its
connections, and counts at both ends. ``LARGE_BACKLOG=1000000`` in the environment makes its large backlog so large.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.errors import AccessError, ConfigError, ContractError
from bus.testing.backlogs import LARGE, MEMORY, base_line, large_or, large_rows, resident, until_large
from bus.testing.lines import (
    DEATHS,
    PATIENCE,
    Line,
    SourceApplication,
    read_until,
    rounds,
    until,
)

BAD = "rusak"  #: a value that no event may have
ENOUGH = 6_000  #: rows within which a bad line must have cut a connection


class SourceContract:
    """What every source must do. Subclasses give the fixture ``application``."""

    @pytest.fixture
    def line(self, application: SourceApplication, tmp_path: Path) -> Line:
        """The application on a line of its own."""
        return Line(application, tmp_path)

    async def test_every_row_is_one_event(self, application: SourceApplication, line: Line) -> None:
        await application.write((key, f"isi {key}") for key in range(1200))

        await line.run_until(lambda: line.streams.count >= 1200)

        assert Counter(line.emitted()) == Counter((str(key), f"isi {key}") for key in range(1200))

    async def test_nothing_new_is_no_event(self, application: SourceApplication, line: Line) -> None:
        await application.write((key, "sama") for key in range(30))
        async with line.running():
            await until(lambda: line.streams.count >= 30)
            await rounds(line)
        async with line.running():
            await rounds(line)

        assert line.streams.count == 30

    @pytest.mark.parametrize("step", DEATHS)
    async def test_killed_at_each_step(self, application: SourceApplication, line: Line, step: str) -> None:
        await application.write((key, "pertama") for key in range(700))
        await line.run_until(lambda: line.streams.count >= 700)
        await application.write((key, "kedua") for key in range(700, 1500))
        line.streams.crash_before_store = step == "before storing"
        line.streams.crash_after_store = step == "after storing"

        await line.run_until_dead(DEATHS[step])
        line.streams.crash_before_store = line.streams.crash_after_store = False
        await line.run_until(lambda: line.streams.count >= 1500)
        async with line.running():
            await rounds(line)

        assert Counter(line.emitted()) == Counter(
            [(str(key), "pertama") for key in range(700)] + [(str(key), "kedua") for key in range(700, 1500)]
        )

    async def test_killed_behind_a_few_events_that_go_without_their_cursor(
        self, application: SourceApplication, line: Line
    ) -> None:
        await application.write((key, "pertama") for key in range(50))
        await line.run_until(lambda: line.streams.count >= 50)
        await application.write((key, "kedua") for key in range(50, 55))
        line.streams.crash_between = True

        await line.run_until_dead(DEATHS["before storing"])
        line.streams.crash_between = False
        await line.run_until(lambda: line.streams.count >= 55)
        async with line.running():
            await rounds(line)

        assert Counter(line.emitted()) == Counter(
            [(str(key), "pertama") for key in range(50)] + [(str(key), "kedua") for key in range(50, 55)]
        )

    async def test_a_lost_acknowledgement_is_no_second_event(self, application: SourceApplication, line: Line) -> None:
        line.streams.lose_acknowledgement = True
        await application.write((key, "isi") for key in range(20))

        async with line.running():
            await until(lambda: line.streams.count >= 20)
            await rounds(line)

        assert not line.streams.lose_acknowledgement
        assert line.streams.count == 20

    async def test_changes_of_a_key_keep_their_order(self, application: SourceApplication, line: Line) -> None:
        if not application.source().sees.updates:
            await self._stays_unseen(application, line)
            return
        values = ["A", "B", "A", "C", "B"]  # A again is a change again, also within one second
        async with line.running():
            for number, value in enumerate(values, 1):
                await application.write([(1, value), (2, "tetap")])
                await until(lambda number=number: len(line.values(1)) >= number)  # type: ignore[misc]

        assert line.values(1) == values
        assert line.values(2)[:1] == ["tetap"]

    async def _stays_unseen(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "A")])
        async with line.running():
            await until(lambda: line.streams.count >= 1)
            await application.write([(1, "B")])
            await rounds(line)
        assert line.values(1) == ["A"]

    async def test_it_sees_deletes_as_it_states(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "A"), (2, "B")])
        source = application.source()
        await source.open(None)
        await read_until(source, at_least=2)
        await application.delete(1)
        found = await read_until(source, at_least=1 if source.sees.deletes else 0)
        await source.close()

        assert bool([record for record in found if str(record.data.get("kunci")) == "1"]) == source.sees.deletes

    async def test_a_bad_row_among_good_ones(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "baik"), (2, BAD), (3, "baik")])

        async with line.running() as process:
            await until(lambda: line.streams.count >= 2 and len(line.streams.letters) >= 1)
            await rounds(line)
            letter = line.streams.letters[0]
            with pytest.raises(ContractError):
                await process.reread(letter.key)
            if application.source().sees.updates:
                await application.write([(2, "diperbaiki")])
                await until(lambda: line.values(2) == ["diperbaiki"])
                with suppress(ContractError):  # it cannot be read again
                    assert await process.reread(letter.key) is None, "it came by itself"

        assert Counter(line.emitted())["1", "baik"] == Counter(line.emitted())["3", "baik"] == 1
        assert len(line.streams.letters) == 1
        assert (letter.kind, letter.code) == ("record", "contract")
        assert BAD not in letter.reason

    async def test_the_application_is_away_and_comes_back(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "sebelum")])
        async with line.running():
            await until(lambda: line.streams.count >= 1)
            await application.away()
            await until(lambda: bool(line.health.problem))
            await application.back()
            await application.write([(2, "sesudah")])
            await until(lambda: line.streams.count >= 2)
            await until(lambda: not line.health.problem)

        assert line.emitted() == [("1", "sebelum"), ("2", "sesudah")]
        assert not line.streams.letters

    async def test_the_application_is_killed_and_started_again(
        self, application: SourceApplication, line: Line
    ) -> None:
        await application.write((key, "isi") for key in range(600))
        async with line.running():
            await until(lambda: line.streams.count >= 600)
            line.streams.full = True  # what is read next is still in hand when the application dies
            await application.write((key, "isi") for key in range(600, 1200))
            await until(lambda: line.streams.refused > 0)
            seen = await application.kill()
            line.streams.full = False
            await until(lambda: not seen or ("full" not in line.health.problem and bool(line.health.problem)))
            await application.start()
            await application.write((key, "isi") for key in range(1200, 1300))
            await until(lambda: line.streams.count >= 1300)
            await until(lambda: not line.health.problem)
            await rounds(line)

        assert Counter(line.emitted()) == Counter((str(key), "isi") for key in range(1300))
        assert not line.streams.letters

    async def test_wrong_credentials_end_it_and_lose_nothing(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "isi")])
        if (stranger := application.stranger()) is not None:
            process = line.process(stranger)
            with pytest.raises((AccessError, ConfigError)) as refused:
                async with asyncio.timeout(PATIENCE):
                    await process.outflow.run()
            process.ledger.close()
            assert "\n" not in str(refused.value)
            assert line.health.last_problem == str(refused.value)
        await line.run_until(lambda: line.streams.count >= 1)

        assert line.emitted() == [("1", "isi")]

    async def test_a_bad_line_loses_nothing(self, application: SourceApplication, line: Line) -> None:
        async with line.running():
            connected = await application.disturb()
            written = 0
            while written < 600 or (connected and not application.suffered() and written < ENOUGH):
                await application.write((key, f"isi {key}") for key in range(written, written + 100))
                written += 100
                await rounds(line, 1)
            await until(lambda: line.streams.count >= written)
            await application.calm()
            await rounds(line)

        assert application.suffered() or not connected
        assert Counter(line.emitted()) == Counter((str(key), f"isi {key}") for key in range(written))
        assert not line.streams.letters

    async def test_a_record_over_the_limit_is_alone_in_the_dead_letters(
        self, application: SourceApplication, line: Line
    ) -> None:
        await application.write([(1, "baik")])
        accepted = await application.write_oversized(2)
        await application.write([(3, "baik")])
        async with line.running():
            await until(lambda: line.streams.count >= 2 and (accepted is False or len(line.streams.letters) >= 1))
            await rounds(line)

        assert Counter(line.emitted()) == Counter([("1", "baik"), ("3", "baik")])
        assert len(line.streams.letters) == (0 if accepted is False else 1)

    @pytest.fixture
    def tells_since(self) -> bool:
        """Whether it tells when the oldest of the records was recorded that wait."""
        return True

    async def test_it_tells_how_it_stands(self, application: SourceApplication, line: Line, tells_since: bool) -> None:
        await application.write((key, f"isi {key}") for key in range(50))
        async with line.running() as process:
            await until(lambda: line.streams.count >= 50)
            await rounds(line)
            idle = await process.source.state()
            line.streams.full = True
            earliest = datetime.now(UTC) - timedelta(seconds=1)  # whole seconds are kept by some
            await application.write((key, f"isi {key}") for key in range(50, 100))
            await until(lambda: line.streams.refused >= 2)
            busy = await process.source.state()
            line.streams.full = False
            await until(lambda: line.streams.count >= 100)

        assert all(state.position and "isi" not in state.position for state in (idle, busy))
        assert (idle.waiting or 0, idle.oldest) == (0, None)
        assert busy.waiting in range(1, 51)
        assert (busy.oldest is not None) == tells_since
        assert busy.oldest is None or earliest <= busy.oldest <= datetime.now(UTC)

    async def test_a_full_stream_pauses_it(self, application: SourceApplication, line: Line) -> None:
        line.streams.full = True
        await application.write((key, "isi") for key in range(50))
        async with line.running():
            await until(lambda: line.streams.refused >= 2)
            assert "full" in line.health.problem
            line.streams.full = False
            await until(lambda: line.streams.count >= 50)

        assert line.streams.count == 50
        assert not line.streams.letters

    async def test_a_change_that_commits_late_is_seen(self, application: SourceApplication, line: Line) -> None:
        async with line.running():
            await application.write_late((1, "awal"), (2, "akhir"), lambda: until(lambda: line.streams.count >= 1))
            await until(lambda: line.streams.count >= 2)

        assert sorted(line.emitted()) == [("1", "awal"), ("2", "akhir")]

    async def test_a_column_that_comes_changes_nothing(self, application: SourceApplication, line: Line) -> None:
        await application.write((key, "sebelum") for key in range(50))
        async with line.running():
            await until(lambda: line.streams.count >= 50)
            line.streams.full = True
            await application.write((key, "menunggu") for key in range(50, 70))
            await until(lambda: line.streams.refused >= 1)
            await application.widen()
            line.streams.full = False
            await application.write((key, "sesudah") for key in range(70, 100))
            await until(lambda: line.streams.count >= 100)
            await rounds(line)

        assert Counter(line.emitted()) == Counter(
            [(str(key), "sebelum") for key in range(50)]
            + [(str(key), "menunggu") for key in range(50, 70)]
            + [(str(key), "sesudah") for key in range(70, 100)]
        )
        assert not line.streams.letters

    async def test_a_column_that_goes_and_comes_back_loses_nothing(
        self, application: SourceApplication, line: Line
    ) -> None:
        """Meanwhile a source waits, or what it reads becomes dead letters that name the column; one that has stopped
        is started again, as whoever is on call does.
        """
        health, streams, meanwhile = line.health, line.streams, range(50, 60)
        await application.write((key, "sebelum") for key in range(50))
        with suppress(ConfigError):
            async with line.running() as process:
                await until(lambda: streams.count >= 50)
                await rounds(line)
                await application.lose_column()
                await application.write((key, "selama") for key in meanwhile)
                await until(lambda: bool(health.problem) or streams.count >= 60 or len(streams.letters) >= 10)
                if at := health.problem and health.last_problem_at:  # it pauses and tries again, or stops
                    await until(lambda: process.task.done() or health.last_problem_at != at or not health.problem)
                else:  # it may hand over first, and look at the table then
                    looking = asyncio.create_task(rounds(line))
                    await asyncio.wait({looking, process.task}, return_when=asyncio.FIRST_COMPLETED)
                    looking.cancel()
                stopped = process.task.done()
                if not stopped:
                    await application.regain_column()
                    await self._goes_on(application, line, meanwhile)
        if stopped:
            await application.regain_column()
            async with line.running():
                await self._goes_on(application, line, meanwhile)

        emitted = line.emitted()
        assert len(set(emitted)) == len(emitted)
        assert [line.values(key) for key in range(50)] == [["sebelum"]] * 50
        assert "\n" not in health.last_problem
        assert all("kolom nilai" in letter.reason for letter in streams.letters)

    async def _goes_on(self, application: SourceApplication, line: Line, waited: Collection[int]) -> None:
        """The column is back: what waited comes; what was refused comes at the latest when it is written again."""
        await until(lambda: len(line.streams.letters) + sum(bool(line.values(key)) for key in waited) >= len(waited))
        refused = [key for key in waited if not line.values(key)]
        await application.write((key, "diperbaiki") for key in refused)
        await application.write((key, "sesudah") for key in range(60, 80))
        last = {**dict.fromkeys(refused, "diperbaiki"), **dict.fromkeys(range(60, 80), "sesudah")}
        await until(lambda: all(line.values(key)[-1:] == [value] for key, value in last.items()))
        await rounds(line)

    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Path:
        """The folder of a second instance: another machine's, whose ledger knows nothing of the first one's."""
        return tmp_path / "kedua"

    async def test_of_two_readers_one_stores_and_the_other_takes_over(
        self, application: SourceApplication, line: Line, elsewhere: Path
    ) -> None:
        other = Line(application, elsewhere)
        other.streams = line.streams
        async with AsyncExitStack() as both:
            lives = {each: await both.enter_async_context(AsyncExitStack()) for each in (line, other)}
            processes = {each: await life.enter_async_context(each.running()) for each, life in lives.items()}
            await rounds(line, 2)
            await rounds(other, 2)
            await application.write((key, "isi") for key in range(50))
            await until(lambda: line.streams.count >= 50)
            fenced = [each for each in lives if processes[each].task.done()]
            assert len(fenced) <= 1

            await application.write((key, "isi") for key in range(50, 100))
            works, stands_by = sorted(lives, key=lambda each: (each in fenced, -each.health.done))
            await lives[works].aclose()  # killed, in the midst of it
            await application.write((key, "isi") for key in range(100, 150))
            await until(lambda: line.streams.count >= 150 or processes[stands_by].task.done())
            if processes[stands_by].task.done():  # fenced, now or before: an adapter begins again with the lease
                await lives[stands_by].aclose()
                await lives[stands_by].enter_async_context(stands_by.running())
            await until(lambda: line.streams.count >= 150)
            await rounds(stands_by)

        assert Counter(line.emitted()) == Counter((str(key), "isi") for key in range(150))

    @pytest.fixture
    def large(self) -> int:
        """Rows of a large backlog; a connector that is tested on several databases has them all on one."""
        return LARGE

    async def test_a_large_backlog_needs_no_more_memory(
        self, application: SourceApplication, tmp_path: Path, large: int
    ) -> None:
        line, large = Line(application, tmp_path, keep=False), large_or(large)
        await application.write(large_rows(large))
        async with line.running():
            await until_large(lambda: line.streams.count >= large // 10, large)
            before = base_line()
            await until_large(lambda: line.streams.count >= large, large)
            grown = resident() - before

        assert line.streams.count == large
        assert grown < MEMORY
