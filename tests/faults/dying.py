"""`bus run` of an adapter that kills itself between the commit of an effect and the end of its follow-ups' way out.

``DIES_AFTER`` says how many follow-ups get out before; ``DIES_WHEN`` is ``committed`` (nothing of the batch is
published yet) or ``published`` (all of it is, and the outbox still has it).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import NoReturn

from bus.broker.publish import Stored
from bus.cli.main import main
from bus.delivery.emitting import Emitter
from bus.envelope import Event


def die() -> NoReturn:
    """SIGKILL: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def arm(left: int, when: str) -> None:
    """Makes the emitter deadly after ``left`` follow-ups."""
    send = Emitter.send

    async def deadly(self: Emitter, events: Sequence[Event]) -> list[Stored]:
        nonlocal left
        left -= len(events)
        if left < 0 and when == "committed":
            die()
        stored = await send(self, events)
        if left < 0:
            die()
        return stored

    Emitter.send = deadly  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(int(os.environ["DIES_AFTER"]), os.environ["DIES_WHEN"])
    main()
