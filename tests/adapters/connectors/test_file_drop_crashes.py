"""file_drop: killed at every step, disturbed while it reads; nothing is lost, and the report knows every row."""

import os
from pathlib import Path

import pytest

from bus.errors import Unavailable
from bus.ports import Record
from tests.adapters.connectors.office import Office, rows


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.mark.parametrize("crash", ["before storing", "before commit", "after commit"])
@pytest.mark.parametrize("batches", [1, 2, 3, 4])
async def test_a_crash_at_every_step_loses_nothing_and_the_report_knows_every_row(
    office: Office, crash: str, batches: int
) -> None:
    office.drop("a.csv", rows(10))

    def judge(record: Record) -> str:
        return "tidak boleh" if record.data["ref"] in {"R2", "R5", "R10"} else ""

    await office.run(office.source(key=["ref"], batch=3), judge=judge, crash=crash, batches=batches)
    seen = len(office.stored)
    await office.run(office.source(key=["ref"], batch=3), judge=judge)
    assert {record.key for record in office.stored} == {f'["R{n}"]' for n in range(1, 11)}
    repeated = len(office.stored) - 10
    assert repeated == (0 if crash != "before commit" else min(3, seen - 3 * (batches - 1)))
    report = office.report("a.csv")
    assert "Baris dibaca  : 10" in report
    assert "Ditolak       : 3" in report
    assert [line.split(":")[0].strip() for line in report.splitlines() if line.startswith("  Baris")] == [
        "Baris 3",
        "Baris 6",
        "Baris 11",
    ]
    assert (office.folder / "done/a.ditolak.csv").read_text("utf-8-sig") == "ref;jumlah\nR2;2\nR5;5\nR10;10\n"


@pytest.mark.parametrize("step", ["replace", "fsync", "unlink"])
async def test_a_crash_on_the_way_to_done_is_taken_up_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    office.drop("a.csv", rows(3))
    (office.folder / "done").mkdir()
    office.drop("done/a.csv", "yang lama")
    real = {"replace": Path.replace, "fsync": os.fsync, "unlink": Path.unlink}
    done = {"times": 0}
    for crash_at in range(1, 8):
        with monkeypatch.context() as patched:

            def dies(*args: object, crash_at: int = crash_at, **kwargs: object) -> object:
                done["times"] += 1
                if done["times"] == crash_at:
                    raise OSError(5, "mati")
                return real[step](*args, **kwargs)  # type: ignore[operator]

            patched.setattr(os if step == "fsync" else Path, step, dies)
            done["times"] = 0
            try:
                await office.run(office.source(key=["ref"]), judge=lambda record: "salah")
            except Unavailable:
                continue
        break
    await office.run(office.source(key=["ref"]), judge=lambda record: "salah")
    assert {record.key for record in office.stored} == {'["R1"]', '["R2"]', '["R3"]'}
    assert office.names("reading") - {".a.csv.jurnal"} == set()
    assert office.names("done") == {"a.csv", "a (2).csv", "a (2).csv.laporan.txt", "a (2).ditolak.csv"}
    assert (office.folder / "done/a.csv").read_text() == "yang lama"
    assert "Ditolak       : 3" in office.report("a (2).csv")


async def test_a_file_is_read_ahead_and_the_next_one_waits_until_it_is_stored(office: Office) -> None:
    office.drop("a.csv", rows(3))
    office.drop("b.csv", rows(1))
    source = office.source(batch=2)
    await source.open(None)
    first, second = await source.read(), await source.read()
    assert first is not None
    assert second is not None
    assert [(len(each.records), each.ahead) for each in (first, second)] == [(2, True), (1, False)]
    assert await source.read() is None
    await source.commit(second, [])  # not its turn
    await source.commit(first, [])
    assert await source.read() is None
    await source.commit(second, [])
    assert (office.folder / "done/a.csv").exists()
    following = await source.read()
    assert following is not None
    assert following.position["file"] == "b.csv"
    await source.close()


@pytest.mark.parametrize("batch", [2, 100])
async def test_a_file_changed_while_it_is_read_is_read_again(office: Office, batch: int) -> None:
    path = office.drop("a.csv", rows(3))
    source = office.source(key=["ref"], batch=batch)
    await source.open(None)
    first = await source.read()
    assert first is not None
    if len(first.records) == 2:  # the file is claimed with the first batch
        await source.commit(first, [])
        first, path = await source.read(), office.folder / "reading/a.csv"
        assert first is not None
    path.write_text(rows(5))
    await source.commit(first, [])
    seen: list[str] = []
    while again := await source.read():
        seen += [record.key for record in again.records]
        await source.commit(again, [])
    assert seen == [f'["R{n}"]' for n in range(1, 6)]
    assert "Baris dibaca  : 5" in office.report("a.csv")
    await source.close()


async def test_a_cursor_set_back_reads_the_file_at_hand_again(office: Office) -> None:
    office.drop("a.csv", rows(10))
    await office.run(office.source(key=["ref"], batch=3), batches=2)
    office.position, office.stored = None, []
    await office.run(office.source(key=["ref"], batch=3))
    assert len(office.stored) == 10
    assert "Baris dibaca  : 10" in office.report("a.csv")


@pytest.mark.parametrize(
    ("step", "seen"), [("open", ["b.csv baris 2"]), ("rename", ["a.csv baris 2", "b.csv baris 2"])]
)
async def test_a_file_taken_away_meanwhile_is_no_error(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str, seen: list[str]
) -> None:
    office.drop("a.csv", rows(1), age=1)
    office.drop("b.csv", rows(1))
    real = getattr(Path, step)

    def vanishes(path: Path, *arguments: object, **options: object) -> object:
        if path.name == "a.csv":
            path.unlink(missing_ok=True)
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, step, vanishes)
    await office.run(office.source())
    assert [record.place for record in office.stored] == seen
    assert office.names("done") == {"b.csv", "b.csv.laporan.txt"}
