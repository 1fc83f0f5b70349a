"""http_poll against an application with a store of its own: the conformance suite, and what is HTTP's alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from pydantic import ValidationError

from adapters.connectors.http_poll import HttpPoll, HttpPollConfig
from adapters.connectors.http_records import Shape, flat
from adapters.connectors.http_since import Since
from adapters.connectors.http_template import Template
from bus.errors import AccessError, ConfigError, Rejected, Unavailable
from bus.ports import Context, Source
from bus.subjects import AppName
from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.http_office import HttpOffice, Way, proof
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.connectors.sql_application import stored
from tests.servers.proxy import Proxy

WIB = ZoneInfo("Asia/Jakarta")
CONTEXT = Context(AppName("dinkes", "epuskesmas"), "imunisasi", Path(), WIB)
STYLES: dict[str, dict[str, Any]] = {
    "page": {"paging": "page", "page_param": "halaman", "size_param": "jumlah"},
    "offset": {"paging": "offset", "offset_param": "mulai", "size_param": "jumlah"},
    "cursor": {"paging": "cursor", "next": "meta.next", "cursor_param": "sesudah", "size_param": "jumlah"},
    "next": {"paging": "cursor", "next": "meta.next", "size_param": "jumlah"},
    "link": {"paging": "link", "records": "", "size_param": "jumlah"},
    "none": {},
}
SINCE = {"since": "sejak", "watermark": "urutan"}


def poll(server: str, style: str = "page", *, way: Way = "key", right: bool = True, **options: Any) -> HttpPoll:
    given = {"url": f"{server}/baris/{style}", "records": "data.baris", "key": ["kunci"], "poll": 0.01, "size": 100}
    given |= {"allow_local": True, **STYLES[style], **proof(way, server, right=right), **options}
    return HttpPoll(HttpPollConfig.model_validate(given), CONTEXT)


async def read_all(source: HttpPoll) -> list[str]:
    """One reading to its end: the keys of what was new."""
    keys = []
    while batch := await source.read():
        keys += [record.key for record in batch.records]
        await source.commit(batch, [])
        if not batch.more:
            break
    return keys


class Office(HttpOffice):
    """The application as a source."""

    def source(self) -> Source:
        return poll(self.url, **self._options)

    def stranger(self) -> Source:
        return poll(self.url, right=False, **self._options)


class TestHttpPoll(SourceContract):
    """Incremental, with the Link header, and with OAuth2: a token is refused after a few requests, and renewed."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(
        self, http_server: HttpServer, proxy: Callable[[str], Awaitable[Proxy]]
    ) -> AsyncIterator[SourceApplication]:
        await http_server.control("atur", {"uses": 20})
        yield Office(http_server, await proxy(http_server.url), style="link", way="oauth", size=500, **SINCE)


