"""The integrator's guide: its references are current, and what it shows is sound."""

import re
import tomllib
from pathlib import Path

import pytest

from bus.contracts import connectors
from bus.contracts.lint import check
from bus.contracts.reference import main, renewed
from bus.errors import ConfigError
from bus.events import Catalogue

PATH = Path(__file__).parents[2] / "adapters" / "README.md"
GUIDE = PATH.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_its_references_are_current() -> None:
    assert renewed(GUIDE) == GUIDE, "run: python -m bus.contracts.reference adapters/README.md"


def test_every_connector_has_its_section() -> None:
    assert set(re.findall(r"<!-- reference: ([a-z0-9_]+) -->", GUIDE)) == {"contract", *connectors.names()}


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
