"""An event type for conformance suites, which know no domain."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bus.events import Catalogue, EventType
from bus.subjects import AppName, EventName

APP = AppName("uji", "aplikasi")
NAME = EventName("uji", "baris", "berubah", 1)


class BarisBerubah(BaseModel):
    """A row of an application under test: its key and its value; a value of ``rusak`` is not valid."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, regex_engine="python-re")

    kunci: Annotated[str, Field(description="Kunci baris", coerce_numbers_to_str=True)]
    nilai: Annotated[str, Field(description="Isi baris", pattern=r"^(?!rusak)")]


TYPE = EventType(NAME, BarisBerubah, "state", "kunci", "uji", ("uji",))
CATALOGUE = Catalogue({str(NAME): TYPE})
