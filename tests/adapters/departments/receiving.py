"""Events on their way into an application, by the target that its contract names."""

from __future__ import annotations

from hashlib import blake2b
from itertools import count
from zoneinfo import ZoneInfo

from bus.contracts import Contract, Subscribe, connectors, load
from bus.contracts.mapping_module import load_function
from bus.database import engine
from bus.delivery.handlers import HandlerSink
from bus.envelope import Event
from bus.events import event_type_of
from bus.ports import Context, Delivery, Sink
from schemas.base import EventData
from tests.adapters.departments import samples

_VERSIONS = count(1)  #: what is delivered later is newer


async def deliver(application: str, *events: EventData) -> list[str]:
    """Applies events as the subscriptions say, with the fields that they may see. Returns the events' ids."""
    contract = load(samples.folder(application) / "adapter.toml")
    zone, ids = ZoneInfo(contract.timezone), []
    for event in events:
        kind = event_type_of(type(event))
        assert kind is not None
        (subscribe,) = (each for each in contract.subscribe if each.event == kind.name)
        sink = _sink(contract, subscribe, Context(contract.name, subscribe.consumer, contract.folder, zone))
        identity = blake2b(event.model_dump_json().encode(), digest_size=16).hexdigest()
        told = Event(identity, "/kediri/opd/app", kind.name.ce_type, "TOKEN", "2026-03-16T08:00:00+07:00", b"{}")
        delivery = Delivery(told, event, subscribe.fields, "OPD_OPD", next(_VERSIONS))
        await sink.open()
        try:
            await _apply(sink, delivery)
        finally:
            await sink.close()
        ids.append(identity)
    return ids


async def _apply(sink: Sink, delivery: Delivery) -> None:
    if sink.database is None:
        await sink.apply([delivery], None)
        return
    made = engine(sink.database, where="test")
    try:
        async with made.begin() as transaction:
            await sink.apply([delivery], transaction)
    finally:
        await made.dispose()


def _sink(contract: Contract, subscribe: Subscribe, context: Context) -> Sink:
    """The target of a subscription: a connector, or a handler."""
    if subscribe.handler is not None:
        return HandlerSink(load_function(contract, subscribe.handler), subscribe.database, where=subscribe.handler)
    assert subscribe.to is not None
    sink = connectors.build(subscribe.to, context)
    assert isinstance(sink, Sink)
    return sink
