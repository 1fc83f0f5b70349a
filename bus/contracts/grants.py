"""What the contracts grant together: who gets whose events, through which durable consumers.

Computed once, and used for permissions as well as for provisioning, so that the two never differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bus import subjects
from bus.contracts.model import Contract, Subscribe
from bus.errors import ConfigError
from bus.subjects import REDRIVE_STREAM, AppName

Start = Literal["last", "all", "new"] | datetime


@dataclass(frozen=True, slots=True)
class ConsumerGrant:
    """One durable consumer that one application may pull from.

    ``place`` is the subscription's name, ``source-<name>`` for the redrive of a source's records (both name receipts
    and dead letters too), or ``cursor-<name>`` for a source's cursors. ``subscribe`` is None for a source's. ``start``
    says where a consumer that does not exist yet begins. One that ``settles`` nothing is for reading again.
    """

    app: AppName
    place: str
    stream: str
    durable: str
    filters: tuple[str, ...]
    subscribe: Subscribe | None
    start: Start
    settles: bool = True

    @property
    def redrive(self) -> bool:
        """Whether this is the consumer of what operations send again."""
        return self.stream == REDRIVE_STREAM


def consumers(contracts: Sequence[Contract]) -> list[ConsumerGrant]:
    """Every durable consumer that these contracts call for, in a stable order.

    A subscription expands to one consumer per stream with a granted publisher, and one on ``REDRIVE``; a source to one
    on ``REDRIVE``, and one for its own cursors, by which another machine learns what this one remembers. A retired
    application consumes nothing; what it has published stays readable. A subscription to a publisher that no contract
    here grants has no stream: that is for the lint to say. Raises ConfigError where two would share a name.
    """
    granted: dict[tuple[str, str], ConsumerGrant] = {}
    for contract in contracts:
        for grant in _of_contract(contract, contracts):
            if other := granted.get((grant.stream, grant.durable)):
                raise ConfigError(
                    f"the consumer {grant.durable} on {grant.stream} is called for twice ({other.app} and {grant.app})",
                    where=str(contract.path),
                    hint="subscribe to each event type once, and give sources other names",
                )
            granted[grant.stream, grant.durable] = grant
    return list(granted.values())


def publishers(subscribe: Subscribe, consumer: AppName, contracts: Iterable[Contract]) -> list[AppName]:
    """The applications that a subscription gets events from.

    Where the contract names none: every one that publishes the type but the consumer itself, whose own events would
    come back as an echo.
    """
    granted = sorted(each.name for each in contracts if subscribe.event in each.emits)
    if subscribe.publishers:
        return [name for name in granted if name in subscribe.publishers]
    return [name for name in granted if name != consumer]


def source_place(source: str) -> str:
    """The place of a source, in dead letters and redrives."""
    return f"source-{subjects.token(source)}"


def cursor_place(source: str) -> str:
    """The place of a source's cursors, where they are read again."""
    return f"cursor-{subjects.token(source)}"


def _of_contract(contract: Contract, contracts: Sequence[Contract]) -> Iterator[ConsumerGrant]:
    if contract.stage == "retired":
        return
    for subscribe in contract.subscribe:
        durable = subjects.durable(contract.name, subscribe.consumer)
        for stream, filters in _streams(subscribe, contract.name, contracts).items():
            yield ConsumerGrant(contract.name, subscribe.consumer, stream, durable, filters, subscribe, subscribe.start)
        yield _redrive(contract.name, subscribe.consumer, subscribe)
    for source in contract.source:
        yield _redrive(contract.name, source_place(source), None)
        yield _cursors(contract.name, source)


def _streams(subscribe: Subscribe, app: AppName, contracts: Sequence[Contract]) -> Mapping[str, tuple[str, ...]]:
    """The streams of a subscription's publishers, with the filters for each."""
    streams: dict[str, tuple[str, ...]] = {}
    for publisher in publishers(subscribe, app, contracts):
        wanted = subjects.event_filter(publisher, subscribe.event)
        streams[publisher.stream] = (*streams.get(publisher.stream, ()), wanted)
    return streams


def _redrive(app: AppName, place: str, subscribe: Subscribe | None) -> ConsumerGrant:
    filters = (subjects.redrive(app, place),)
    return ConsumerGrant(app, place, REDRIVE_STREAM, subjects.durable(app, place), filters, subscribe, "all")


def _cursors(app: AppName, source: str) -> ConsumerGrant:
    place, filters = cursor_place(source), (subjects.cursor(app, source),)
    return ConsumerGrant(app, place, app.stream, subjects.durable(app, place), filters, None, "all", settles=False)
