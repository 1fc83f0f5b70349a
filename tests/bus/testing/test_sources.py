"""The conformance suite of sources finds out who breaks its rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.ports import Batch, Source
from bus.testing import SourceContract
from bus.testing.backlogs import MEMORY
from tests.adapters.connectors.test_file_drop_contract import Office


class Hoarder(Office):
    """An application whose source keeps all that it has read."""

    def source(self) -> Source:
        source, kept = super().source(), list[Batch | None]()
        read = source.read

        async def keeping() -> Batch | None:
            kept.append(await read())
            return kept[-1]

        source.read = keeping  # type: ignore[method-assign]
        return source


async def test_a_source_that_keeps_everything_needs_too_much_memory(tmp_path: Path) -> None:
    hungry = b"x" * 200 * 1024 * 1024  # a test that needed more before
    del hungry

    with pytest.raises(AssertionError, match=f"< {MEMORY}"):
        await SourceContract().test_a_large_backlog_needs_no_more_memory(Hoarder(tmp_path / "titip"), tmp_path, 5_000)