class TestWithoutWatermark(SourceContract):
    """The whole at each poll, pages by number, and with a password."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(
        self, http_server: HttpServer, proxy: Callable[[str], Awaitable[Proxy]]
    ) -> AsyncIterator[SourceApplication]:
        yield Office(http_server, await proxy(http_server.url), style="page", way="basic", size=200)


async def test_a_token_that_ends_is_renewed_while_pages_are_read(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(key, "isi") for key in range(60)])
    await http_server.control("atur", {"life": 1, "ends": 1})
    source = poll(http_server.url, "link", way="oauth", size=1)
    await source.open(None)
    assert len(await read_all(source)) == 60
    async with asyncio.timeout(20):
        while (await http_server.control("lihat"))["tokens"] < 2:
            await read_all(source)
    await source.close()


@pytest.mark.parametrize("way", ["key", "basic", "oauth"])
async def test_who_proves_nothing_or_something_else_is_not_let_in(http_server: HttpServer, way: Way) -> None:
    await http_server.control("tulis", [(1, "isi")])
    for right in (False, True):
        source = poll(http_server.url, way=way, right=right)
        await source.open(None)
        if right:
            assert await read_all(source) == ["1"]
        else:
            with pytest.raises(AccessError) as caught:
                await source.read()
            assert "salah" not in str(caught.value)
        await source.close()
    source = poll(http_server.url, api_key=None)
    await source.open(None)
    with pytest.raises(AccessError, match="HTTP 401"):
        await source.read()
    await source.close()


@pytest.mark.parametrize("style", STYLES)
async def test_every_style_of_paging_reads_all(http_server: HttpServer, style: str) -> None:
    await http_server.control("tulis", [(key, "isi") for key in range(250)])
    source = poll(http_server.url, style)
    await source.open(None)
    assert sorted(await read_all(source), key=int) == [str(key) for key in range(250)]
    assert await source.read() is None
    found = await source.reread("249")
    assert found is not None
    assert found.data["nilai"] == "isi"
    assert await source.reread("999") is None
    await source.close()


@pytest.mark.parametrize("style", STYLES)
async def test_an_etag_spares_what_is_known_and_hides_nothing(http_server: HttpServer, style: str) -> None:
    source = poll(http_server.url, style)
    await http_server.control("tulis", [(key, "isi") for key in range(100)])  # one page, full
    await source.open(None)
    assert len(await read_all(source)) == 100
    assert [await source.read() for _ in range(2)] == [None, None]
    await http_server.control("tulis", [(100, "isi")])
    assert await read_all(source) == ["100"]
    await http_server.control("tulis", [(5, "lain")])
    assert await read_all(source) == ["5"]
    await source.close()


async def test_an_unchanged_page_is_not_sent_again(http_server: HttpServer, proxy: Any) -> None:
    await http_server.control("tulis", [(key, "isi " * 5000) for key in range(10)])
    source = poll(http_server.url, "cursor")
    await source.open(None)
    await read_all(source)
    statuses = []
    get = source._client.get

    async def noted(*args: Any, **options: Any) -> Any:
        answer = await get(*args, **options)
        statuses.append((answer.status, len(answer.body)))
        return answer

    source._client.get = noted  # type: ignore[method-assign]
    assert await source.read() is None
    assert statuses == [(304, 0)]
    await source.close()


async def test_it_asks_for_what_is_newer_and_goes_on_after_a_restart(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(1, "a"), (2, "b")])
    first = poll(http_server.url, "none", overlap=0, **SINCE)
    await first.open(None)
    batch = await first.read()
    assert batch is not None
    await first.close()
    await http_server.control("tulis", [(3, "c")])

    second = poll(http_server.url, "none", overlap=0, **SINCE)
    await second.open(stored(batch.position))
    assert await read_all(second) == ["2", "3"]  # what equals the mark comes again; the bus knows it
    asked = (await http_server.control("lihat"))["requests"]
    assert asked == ["", f"sejak={batch.position['low']}"]
    await second.close()


async def test_a_reading_that_is_interrupted_goes_on_at_its_page(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(key, "isi") for key in range(500)])
    source = poll(http_server.url, "link", **SINCE)
    await source.open(None)
    position = None
    keys = []
    for _ in range(2):
        batch = await source.read()
        assert batch is not None
        position, keys = batch.position, keys + [record.key for record in batch.records]
        await source.commit(batch, [])
    await http_server.control("atur", {"waits": ["1"], "requests": []})
    with pytest.raises(Unavailable):
        await source.read()
    await source.close()
    await source.open(position)
    with pytest.raises(Unavailable, match="left alone"):
        await source.read()
    await source.close()
    await source.open(position)
    async with asyncio.timeout(20):
        while len(keys) < 500:
            try:
                keys += await read_all(source)
            except Unavailable:
                await source.close()
                await source.open(position)
                await asyncio.sleep(0.05)
    assert sorted(keys, key=int) == [str(key) for key in range(500)]
    asked = (await http_server.control("lihat"))["requests"]
    assert [query.partition("sesudah=")[2] for query in asked] == ["200", "200", "300", "400"]
    await source.close()


async def test_a_page_that_the_application_has_forgotten(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(key, "isi") for key in range(500)])
    source = poll(http_server.url, "cursor", **SINCE)
    await source.open(None)
    batch = await source.read()
    assert batch is not None
    await source.commit(batch, [])
    await http_server.control("atur", {"forgets": 1})
    assert len(await read_all(source)) == 400
    await http_server.control("tulis", [(key, "lain") for key in range(500)])
    await http_server.control("atur", {"forgets": 99})
    with pytest.raises(ConfigError, match="HTTP 410"):
        await read_all(source)
    await source.close()


async def test_records_that_move_between_pages_are_found(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(key, "isi") for key in range(300)])
    source = poll(http_server.url, "offset", overlap=0, **SINCE)
    await source.open(None)
    batch = await source.read()
    assert batch is not None
    await source.commit(batch, [])
    await http_server.control("tulis", [(0, "lain")])  # moves to the end: record 100 is now the last of page one
    keys = {record.key for record in batch.records} | set(await read_all(source))
    assert "100" not in keys
    assert await read_all(source) == ["100"]
    await source.close()


async def test_one_record_is_asked_for_by_its_address(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(7, "isi")])
    source = poll(http_server.url, "page", item=f"{http_server.url}/satu/{{kunci}}", item_record="data")
    await source.open(None)
    found = await source.reread("7")
    assert found is not None
    assert found.data == {"kunci": 7, "nilai": "isi", "urutan": 101}
    assert await source.reread("8") is None
    assert (await http_server.control("lihat"))["requests"] == []
    await source.close()


async def test_an_application_that_ignores_its_paging_is_told(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(key, "isi") for key in range(300)])
    source = poll(http_server.url, "page", page_param="hal")
    await source.open(None)
    assert await source.read() is not None
    with pytest.raises(ConfigError, match="same page again"):
        await source.read()
    await source.close()


async def test_what_the_bus_wrote_is_left_out(http_server: HttpServer) -> None:
    await http_server.control("tulis", [(1, "bus"), (2, "orang")])
    address = {"url": http_server.url, "path": "baris/none"}
    source = poll(http_server.url, "none", skip={"nilai": "bus"}, overlap=0, **SINCE, **address)
    await source.open(None)
    assert (await source.state()).position == ""
    assert await read_all(source) == ["2"]
    assert (await source.state()).position == "102"
    await http_server.control("tulis", [(1, "orang lagi")])
    assert await read_all(source) == ["1"]
    await source.close()


@pytest.mark.parametrize(("options", "error"), [({"records": "data.orang"}, "no records at data.orang")])
async def test_a_wrong_path_is_told(http_server: HttpServer, options: dict[str, Any], error: str) -> None:
    source = poll(http_server.url, "none", **options)
    await source.open(None)
    with pytest.raises(ConfigError, match=error):
        await source.read()
    await source.close()


@pytest.mark.parametrize("options", [{"since": "sejak"}, {"paging": "cursor"}, {"key": []}, {"size": 0}])
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpPollConfig.model_validate({"url": "https://a.example", "key": ["id"], **options})


def test_nested_objects_have_dotted_names() -> None:
    assert flat({"a": 1, "b": {"c": {"d": None}, "e": [1]}, "f": {}}) == {"a": 1, "b.c.d": None, "b.e": [1], "f": {}}


def test_keys_marks_and_faults_of_records() -> None:
    shape = Shape(("p.id", "no"), "waktu", ("catatan",), WIB)
    record = shape.record({"p": {"id": 12}, "no": 3, "waktu": "2026-01-31T08:00:00"})
    assert (record.key, record.place, record.mark) == ('["12","3"]', "p.id 12, no 3", "2026-01-31T08:00:00")
    assert record.at is not None
    assert record.at.isoformat() == "2026-01-31T08:00:00+07:00"
    assert record.data["catatan"] is None
    assert shape.parts(record.key) == {"p.id": "12", "no": "3"}
    assert shape.record({"no": 3}).fault == "kolom kunci kosong: p.id"
    assert shape.record({"no": 3}).key == shape.record({"no": 3}).key != shape.record({"no": 4}).key
    assert shape.record("teks").fault == "bukan objek JSON"
    person = Shape(("nik",), None, (), WIB)
    assert person.record({"nik": 3571010101900001}).place == person.record({"nik": "3571010101900001"}).place == ""


@pytest.mark.parametrize(
    ("mark", "earlier"),
    [
        ("2026-01-31T08:00:30.123Z", "2026-01-31T07:59:30Z"),
        ("2026-01-31T08:00:30+07:00", "2026-01-31T07:59:30+07:00"),
        ("2026-01-31 08:00:30", "2026-01-31 07:59:30"),
        ("2026-01-31", "2026-01-30"),
    ],
)
def test_times_are_asked_for_earlier_and_as_the_application_writes_them(mark: str, earlier: str) -> None:
    since = Since(None, timedelta(seconds=60), WIB, "uji")
    since.begin()
    since.see(mark)
    since.finish(pages=1)
    assert since.text == earlier
    again = Since(since.text, timedelta(seconds=60), WIB, "uji")
    again.begin()
    again.see("2099-01-01T00:00:00Z" if "T" in mark else "2099-01-01 00:00:00")  # a clock that is wrong
    again.finish(pages=1)
    assert again.text is not None
    assert again.text <= earlier


def test_a_mark_that_may_be_anything_is_not_shown() -> None:
    shown = [Since(mark, timedelta(), WIB, "uji").shown for mark in (None, "17", "2026-01-31 08:00:00", "Siti Aminah")]
    assert shown == ["", "17", "2026-01-31 08:00:00", ""]


def test_marks_of_several_kinds_are_no_order() -> None:
    since = Since("17", timedelta(), WIB, "uji")
    with pytest.raises(ConfigError, match="different kinds"):
        since.see("2026-01-31")
    with pytest.raises(ConfigError, match="no time, number or text"):
        since.see(["x"])


def test_values_stay_in_their_place_of_an_address() -> None:
    template = Template("https://a.example/siswa/{nisn}/kelas?tahun={tahun}", "uji")
    assert template.names == {"nisn", "tahun"}
    filled = template.filled({"nisn": "../1?x=#", "tahun": "20 26&a=b"})
    assert str(filled) == "https://a.example/siswa/..%2F1%3Fx=%23/kelas?tahun=20%2026%26a%3Db"
    for value in ("", ".", "..", None):
        with pytest.raises(Rejected):
            template.filled({"nisn": value, "tahun": 1})
    with pytest.raises(ConfigError):
        Template("https://{nisn}.example/", "uji")
