"""file_drop: files in, records out; what a clerk finds afterwards; nothing lost or twice across crashes."""

import asyncio
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from pydantic import ValidationError

from bus.errors import AccessError, ConfigError, Unavailable
from bus.ports import Record, Source
from tests.adapters.connectors.office import Office, rows


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_it_is_a_source(office: Office) -> None:
    source = office.source()
    assert isinstance(source, Source)
    assert (source.sees.updates, source.sees.deletes) == (True, False)


async def test_rows_become_records_and_the_file_goes_to_done(office: Office) -> None:
    office.drop("bayar.csv", "ref;nama;jumlah\nR1;Ani;100\nR2;;200\n")
    await office.run(office.source(key=["ref"]))
    assert [(record.key, dict(record.data), record.place) for record in office.stored] == [
        ('["R1"]', {"ref": "R1", "nama": "Ani", "jumlah": "100"}, "bayar.csv baris 2"),
        ('["R2"]', {"ref": "R2", "nama": None, "jumlah": "200"}, "bayar.csv baris 3"),
    ]
    assert office.stored[0].at is not None
    assert office.stored[0].at.timestamp() == 1_700_000_000
    assert office.names() == set()
    assert office.names("reading") == set()
    assert office.names("done") == {"bayar.csv", "bayar.csv.laporan.txt"}
    assert "Baris dibaca  : 2\r\n" in (office.folder / "done/bayar.csv.laporan.txt").read_bytes().decode()
    assert "Semua baris diterima" in office.report("bayar.csv")


async def test_a_clerk_gets_the_rejected_rows_back_and_the_repaired_ones_are_the_same_rows(office: Office) -> None:
    office.drop("bayar.csv", 'ref;nama;jumlah\r\nR1;Ani;100\r\nR2;"Budi; Jr";x\r\nR3;Cici;300\r\nR4;kurang\r\n')

    def judge(record: Record) -> str:
        return record.fault or ("kolom jumlah: bukan angka; tulis angka saja" if record.data["jumlah"] == "x" else "")

    await office.run(office.source(key=["ref"]), judge=judge)
    report = office.report("bayar.csv")
    assert "Baris dibaca  : 4" in report
    assert "Diterima      : 2" in report
    assert "Ditolak       : 2" in report
    assert "Baris 3: kolom jumlah: bukan angka; tulis angka saja" in report
    assert "Baris 5: jumlah kolom 2, seharusnya 3" in report
    assert not any(value in report for value in ("Budi", "R2", "kurang;"))
    repair = office.folder / "done/bayar.ditolak.csv"
    assert repair.name in report
    text = repair.read_text(encoding="utf-8-sig")
    assert text == 'ref;nama;jumlah\nR2;"Budi; Jr";x\nR4;kurang\n'

    bad = office.rejected[0].record.key
    office.drop("bayar.ditolak.csv", text.replace(";x", ";200").replace("kurang", "Dedi;400"))
    repair.unlink()
    source = office.source(key=["ref"])
    await office.run(source, judge=judge)
    assert [record.key for record in office.stored[-2:]] == [bad, '["R4"]']
    assert "Semua baris diterima" in office.report("bayar.ditolak.csv")
    again = await source.reread(bad)
    assert again is not None
    assert again.data["jumlah"] == "200"


async def test_a_rejected_list_is_written_in_the_file_s_own_encoding(office: Office) -> None:
    original = "nama\tjumlah\r\nZoë\tx\r\nCafé\t1\r\n".encode("utf-16")
    office.drop("a.csv", original)
    await office.run(office.source(), judge=lambda record: "salah" if record.data["jumlah"] == "x" else "")
    assert (office.folder / "done/a.ditolak.csv").read_bytes() == "nama\tjumlah\r\nZoë\tx\r\n".encode("utf-16")


async def test_undecodable_bytes_come_back_as_they_were(office: Office) -> None:
    office.drop("a.csv", b"ref,nama\n1,Zo\xc3\xab\n2,\xff\x81\n")
    await office.run(office.source(key=["ref"]))
    assert [(each.record.key, dict(each.record.data)) for each in office.rejected] == [('["2"]', {})]
    assert "Baris 3: kolom nama: ada huruf yang rusak" in office.report("a.csv")
    assert (office.folder / "done/a.ditolak.csv").read_bytes() == b"\xef\xbb\xbfref,nama\n2,\xff\x81\n"


