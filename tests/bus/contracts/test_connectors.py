"""The registry of connectors, and the modules beside contracts."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.connectors.file_drop import FileDrop
from bus.contracts import Contract, connectors, load
from bus.contracts.mapping_module import load_function
from bus.errors import ConfigError
from bus.ports import Context
from tests.bus.contracts.departments import TAX, write


def test_a_connector_is_found_by_its_name() -> None:
    assert connectors.load("file_drop") is FileDrop
    assert "file_drop" in connectors.names()
    assert connectors.is_source(FileDrop)
    assert not connectors.is_sink(FileDrop)


def test_an_unknown_one_says_which_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"here: unknown connector file_dorp \(did you mean file_drop\?\)"):
        connectors.load("file_dorp", where="here")
    with pytest.raises(ConfigError, match=r"there is .*file_drop"):
        connectors.load("zzz")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for name in [each for each in sys.modules if each.startswith("adapters.connectors.sql")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError) as caught:
        connectors.load("sql_poll")
    assert caught.value.what == "the connector sql_poll needs the package sqlalchemy"
    assert caught.value.hint == (
        "install opd-bus[mariadb] or opd-bus[oracle] or opd-bus[postgresql] or opd-bus[sqlite] or opd-bus[sqlserver]"
    )


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("adapters.connectors.nowhere:X", "cannot be loaded"),
        ("adapters.connectors.file_drop:Nothing", "cannot be loaded"),
        ("adapters.connectors.file_drop:FileDropConfig", "neither a source nor a sink"),
    ],
)
def test_a_broken_entry_is_told(monkeypatch: pytest.MonkeyPatch, value: str, what: str) -> None:
    point = EntryPoint("rusak", value, connectors.GROUP)
    monkeypatch.setattr(connectors, "entry_points", lambda **_: [point])
    with pytest.raises(ConfigError, match=what):
        connectors.load("rusak")


def test_a_table_of_a_contract_becomes_a_source(tmp_path: Path) -> None:
    contract = load(write(tmp_path, "bppkad/pajak", TAX))
    context = Context(contract.name, "bank", contract.folder, tzinfo())
    assert isinstance(connectors.build(contract.source["bank"], context), FileDrop)
    spoilt = contract.source["bank"].model_copy(update={"key": 5})
    with pytest.raises(ConfigError, match="there: key: "):
        connectors.build(
            spoilt.model_validate({"connector": "file_drop", "folder": "x", "key": 5}), context, where="there"
        )


def test_departments_have_modules_of_their_own(tmp_path: Path) -> None:
    one = contract(tmp_path, "a/x", "def f():\n    return 'a'\n")
    two = contract(tmp_path, "b/x", "def f():\n    return 'b'\n")
    assert (load_function(one, "mapping:f")(), load_function(two, "mapping:f")()) == ("a", "b")
    assert load_function(one, "mapping:f") is load_function(one, "mapping:f")
    assert "mapping" not in sys.modules


def test_a_changed_module_is_loaded_anew(tmp_path: Path) -> None:
    one = contract(tmp_path, "a/x", "def f():\n    return 1\n")
    assert load_function(one, "mapping:f")() == 1
    one = contract(tmp_path, "a/x", "def f():\n    return 1 + 1\n")
    assert load_function(one, "mapping:f")() == 2


def contract(root: Path, name: str, mapping: str) -> Contract:
    opd, app = name.split("/")
    text = TAX.replace('"bppkad"', f'"{opd}"').replace('"pajak"', f'"{app}"')
    return load(write(root, name, text, mapping))


def tzinfo() -> ZoneInfo:
    return ZoneInfo("Asia/Jakarta")
