"""From messages to records: the levels of a topic and the fields of a payload."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from adapters.connectors.http_records import Shape
from bus.ports import Record

if TYPE_CHECKING:
    from adapters.connectors.mqtt_session import Message

_NAMED = re.compile(r"\{([A-Za-z_]\w*)\}")


class Topic:
    """A topic filter whose levels have names: ``sungai/{pos}/tinggi`` is the filter ``sungai/+/tinggi``.

    Raises ValueError, which says what a filter must be.
    """

    def __init__(self, text: str) -> None:
        self._levels = text.split("/")
        self.names = [found[1] for level in self._levels if (found := _NAMED.fullmatch(level))]
        for level in self._levels:
            if level not in {"+", "#"} and not _NAMED.fullmatch(level) and set(level) & set("+#{}\0"):
                raise ValueError("a level of `topic` is a text, +, {name} or, as the last one, #")
        if "#" in self._levels[:-1] or not text or text.startswith("$share/"):
            raise ValueError("`topic` has # as its last level alone, and is no shared subscription")
        if len(set(self.names)) < len(self.names):
            raise ValueError("two levels of `topic` have the same name")
        self.filter = "/".join("+" if _NAMED.fullmatch(level) else level for level in self._levels)

    def levels(self, topic: str) -> dict[str, str] | None:
        """The named levels of a message's topic; None where it does not fit."""
        values, wanted = topic.split("/"), self._levels
        if wanted[-1] == "#":
            wanted = wanted[:-1]
            if len(values) < len(wanted):
                return None
            values = values[: len(wanted)]
        if len(values) != len(wanted):
            return None
        named: dict[str, str] = {}
        for level, value in zip(wanted, values, strict=True):
            if found := _NAMED.fullmatch(level):
                named[found[1]] = value
            elif level not in {"+", value}:
                return None
        return named


@dataclass(frozen=True, slots=True)
class Decoder:
    """What a source's messages become."""

    topic: Topic
    shape: Shape
    value: str  #: the name of a payload that is no object
    arrival: str | None  #: the name of the time of arrival
    text: bool  #: payloads are no JSON

    def records(self, message: Message) -> list[Record]:
        """The records of a message: one, as many as its list has, or none where it clears a retained message."""
        levels = self.topic.levels(message.topic)
        if levels is None or not message.payload:
            return []
        try:
            document = message.payload.decode() if self.text else _parsed(message.payload)
        except (ValueError, RecursionError):
            fault = "isi pesan bukan teks UTF-8" if self.text else "isi pesan bukan JSON"
            return [self._record(message, levels, {})._replace(fault=fault)]
        listed = document if isinstance(document, list) else [document]
        return [
            self._record(message, levels, item if isinstance(item, Mapping) else {self.value: item}) for item in listed
        ]

    def _record(self, message: Message, levels: Mapping[str, str], item: Mapping[str, Any]) -> Record:
        """One record. What the topic says goes before what the payload says: who may write where, the broker guards."""
        arrived = {self.arrival: message.arrived.isoformat(timespec="seconds")} if self.arrival else {}
        return self.shape.record({**item, **levels, **arrived}, key=message.topic)


def _parsed(payload: bytes) -> Any:
    return json.loads(payload, parse_float=Decimal, parse_constant=_refused)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
