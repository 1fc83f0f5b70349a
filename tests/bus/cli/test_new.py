"""bus new adapter: a folder that passes the lint and its own tests at once, and nothing half written."""

import subprocess
import sys
from pathlib import Path

import pytest

from bus.cli.new import create
from bus.cli.new_files import REPLAYED
from bus.contracts import connectors, load
from bus.contracts.lint import check
from bus.errors import ConfigError
from bus.events import Catalogue
from bus.subjects import AppName

ROOT = Path(__file__).parents[3]


SOURCES = [name for name in connectors.names() if connectors.is_source(connectors.load(name))]
TARGETS = [name for name in connectors.names() if name not in SOURCES]


@pytest.mark.parametrize("connector", REPLAYED)
def test_new_adapters_pass_the_lint_their_tests_and_the_linters(tmp_path: Path, connector: str) -> None:
    for name, given in (("bppkad/uji", connector), ("dukcapil/uji-dua", connector), ("dishub/parkir", None)):
        written = create(AppName.parse(name), into=tmp_path, connector=given)
        folder = tmp_path / name.replace("-", "_")
        files = {path.relative_to(folder).as_posix() for path in written}
        assert files >= {"adapter.toml", "test_adapter.py", "README.md"}
    pass_everything(tmp_path)


def test_so_do_those_of_every_other_connector(tmp_path: Path) -> None:
    for connector in connectors.names():
        for opd in ("dukcapil",) if connector in SOURCES else ("dukcapil", "dishub"):
            create(AppName(opd, connector), into=tmp_path, connector=connector)
            contract = load(tmp_path / opd / connector / "adapter.toml")
            tables = [*contract.source.values(), *(entry.to for entry in contract.subscribe)]
            assert [table and table.connector for table in tables] == [connector]
    pass_everything(tmp_path)


def test_every_event_type_can_be_begun_with(tmp_path: Path) -> None:
    catalogue = Catalogue.load()
    for number, kind in enumerate(catalogue.values()):
        source, target = SOURCES[number % len(SOURCES)], TARGETS[number % len(TARGETS)]
        publishing = [(kind.walidata[0], each) for each in {*REPLAYED, source} if kind.corrects is None]
        for opd, connector in (*publishing, ("dishub", target), ("dishub", None)):
            name = AppName(opd, f"{connector or 'handler'}_{number}")
            create(name, into=tmp_path, connector=connector, event=str(kind.name))
            contract = load(tmp_path / opd / name.app / "adapter.toml")
            entries = contract.subscribe if opd == "dishub" else contract.publish
            assert [entry.event for entry in entries] == [kind.name]
    assert [str(fault) for fault in check([tmp_path], catalogue) if fault.level == "error"] == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    create(AppName("bppkad", "uji"), into=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="there is something here already"):
        create(AppName("bppkad", "uji"), into=tmp_path, connector="sql_poll")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (AppName("bppkad", "1uji"), {}, "cannot be a folder of Python"),
        (AppName("bppkad", "import"), {}, "cannot be a folder of Python"),
        (AppName("bppkad", "uji"), {"connector": "sql_pol"}, r"unknown connector sql_pol \(did you mean sql_poll\?\)"),
        (AppName("dishub", "uji"), {"connector": "mqtt"}, "mqtt is a source, and dishub is the walidata of no event"),
        (
            AppName("dinsos", "uji"),
            {"connector": "mqtt", "event": "pajak.tagihan.terbit.v1"},
            "mqtt is a source, and dinsos cannot begin with pajak.tagihan.terbit.v1",
        ),
        (AppName("bppkad", "uji"), {"event": "pajak.x.y.v1"}, "unknown event"),
    ],
)
def test_what_cannot_be_made_is_told(tmp_path: Path, name: AppName, options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        create(name, into=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        create(AppName("bppkad", "uji"), into=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "bppkad" / "uji").exists()


def pass_everything(folder: Path) -> None:
    """`bus check` without an error, the adapters' own tests, and ruff as this project has it."""
    assert [str(fault) for fault in check([folder], Catalogue.load()) if fault.level == "error"] == []
    settings = str(ROOT / "pyproject.toml")
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", settings, str(folder)])
    run(["ruff", "check", "--no-cache", "--config", settings, "--ignore", "S101", str(folder)])
    run(["ruff", "format", "--check", "--no-cache", "--config", settings, str(folder)])


def run(command: list[str]) -> None:
    """Runs a command beside this interpreter. Its output explains a failure."""
    program = command[0] if command[0] == sys.executable else str(Path(sys.executable).parent / command[0])
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
