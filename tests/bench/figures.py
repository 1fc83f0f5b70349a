"""A figure: what was measured, what it must reach, and whether it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Target(NamedTuple):
    """What a figure must reach. ``ceiling``: the value may not be above ``required``; else not below."""

    name: str
    what: str
    unit: str
    required: float
    ceiling: bool = False


@dataclass(slots=True)
class Figure:
    """A measured figure. A ratio's ``value`` is ``ours`` / ``peer``, both in events per second."""

    target: Target
    value: float
    runs: Sequence[float]  #: of what the value is the median
    ours: float | None = None
    peer: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    profile: list[str] = field(default_factory=list)
    stolen: float = 0.0  #: percent of the machine's time that its host gave to others while this was measured

    @property
    def short(self) -> bool:
        """Whether it misses what it must reach."""
        return self.value > self.target.required if self.target.ceiling else self.value < self.target.required

    def dump(self) -> dict[str, Any]:
        """As JSON; ``at_most`` says which side of ``required`` is right."""
        target = self.target._asdict()
        target["at_most"] = target.pop("ceiling")
        rest = asdict(self)
        del rest["target"]
        return {**target, **rest, "short": self.short}
