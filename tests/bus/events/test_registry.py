"""The registry: finding types, refusing doubles, computing key tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bus.errors import ConfigError
from bus.events import Catalogue, EventType, registry
from bus.events.registry import TOKEN_LENGTH, KeyTokens
from bus.subjects import EventName


class Data(BaseModel):
    """A type's data."""

    nik: str
    catatan: str | None = None


class Other(BaseModel):
    """Another's."""

    nik: str


def declared(model: Any) -> Any:
    """The class, declared as the one event type of these tests."""
    model.__event_type__ = EventType(
        EventName.parse("uji.benda.terjadi.v1"), model, "fact", "nik", "nik", ("dukcapil",)
    )
    return model


def load(monkeypatch: pytest.MonkeyPatch, *members: Any) -> Catalogue:
    """The catalogue of one module with these members."""
    module = SimpleNamespace(**{f"member{number}": member for number, member in enumerate(members)})
    monkeypatch.setattr(EntryPoint, "load", lambda _self: module)
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint("uji", "uji", group)])
    return Catalogue.load()


def test_types_are_found_once_and_other_classes_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = load(monkeypatch, declared(Data), Data, type("Child", (Data,), {}), dict)
    assert list(catalogue) == ["uji.benda.terjadi.v1"]
    found = catalogue.of_model(Data)
    assert found.fields == frozenset({"nik", "catatan"})
    assert found.required == frozenset({"nik"})
    assert found.classification == {"nik": "", "catatan": ""}
    assert found.warnings(Data(nik="1")) == ()
    with pytest.raises(ConfigError, match="Other is not an event type"):
        catalogue.of_model(Other)


def test_a_name_belongs_to_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="declared twice"):
        load(monkeypatch, declared(Data), declared(Other))


@given(st.binary(min_size=32, max_size=32), st.text(), st.text())
def test_a_token_hides_its_value_and_depends_on_key_kind_and_value(key: bytes, value: str, other: str) -> None:
    tokens = KeyTokens(key)
    token = tokens("nik", value)
    assert len(token) == TOKEN_LENGTH
    mac = hmac.new(key, f"nik\0{value}".encode(), hashlib.sha256).digest()
    assert token.encode() == base64.b32encode(mac[:10]).lower()
    assert token == token.lower() == KeyTokens(key)("nik", value)
    assert token != tokens("nop", value)
    assert token != KeyTokens(key[::-1] + b"x")("nik", value)
    assert (token == tokens("nik", other)) == (value == other)
