"""Where subjects, stream names and consumer names are made; the few who take one apart themselves do it by these forms.

    opd.<opd>.<app>.<domain>.<entity>.<event>.v<major>.<keytoken>   an event
    opd.<opd>.<app>.cursor.<source>                                 how far a source was read; also the app's lease
    dlq.<opd>.<app>.<record|event>.<place>.<id>                     a dead letter
    receipt.<opd>.<app>.<consumer>                                  what an application applied
    redrive.<opd>.<app>.<consumer>                                  a dead letter sent again, to one consumer alone

Folder and event names are Python or domain identifiers; ``_`` becomes ``-`` on the wire, so that a token never needs
escaping.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, Self

from bus.errors import ConfigError

TYPE_PREFIX = "id.go.kedirikota."
SOURCE_PREFIX = "/kediri/"

DLQ_STREAM = "DLQ"
RECEIPTS_STREAM = "RECEIPTS"
REDRIVE_STREAM = "REDRIVE"
ADVISORIES_STREAM = "ADVISORIES"

EVENT_TOKENS = 8
_TOKEN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EVENT_NAME = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.([a-z0-9-]+)\.v([1-9][0-9]*)")


@lru_cache(maxsize=4096)  # names are few, and asked for with every event
def token(name: str) -> str:
    """The wire form of a folder, source or event name. Raises ConfigError where it cannot be one subject token."""
    wire = name.replace("_", "-")
    if not _TOKEN.fullmatch(wire):
        raise ConfigError(
            f"the name {name!r} cannot be part of a subject", hint="use lower-case letters, digits and single _ or -"
        )
    return wire


class EventName(NamedTuple):
    """An event type's name, ``kependudukan.penduduk.meninggal.v1``."""

    domain: str
    entity: str
    event: str
    major: int

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Self:
        """Reads the short form, or the full ``ce-type``. Raises ConfigError."""
        match = _EVENT_NAME.fullmatch(text.removeprefix(TYPE_PREFIX))
        if match is None:
            raise ConfigError(
                f"{text!r} is not the name of an event type", hint="write domain.entity.event.v1 in lower case"
            )
        return cls(match[1], match[2], match[3], int(match[4]))

    def __str__(self) -> str:
        return f"{self.domain}.{self.entity}.{self.event}.v{self.major}"

    @property
    def ce_type(self) -> str:
        """The CloudEvents ``type``: reverse-DNS prefix and name."""
        return TYPE_PREFIX + str(self)

    @property
    def cancelled(self) -> EventName:
        """The name of the correction that withdraws an event of this type."""
        return self._replace(event=f"{self.event}-dibatalkan")


class AppName(NamedTuple):
    """An application of an OPD, by the names of its folders: ``dukcapil/siak``."""

    opd: str
    app: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``opd/app``. Raises ConfigError."""
        opd, slash, app = text.strip("/").partition("/")
        if not slash or "/" in app:
            raise ConfigError(f"{text!r} is not an application", hint="write OPD/APP, for example dukcapil/siak")
        token(opd), token(app)
        return cls(opd, app)

    @classmethod
    def of_tokens(cls, opd: str, app: str) -> Self:
        """The application that two tokens on the wire name."""
        return cls(opd.replace("-", "_"), app.replace("-", "_"))

    def __str__(self) -> str:
        return f"{self.opd}/{self.app}"

    @property
    def prefix(self) -> str:
        """``<opd>.<app>`` on the wire."""
        return f"{token(self.opd)}.{token(self.app)}"

    @property
    def ce_source(self) -> str:
        """The CloudEvents ``source`` of what this application publishes."""
        return f"{SOURCE_PREFIX}{token(self.opd)}/{token(self.app)}"

    @property
    def stream(self) -> str:
        """The stream that holds this application's events: one per OPD."""
        return stream(self.opd)


def stream(opd: str) -> str:
    """The stream of an OPD, ``OPD_DUKCAPIL``."""
    return f"OPD_{token(opd).upper()}"


def stream_subjects(opd: str) -> str:
    """Everything that an OPD's stream stores."""
    return f"opd.{token(opd)}.>"


def event(app: AppName, name: EventName, key_token: str) -> str:
    """The subject of one event."""
    return f"opd.{app.prefix}.{name}.{key_token}"


def event_filter(app: AppName | None, name: EventName) -> str:
    """Every event of a type, from one application or from all."""
    return f"opd.{app.prefix if app else '*.*'}.{name}.*"


def event_template(app: AppName, name: EventName | str = "{event}") -> str:
    """The low-cardinality form of an event's subject, for spans and metrics; without a name, of several types'."""
    return f"opd.{app.prefix}.{name}.{{key}}"


class EventSubject(NamedTuple):
    """The parts of an event's subject."""

    app: AppName
    name: EventName
    key_token: str

    @classmethod
    def parse(cls, subject: str) -> Self | None:
        """The parts, or None where the subject is no event's (a cursor, a dead letter)."""
        parts = subject.split(".")
        if len(parts) != EVENT_TOKENS or parts[0] != "opd" or not parts[6][1:].isdigit():
            return None
        app = AppName.of_tokens(parts[1], parts[2])
        return cls(app, EventName(parts[3], parts[4], parts[5], int(parts[6][1:])), parts[7])


def cursor(app: AppName, source: str) -> str:
    """Where a source's cursor is kept."""
    return f"opd.{app.prefix}.cursor.{token(source)}"


def lease(app: AppName) -> str:
    """Where the active instance of an application says that it is alive."""
    return f"opd.{app.prefix}.cursor.lease"


def cursors(app: AppName) -> str:
    """All cursors of an application, and its lease."""
    return f"opd.{app.prefix}.cursor.*"


def dead_letter(app: AppName, kind: str, place: str, letter_id: str) -> str:
    """The subject of one dead letter; ``place`` is a source or a consumer."""
    return f"dlq.{app.prefix}.{kind}.{token(place)}.{letter_id}"


def dead_letters(app: AppName | None) -> str:
    """All dead letters, of one application or of all."""
    return f"dlq.{app.prefix}.>" if app else "dlq.>"


def receipt(app: AppName, consumer: str) -> str:
    """Where a consumer says what it applied."""
    return f"receipt.{app.prefix}.{token(consumer)}"


def receipts(app: AppName | None) -> str:
    """All receipts, of one application or of all."""
    return f"receipt.{app.prefix}.>" if app else "receipt.>"


def telemetry(app: AppName) -> str:
    """Where an application's spans and metrics may go over the bus itself."""
    return f"telemetry.{app.prefix}.>"


def inbox(app: AppName) -> str:
    """The prefix of the only subjects that an application may subscribe to, without a dot at its end.

    ``_`` stands in no token, so that two applications never share an inbox (``a-b/c`` and ``a/b-c`` would, with a
    ``-``).
    """
    return f"_INBOX.{token(app.opd)}_{token(app.app)}"


def redrive(app: AppName, place: str) -> str:
    """Where one consumer, or one source, of one application gets its dead letters again."""
    return f"redrive.{app.prefix}.{token(place)}"


def subscription(name: EventName, generation: int = 1) -> str:
    """The name of an application's subscription to an event type: it names the inbox and the receipts.

    A replay needs a new generation, since the inbox of the old one skips what it has seen.
    """
    base = f"{name.domain}-{name.entity}-{name.event}-v{name.major}"
    return base if generation == 1 else f"{base}-g{generation}"


def durable(app: AppName, place: str) -> str:
    """The name of a durable consumer: consumers of different applications share a stream."""
    return f"{token(app.opd)}_{token(app.app)}_{token(place)}"
