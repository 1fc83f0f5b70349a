"""What the sinks that write daily files have in common, wherever the files lie: options, rows, one file a day."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field, field_validator

from adapters.connectors import daily_formats
from adapters.connectors.daily_file import DailyFile, Place
from adapters.connectors.event_attributes import OF_EVENT
from bus.errors import ConfigError
from bus.ports import ConnectorConfig, Context, Delivery

DAY = "{tanggal}"
OPEN = 3  #: files whose ids are remembered: of today, and of late events


class DailyOptions(ConnectorConfig):
    """How daily files are named and what stands in them."""

    folder: str = Field(description="where the files are written: a path, from the contract's folder on, or env:NAME")
    pattern: str = Field(
        examples=["daftar-{tanggal}.csv"],
        description="their names, penertiban-{tanggal}.csv or .xlsx; {tanggal} is the day of the event, 2026-01-31",
    )
    columns: Mapping[str, str] | None = Field(
        default=None,
        examples=[{"Nomor": "$key", "Peristiwa": "$id"}],
        description="header = field, or $id, $time, $source, $subject, $type of the event; none: each field",
    )
    delimiter: str = Field(default=";", min_length=1, max_length=1, description="in CSV; Excel here expects ;")

    @field_validator("pattern")
    @classmethod
    def _of_a_day(cls, pattern: str) -> str:
        if pattern.count(DAY) != 1 or "{" in pattern.replace(DAY, "") or pattern.startswith("."):
            raise ValueError("needs {tanggal} once, nothing else in braces, and no dot at its start")
        if "/" in pattern or "\\" in pattern:
            raise ValueError("names files in the folder, not paths")
        if pattern.rpartition(".")[2].lower() not in daily_formats.FORMATS:
            raise ValueError("must end in .csv or .xlsx")
        return pattern


class DailyRows:
    """Rows into the files of their days. Raises what its place raises, and Rejected."""

    def __init__(self, config: DailyOptions, context: Context, where: str) -> None:
        self._config, self._zone, self._where = config, context.timezone, where
        self._extended = daily_formats.of(config.pattern.rpartition(".")[2].lower(), config.delimiter)
        self._files: OrderedDict[str, DailyFile] = OrderedDict()
        self._lock = asyncio.Lock()

    async def apply(self, place: Place, deliveries: Sequence[Delivery]) -> None:
        """Adds each event's row to the file of its day, unless it stands there."""
        days: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            days[self._name(delivery)].append(delivery)
        async with self._lock:
            for name, of_day in days.items():
                try:
                    await self._add(place, name, of_day)
                except BaseException:
                    self._files.pop(name, None)  # how far it came is seen when it is opened again
                    raise

    def _name(self, delivery: Delivery) -> str:
        """The file of the event's own day, so that an event that comes again meets its row."""
        moment = datetime.fromisoformat(delivery.event.time).astimezone(self._zone)
        return self._config.pattern.replace(DAY, moment.date().isoformat())

    async def _add(self, place: Place, name: str, deliveries: Sequence[Delivery]) -> None:
        file = self._files.get(name)
        if file is None:
            file = DailyFile(place, name)
            await file.open()
            self._files[name] = file
        self._files.move_to_end(name)
        if len(self._files) > OPEN:
            self._files.popitem(last=False)
        fresh = {each.event.id: each for each in deliveries if not file.knows(each.event.id)}
        if not fresh:
            return
        columns = self._columns(next(iter(fresh.values())))
        rows = [self._row(each, columns) for each in fresh.values()]
        await file.add(list(fresh), lambda content: self._extended(content, list(columns), rows))

    def _columns(self, delivery: Delivery) -> Mapping[str, str]:
        visible = delivery.values()
        columns = self._config.columns or {name: name for name in visible}
        for source in columns.values():
            if source not in OF_EVENT and source not in visible:
                raise ConfigError(f"`columns` names {source}, which is not in `fields`", where=self._where)
        return columns

    def _row(self, delivery: Delivery, columns: Mapping[str, str]) -> list[Any]:
        visible = delivery.values()
        return [
            getattr(delivery.event, OF_EVENT[source])
            if source in OF_EVENT
            else daily_formats.value_of(visible[source], column, self._where)
            for column, source in columns.items()
        ]

    def forget(self) -> None:
        """Lets go of what is remembered."""
        self._files.clear()


def fields_of(config: DailyOptions) -> frozenset[str]:
    """The fields that a subscription must let through."""
    return frozenset(source for source in (config.columns or {}).values() if not source.startswith("$"))
