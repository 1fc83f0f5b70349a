"""The integrator's guide: its references are current, and what it shows is sound."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bus.contracts import connectors
from bus.contracts.lint import check
from bus.contracts.reference import main, renewed
from bus.contracts.sample import nested
from bus.errors import ConfigError
from bus.events import Catalogue

PATH = Path(__file__).parents[2] / "adapters" / "README.md"
GUIDE = PATH.read_text(encoding="utf-8")
SAMPLES = dict(
    re.findall(r"<!-- reference: (\w+) -->\n(?:(?!<!-- end).)*```toml\n(.*?)```\n<!-- end -->", GUIDE, re.DOTALL)
)
ANOTHER_WAY = (
    "api_key ",
    "bearer_token ",
    "client_",
    "statement ",
    "token_url ",
)  # instead of an option that comes first

HEAD = """
app     = "uji"
opd     = "bppkad"
title   = "Uji"
owner   = "Bidang Uji"
contact = "uji@bppkad.example"
stage   = "pilot"
"""
PUBLISH = """
[[publish]]
event = "pajak.pembayaran.diterima.v1"
from  = "data"
basis = "UU 1/2022"
map   = { nop = "nop", tahun_pajak = "tahun", jumlah = "jumlah", tanggal_bayar = "tanggal" }
"""
SUBSCRIBE = """
[[subscribe]]
event   = "kependudukan.penduduk.meninggal.v1"
purpose = "Pemutakhiran data wajib pajak"
basis   = "UU 24/2013 pasal 58"
fields  = ["nik", "tanggal_meninggal"]
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_its_references_are_current() -> None:
    assert renewed(GUIDE) == GUIDE, "run: python -m bus.contracts.reference adapters/README.md"


def test_every_connector_has_its_section() -> None:
    assert set(re.findall(r"<!-- reference: ([a-z0-9_]+) -->", GUIDE)) == {"contract", *connectors.names()}


@pytest.mark.parametrize("name", connectors.names())
def test_each_section_says_what_it_sees_or_does_guarantees_and_asks(name: str) -> None:
    """In sentences of a person, behind what is generated: also whether deletes or withdrawals come through."""
    section = GUIDE.partition(f"<!-- reference: {name} -->")[2].partition("<!-- end -->")[2].partition("\n### ")[0]
    parts = re.findall(r"^- \*\*(\w+)\*\*: ([^\n]+(?:\n  [^\n]+)*\.)$", section, re.MULTILINE)
    first, of = ("Sees", "delet") if connectors.is_source(connectors.load(name)) else ("Does", "withdrawal")
    assert [lead for lead, _ in parts] == [first, "Guarantees", "Asks"]
    assert of in parts[0][1]


def test_a_mark_that_names_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = "<!-- reference: soap -->\n<!-- end -->"
    with pytest.raises(ConfigError, match="unknown connector soap"):
        renewed(document)
    path = tmp_path / "a.md"
    path.write_text(document)
    assert main([str(path)]) == 2
    assert "unknown connector soap" in capsys.readouterr().err
    path.write_text("<!-- reference: file_drop -->\nold\n<!-- end -->\n")
    assert main([str(path)]) == 0
    assert "| `folder` | **required** |" in path.read_text()


def test_the_contract_it_shows_passes_the_lint(tmp_path: Path) -> None:
    text = blocks("toml")[0]
    folder = tmp_path / "bppkad" / "pajak"
    folder.mkdir(parents=True)
    (folder / "adapter.toml").write_text(text, encoding="utf-8")
    assert [str(fault) for fault in check([folder], Catalogue.load()) if fault.level == "error"] == []


def test_the_python_it_shows_fits_a_contract(tmp_path: Path) -> None:
    mapping, handler = blocks("python")
    contract = blocks("toml")[0]
    start, end = contract.index("map   = {"), contract.index("[[subscribe]]")
    contract = f'{contract[:start]}map = "mapping:baris"\n\n{contract[end:]}'
    contract = re.sub(
        r"^to .*$", 'handler = "mapping:hentikan"\ndatabase = "env:PAJAK_URL"', contract, flags=re.MULTILINE
    )
    contract += '\n[[publish]]\nevent = "sosial.penerima.dihentikan.v1"\nbasis = "UU 13/2011"\n'
    folder = tmp_path / "bppkad" / "pajak"
    folder.mkdir(parents=True)
    (folder / "adapter.toml").write_text(contract, encoding="utf-8")
    (folder / "mapping.py").write_text(f"{mapping}\n{handler}", encoding="utf-8")
    tomllib.loads(contract)
    walidata = "bppkad is not the walidata of sosial.penerima.dihentikan.v1"
    faults = check([folder], Catalogue.load())
    assert [fault.what for fault in faults if fault.level == "error"] == [walidata]


@pytest.mark.parametrize("name", connectors.names())
def test_the_samples_it_shows_are_sound(tmp_path: Path, name: str) -> None:
    sample = SAMPLES[name]
    assert max(map(len, sample.splitlines())) <= 120
    assert faults_with(tmp_path, sample) == []


@pytest.mark.parametrize("name", connectors.names())
def test_every_line_of_a_sample_can_be_freed(tmp_path: Path, name: str) -> None:
    lines = [line.removeprefix("# ") for line in SAMPLES[name].splitlines()]
    table = tomllib.loads("\n".join(lines))
    options = table["source"]["data"] if "source" in table else table["subscribe"]["to"]
    assert options.keys() - {"connector"} == options_of(connectors.load(name).Config, options)
    assert faults_with(tmp_path, "\n".join(line for line in lines if not line.startswith(ANOTHER_WAY))) == []


def options_of(config: type[BaseModel], table: dict[str, Any]) -> set[str]:
    """The options that a table should have. Asserts that those which are tables themselves have all of theirs."""
    for option, info in config.model_fields.items():
        if inner := nested(info):
            below = table[option]["data"] if inner.many else table[option]
            assert below.keys() == options_of(inner.model, below)
    return set(config.model_fields)


def faults_with(folder: Path, sample: str) -> list[str]:
    """What `bus check` finds in a contract with this source or target, but for the columns: those of a sample are no
    event's.
    """
    text = f"{HEAD}\n{sample}{PUBLISH}" if sample.startswith("[source") else f"{HEAD}{SUBSCRIBE}\n{sample}"
    contract = folder / "bppkad" / "uji" / "adapter.toml"
    contract.parent.mkdir(parents=True)
    contract.write_text(text, encoding="utf-8")
    found = [str(fault) for fault in check([contract], Catalogue.load()) if fault.level == "error"]
    return [each for each in found if "source.data has no column" not in each]