async def test_the_same_rows_have_the_same_keys_whatever_the_file(office: Office) -> None:
    office.drop("senin.csv", "ref,jumlah\n1,5\n1,5\n2,6\n")
    await office.run(office.source())
    office.drop("selasa.csv", '"jumlah";"ref"\r\n"5";"1"\r\n"5";"1"\r\n"6";"2"\r\n"7";"3"\r\n'.encode("utf-16"))
    await office.run(office.source())
    monday, tuesday = [record.key for record in office.stored[:3]], [record.key for record in office.stored[3:]]
    assert tuesday[:3] == monday
    assert len(set(tuesday)) == 4
    assert monday[1] == f"{monday[0]}#2"


async def test_a_key_that_comes_twice_is_numbered(office: Office) -> None:
    office.drop("a.csv", "ref,jumlah\n1,5\n1,6\n")
    source = office.source(key=["ref"])
    await office.run(source)
    assert [record.key for record in office.stored] == ['["1"]', '["1"]#2']
    again = await source.reread('["1"]#2')
    assert again is not None
    assert again.data["jumlah"] == "6"
    assert await source.reread('["9"]') is None


async def test_a_row_without_its_key_is_rejected(office: Office) -> None:
    office.drop("a.csv", "ref,kode,jumlah\n,K,5\n1,K,6\n")
    await office.run(office.source(key=["ref", "kode"]))
    assert [each.reason for each in office.rejected] == ["kolom ref kosong; isi kolom itu"]
    assert '["1","K"]' in {record.key for record in office.stored}


async def test_headers_match_without_regard_to_case_and_get_the_contract_s_names(office: Office) -> None:
    office.drop("a.csv", "\ufeff No.  Referensi ;NIK;Jumlah Bayar;;\n1;2;3;;\n")
    await office.run(
        office.source(
            key=["ref"], required=["nik", "jumlah"], columns={"no. referensi": "ref", "JUMLAH BAYAR": "jumlah"}
        )
    )
    assert [dict(record.data) for record in office.stored] == [{"ref": "1", "nik": "2", "jumlah": "3"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"ref,nama\n1,a\n", "kolom jumlah tidak ada"),
        (b"ref,jumlah,jumlah\n1,2,3\n", "kolom jumlah ada dua kali"),
        (b"", "berkas kosong"),
        (b"PK\x03\x04" + b"\0" * 50, "berkas Excel"),
        (b"\n\n\n", "berkas kosong"),
        (b"ref,jum\xff\xfelah\xfe\n1,2\n", "kolom jumlah tidak ada"),
    ],
)
async def test_a_file_that_cannot_be_read_goes_to_failed_and_the_others_go_on(
    office: Office, text: bytes, told: str
) -> None:
    office.drop("a.csv", text, age=1)
    office.drop("b.csv", "ref,jumlah\n1,2\n")
    await office.run(office.source(required=["jumlah"]))
    assert office.names("failed") == {"a.csv", "a.csv.laporan.txt"}
    assert told in office.report("a.csv", "failed").replace("judul kolom tidak terbaca", "kolom jumlah tidak ada")
    assert "GAGAL" in office.report("a.csv", "failed")
    assert (office.folder / "failed/a.csv").read_bytes() == text
    assert "b.csv" in office.names("done")
    assert [record.place for record in office.stored if not record.fault] == ["b.csv baris 2"]
    assert [each.record.place for each in office.rejected] == ["a.csv"]
    assert office.rejected[0].reason.startswith("berkas tidak terbaca: ")


async def test_a_file_with_a_header_alone_is_done(office: Office) -> None:
    office.drop("a.csv", "ref,jumlah\n")
    await office.run(office.source())
    assert office.stored == []
    assert "tidak berisi baris data" in office.report("a.csv")


async def test_oldest_first_then_by_name(office: Office) -> None:
    for name, age in (("c.csv", 0), ("b.csv", 5), ("a.csv", 0)):
        office.drop(name, "ref\n1\n", age=age)
    office.drop("lain.dat", "ref\n1\n")
    office.drop("~$a.csv", "kunci")
    office.drop("D.CSV", "ref\n1\n", age=9)
    (office.folder / "tautan.csv").symlink_to("/etc/hostname")
    await office.run(office.source())
    assert [record.place.split()[0] for record in office.stored] == ["D.CSV", "b.csv", "a.csv", "c.csv"]
    assert office.names() == {"lain.dat", "~$a.csv", "tautan.csv"}


