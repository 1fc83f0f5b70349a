"""Runs one adapter that kills itself between the commit of a handler's effect and the end of its follow-ups' way out.

``DIES_AFTER`` says how many batches of follow-ups get through before; ``DIES_WHEN`` is ``committed`` (nothing is
published yet) or ``published`` (the outbox still has them).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import uvloop

from bus.broker.publish import Stored
from bus.delivery.emitting import Emitter
from bus.envelope import Event
from tests.faults.adapter import run


def die() -> NoReturn:
    """SIGKILL: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def arm(left: int, when: str) -> None:
    """Makes the emitter deadly after ``left`` batches."""
    send = Emitter.send

    async def deadly(self: Emitter, events: Sequence[Event]) -> list[Stored]:
        nonlocal left
        left -= 1
        if left < 0 and when == "committed":
            die()
        stored = await send(self, events)
        if left < 0:
            die()
        return stored

    Emitter.send = deadly  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(int(os.environ["DIES_AFTER"]), os.environ["DIES_WHEN"])
    uvloop.run(run(Path(sys.argv[2])))
