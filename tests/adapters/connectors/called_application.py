"""An application that calls by itself, in the conformance suite: what such a source can and cannot know."""

from __future__ import annotations

import pytest

from bus.testing import SourceApplication, SourceContract
from bus.testing.lines import Line, rounds, until


class CalledContract(SourceContract):
    """Nobody can tell an application that is silent from one that has nothing to say: there is no problem to see."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    async def test_the_application_is_away_and_comes_back(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "sebelum")])
        async with line.running():
            await until(lambda: line.streams.count >= 1)
            await application.away()
            await application.write([(2, "sesudah")])
            await rounds(line)
            assert line.streams.count == 1
            await application.back()
            await until(lambda: line.streams.count >= 2)

        assert line.emitted() == [("1", "sebelum"), ("2", "sesudah")]
        assert not line.streams.letters