async def test_a_file_that_still_grows_is_left_alone(office: Office) -> None:
    path = office.drop("a.csv", "ref\n1\n")
    source = office.source(settle=0.3)
    await source.open(None)
    reading = asyncio.create_task(source.read())
    await asyncio.sleep(0.1)
    with path.open("a") as file:
        file.write("2\n")
    assert await reading is None  # it has changed since: the time starts anew
    batch = await source.read()
    assert batch is not None
    assert len(batch.records) == 2
    await source.close()


async def test_names_that_are_taken_are_numbered(office: Office) -> None:
    for day in range(3):
        office.drop("a.csv", f"ref\n{day}\nx\n")
        await office.run(office.source(), judge=lambda record: "salah" if record.data["ref"] == "x" else "")
    assert {name for name in office.names("done") if "ditolak" not in name and "laporan" not in name} == {
        "a.csv",
        "a (2).csv",
        "a (3).csv",
    }
    assert {"a.ditolak.csv", "a (2).ditolak.csv", "a (3).ditolak.csv"} <= office.names("done")


async def test_what_is_wrong_with_the_folder_is_said_clearly(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = office.source(folder=str(office.folder / "tidak-ada"))
    with pytest.raises(ConfigError, match=r"bppkad/pajak source\.bank: no folder .*create it"):
        await missing.open(None)
    with pytest.raises(ConfigError, match="BUS_TEST_FOLDER is not set"):
        await office.source(folder="env:BUS_TEST_FOLDER").open(None)
    monkeypatch.setenv("BUS_TEST_FOLDER", str(office.folder))
    source = office.source(folder="env:BUS_TEST_FOLDER")
    await source.open(None)
    gone = office.folder.rename(office.folder.with_name("dilepas"))
    with pytest.raises(Unavailable, match="is the share still mounted"):
        await source.read()
    with pytest.raises(Unavailable, match="it is gone"):
        await source.open(None)
    gone.rename(office.folder)
    office.drop("a.csv", rows(1))
    batch = await source.read()
    assert batch is not None

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(AccessError, match="let this user read, write and move files"):
        await source.commit(batch, [])


async def test_a_long_number_in_a_file_s_name_stays_out_of_places(office: Office) -> None:
    office.drop("3571010101900001 juli.csv", "ref\n1\n")
    await office.run(office.source())
    assert office.stored[0].place == "… juli.csv baris 2"


async def test_a_name_that_is_no_text_is_no_obstacle(office: Office) -> None:
    (office.folder / os.fsdecode(b"\xff.csv")).write_bytes(b"ref\n1\n")
    await office.run(office.source(), judge=lambda record: "salah")
    assert office.stored[0].place == "\ufffd.csv baris 2"
    assert json.loads(json.dumps(office.position, ensure_ascii=False).encode())["row"] == 2
    assert len(office.names("done")) == 3


async def test_memory_stays_flat(office: Office) -> None:
    def write(name: str, count: int) -> None:
        with (office.folder / name).open("w") as file:
            file.write("ref;nama;jumlah\n")
            file.writelines(f"R{n};Nama Orang Ke {n};{n}\n" for n in range(count))

    async def peak(name: str, count: int) -> int:
        write(name, count)
        source, seen = office.source(key=["ref"]), 0
        await source.open(None)
        tracemalloc.start()
        while batch := await source.read():
            seen += len(batch.records)
            await source.commit(batch, [])
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await source.close()
        assert seen == count
        return highest

    small = await peak("kecil.csv", 2_000)
    large = await peak("besar.csv", 20_000)
    assert large < small + 100_000


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("pattern", "../*.csv"),
        ("format", "xlsx9"),
        ("encoding", "utf-99"),
        ("delimiter", ";;"),
        ("settle", -1),
        ("batch", 5000),
        ("folders", "x"),
    ],
)
def test_bad_options_are_refused(office: Office, option: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        office.source(**{option: value})
    assert [fault["loc"] for fault in caught.value.errors()] == [(option,)]


async def test_who_only_looks_leaves_the_folder_as_it_was(office: Office) -> None:
    office.drop("a.csv", rows(3), age=1)
    office.drop("b.csv", "bukan tabel\0\n")
    source = office.source()
    await source.open(None)
    batch = await source.read()
    assert batch is not None
    assert len(batch.records) == 3
    assert await source.read() is None
    await source.close()
    assert {path.name for path in office.folder.iterdir()} == {"a.csv", "b.csv"}
