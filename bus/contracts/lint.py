"""``bus check``: what can be known to be wrong with contracts before anything runs, without network or database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bus.contracts import connectors as registry
from bus.contracts import grants, lint_options, lint_publish, lint_subscribe, loader
from bus.contracts.faults import Fault, fault, note, of_error
from bus.contracts.lint_options import Load
from bus.contracts.model import Contract
from bus.errors import ConfigError
from bus.events import Catalogue
from bus.subjects import AppName, EventName

__all__ = ["Fault", "check", "lint"]


def check(paths: Iterable[Path], catalogue: Catalogue) -> list[Fault]:
    """Finds, reads and lints the contracts at these paths. Raises ConfigError where there are none.

    One that cannot be read is a fault of its own and does not hide those of the others."""
    contracts: dict[AppName, Contract] = {}
    faults: list[Fault] = []
    for path in loader.find(paths):
        try:
            contract = loader.load(path)
        except ConfigError as error:
            faults.append(Fault(str(path), "", error.what, error.hint))
            continue
        if other := contracts.get(contract.name):
            faults.append(Fault(str(path), "app", f"the application {contract.name} stands in {other.path} too"))
            continue
        contracts[contract.name] = contract
    return [*faults, *lint(list(contracts.values()), catalogue)]


def lint(contracts: Sequence[Contract], catalogue: Catalogue, connectors: Load = registry.load) -> list[Fault]:
    """All faults of these contracts, each and together. ``connectors`` gives a connector's class by its name."""
    faults: list[Fault] = []
    for contract in contracts:
        faults += _names(contract)
        faults += _unwritten(contract)
        faults += lint_publish.sources(contract, connectors)
        faults += lint_publish.publishes(contract, catalogue, connectors)
        faults += lint_publish.emitted(contract)
        faults += lint_subscribe.subscriptions(contract, contracts, catalogue, connectors)
        if not (contract.publish or contract.subscribe):
            faults.append(fault(contract, "", "publishes and consumes nothing", "add [[publish]] or [[subscribe]]"))
    faults += _consumers(contracts, faults)
    faults += _loops(contracts)
    return faults


def _names(contract: Contract) -> Iterator[Fault]:
    folder = contract.folder.resolve()
    for key, name, seen in (("app", contract.app, folder.name), ("opd", contract.opd, folder.parent.name)):
        if name != seen:
            yield fault(contract, key, f"{name} differs from its folder {seen}", "they must be the same")
        elif not name.isidentifier():
            yield fault(contract, key, f"{name} is no Python identifier", "use lower-case letters, digits and _")
    try:
        AppName.parse(str(contract.name))
    except ConfigError as error:
        yield of_error(contract, "app", error)
    try:
        ZoneInfo(contract.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        yield fault(contract, "timezone", "unknown", "write for instance Asia/Jakarta")


def _unwritten(contract: Contract) -> Iterator[Fault]:
    """What a template left to be written, in ``<…>``: nothing goes live with it."""
    texts = {"title": contract.title, "owner": contract.owner, "contact": contract.contact}
    for name, source in contract.source.items():
        texts.update(lint_options.texts(f"source.{name}", source.options))
    for number, publish in enumerate(contract.publish):
        texts[f"publish.{number}.basis"] = publish.basis
    for number, subscribe in enumerate(contract.subscribe):
        texts[f"subscribe.{number}.purpose"] = subscribe.purpose
        texts[f"subscribe.{number}.basis"] = subscribe.basis
        if subscribe.to is not None:
            texts.update(lint_options.texts(f"subscribe.{number}.to", subscribe.to.options))
    told = fault if contract.stage == "live" else note
    for key, text in texts.items():
        if lint_options.UNWRITTEN.fullmatch(text):
            yield told(contract, key, f"{text} is still to be written", "a live contract says it")


def _consumers(contracts: Sequence[Contract], found: Sequence[Fault]) -> Iterator[Fault]:
    """Durable consumers whose names collide, where nothing else explains it."""
    if any(each.level == "error" for each in found):
        return
    try:
        grants.consumers(contracts)
    except ConfigError as error:
        yield Fault(error.where, "", error.what, error.hint)


def _loops(contracts: Sequence[Contract]) -> Iterator[Fault]:
    """Handlers whose follow-ups lead back to the event that they answer; hops end such a loop at run time."""
    answers: dict[EventName, set[EventName]] = {}
    for contract in contracts:
        emitted = {entry.event for entry in contract.publish if entry.source is None}
        for entry in contract.subscribe:
            if entry.handler:
                answers.setdefault(entry.event, set()).update(emitted)
    for contract in contracts:
        for number, entry in enumerate(contract.subscribe):
            if entry.handler and entry.event in _reached(answers, entry.event):
                yield note(
                    contract,
                    f"subscribe.{number}.handler",
                    f"its follow-ups can lead back to {entry.event}",
                    "see that a handler ends it: after 8 hops the bus does",
                )


def _reached(answers: dict[EventName, set[EventName]], start: EventName) -> set[EventName]:
    """All events that handlers may emit because of one."""
    reached: set[EventName] = set()
    ahead = list(answers.get(start, ()))
    while ahead:
        event = ahead.pop()
        if event not in reached:
            reached.add(event)
            ahead += answers.get(event, ())
    return reached
