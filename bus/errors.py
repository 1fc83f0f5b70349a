"""Every error the bus raises, and what its engines do about each.

    BusError                 code           action
    ├── ConfigError          config         stop         a setting, contract or credential must be repaired by a person
    ├── ContractError        contract       dead-letter  this record or event does not fit its contract
    │   └── EnvelopeError    envelope       dead-letter  not a well-formed CloudEvent
    ├── AccessError          access         stop         permissions refuse it; waiting does not help
    ├── Rejected             rejected       dead-letter  the target understood and refused this one
    ├── Unavailable          unavailable    retry        a peer does not answer; nothing is wrong with the data
    │   └── StreamFull       stream-full    retry        the stream takes no new messages until older ones expire
    └── Fenced               fenced         stand-by     another instance is the active one

What an engine does follows from ``action`` alone. Messages carry what, where and what to do; they never carry personal
data: values of rows and events stay out of them.
"""

from __future__ import annotations

import traceback
from enum import StrEnum


class Action(StrEnum):
    """What an engine does when it meets an error."""

    STOP = "stop"
    RETRY = "retry"
    DEAD_LETTER = "dead-letter"
    STAND_BY = "stand-by"


class BusError(Exception):
    """An error with one clear line: what went wrong, where, and what to do.

    ``where`` names a file and key, a subject or a table. ``hint`` tells a person what to do next.
    """

    code = "bus"
    action = Action.STOP

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what)

    @property
    def reason(self) -> str:
        """What went wrong and what to do, for whoever knows where."""
        return f"{self.what} ({self.hint})" if self.hint else self.what

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


class ConfigError(BusError):
    """A setting, a contract or a credential is wrong: nothing runs until a person repairs it."""

    code = "config"


class ContractError(BusError):
    """One record or event does not fit its contract; the rest goes on."""

    code = "contract"
    action = Action.DEAD_LETTER


class EnvelopeError(ContractError):
    """A message is not a well-formed CloudEvent."""

    code = "envelope"


class AccessError(BusError):
    """The server's permissions, or a database's, refuse an operation."""

    code = "access"


class Rejected(BusError):
    """The target application understood this event and refused it."""

    code = "rejected"
    action = Action.DEAD_LETTER


class Unavailable(BusError):
    """A server, database or service does not answer; the same attempt may succeed later."""

    code = "unavailable"
    action = Action.RETRY


class StreamFull(Unavailable):
    """The stream is at its limit and takes no new messages until older ones expire or it is enlarged."""

    code = "stream-full"


class Fenced(BusError):
    """Another instance of this adapter is the active one: stand by."""

    code = "fenced"
    action = Action.STAND_BY


def frames(error: BaseException) -> str:
    """Where an unforeseen exception came from: its frames without its text, which may hold values."""
    return "".join(traceback.format_tb(error.__traceback__))
