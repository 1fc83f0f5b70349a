"""The README: what it shows is what one gets."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from adapters.demo import view
from tests.bench.__main__ import TARGETS
from tests.docs import terminal
from tests.docs.blocks import ROOT, block, blocks, text_of
from tests.docs.sandbox import Sandbox

README = "README.md"
DEMO = "/usr/bin/python3 -m venv .venv && .venv/bin/pip install -q uv && .venv/bin/uv run bus demo\n"
TESTS = "tests/run\n"
LOKET = Path("adapters/departments/bppkad/loket")
SMALL = 80_000  #: bytes of a picture


def at_home(tmp_path: Path) -> Sandbox:
    """A clone as far as the guides' commands need one: its environment."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".venv").symlink_to(sys.prefix)
    return Sandbox(tmp_path, clone)


def test_the_two_commands_are_the_promised_ones() -> None:
    # The first is run by the benchmarks (bus demo) and on new machines; CI runs the second.
    assert [each.text for each in blocks(README)[:2]] == [DEMO, TESTS]
    assert "tests/run" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_first_adapter_is_checked_and_tried(tmp_path: Path) -> None:
    sandbox = at_home(tmp_path)
    contract, file = block(README, "app ").text, block(README, "no_transaksi;").text
    assert len(contract.splitlines()) + len(file.splitlines()) <= 20
    (sandbox.within / LOKET / "masuk").mkdir(parents=True)
    (sandbox.within / LOKET / "adapter.toml").write_text(contract, encoding="utf-8")
    (sandbox.within / LOKET / "masuk/2026-03-15.csv").write_text(file, encoding="utf-8")
    assert str(LOKET / "adapter.toml") in text_of(README)
    shown = sandbox.run(block(README, ". .venv/bin/activate"), code=1).splitlines()
    assert shown[0] == "no faults"
    (event,) = [json.loads(line) for line in shown if line.startswith("{")]
    assert event["ce-type"] == "id.go.kedirikota.pajak.pembayaran.diterima.v1"
    assert event["data"] == json.loads(block(README, '{"nop"').text)
    assert block(README, "rejected").text.strip() in shown
    assert len(shown) == 3


def test_a_new_adapter_is_made_as_the_guide_says(tmp_path: Path) -> None:
    sandbox = at_home(tmp_path)
    (sandbox.within / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    shown = sandbox.run(block("adapters/README.md", "bus new adapter"))
    assert "no faults" in shown
    assert re.search(r"\d+ passed", shown)


def test_the_command_of_the_figures_is_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.bench import __main__ as bench

    assert block(README, "uv run python -m tests.bench").text == "uv run python -m tests.bench --json\n"
    monkeypatch.setattr(sys, "argv", ["bench", "--json", "--help"])
    with pytest.raises(SystemExit, match="0"):
        bench.main()
    assert "--json" in capsys.readouterr().out


def test_its_figures_are_those_that_are_measured() -> None:
    shown = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*?) \| (.*?) \|$", text_of(README), re.MULTILINE)
    wanted = [
        (each.name, each.what, f"{'<=' if each.ceiling else '>='} {each.required:,g} {each.unit}") for each in TARGETS
    ]
    assert [row[:3] for row in shown] == wanted
    assert all(re.fullmatch(r"—|[\d,.]+ \S+", measured) for *_, measured in shown)


def test_each_guarantee_names_what_proves_it() -> None:
    proofs = re.findall(r"^\| .* \| `(tests/[\w/.]+)` \|$", text_of(README), re.MULTILINE)
    assert len(proofs) >= 8
    assert [path for path in proofs if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["demo-day.svg", "demo-audit.svg", "how-it-works.svg"])
def test_pictures_are_small_whole_and_their_own(name: str) -> None:
    picture = ROOT / "deploy/pictures" / name
    assert f"deploy/pictures/{name}" in text_of(README)
    text = picture.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(text) < SMALL
    assert re.findall(r"(?:href|url)\W+https?:|@font-face|@import", text) == []
    assert re.findall(r"(?<![\d.])\d{16}(?![\d.])", text) == []


def test_the_pictures_show_the_demo_as_it_is() -> None:
    day, audit = (words(path) for path in (terminal.DAY, terminal.AUDIT))
    for column in ("application", "published", "applied", "waiting", "oldest", "dead letters", "adapter"):
        assert column in day
    assert "restarted" in day
    source = Path(view.__file__).read_text(encoding="utf-8")
    for sentence in ("Audit: both ends compared by SQL", "nothing lost, nothing applied twice"):
        assert sentence in audit
        assert sentence in source, "the demo says it otherwise now: uv run python -m tests.docs.terminal"


def test_a_screen_becomes_a_picture_that_any_viewer_can_show() -> None:
    drawn = terminal.picture("\x1b[32mhijau\x1b[39m\n   menjorok <&>\n")
    assert "hijau" in drawn
    assert re.search(r'x="36\.12"[^>]*>menjorok', drawn)
    assert "@font-face" not in drawn
    ElementTree.fromstring(drawn)


def words(picture: Path) -> str:
    """The text of a picture."""
    return " ".join(ElementTree.parse(picture).getroot().itertext()).replace("\xa0", " ")
