"""http_push against an application that fails on purpose and keeps to Idempotency-Key."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from pydantic import ValidationError

from adapters.connectors.http_push import HttpPush, HttpPushConfig
from adapters.connectors.http_signature import ID, SIGNATURE, TIMESTAMP, SigningKey
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.ports import Context, Sink
from bus.subjects import AppName
from bus.testing import SinkApplication, SinkContract
from bus.testing.events import APP, NAME
from bus.testing.lines import until
from bus.testing.targets import Target, numbered
from tests.adapters.connectors.deliveries import delivery
from tests.adapters.connectors.http_office import HttpOffice, Way, proof
from tests.adapters.connectors.http_server import HttpServer
from tests.servers.proxy import Proxy

CONTEXT = Context(AppName("kominfo", "pengaduan"), "kirim", Path(), ZoneInfo("Asia/Jakarta"))
LISTS = {"records": "baris", "body": {name: name for name in ("kunci", "nilai")}}
LISTS["body"] |= {"peristiwa": "$id", "urutan": "$sequence"}
# The example of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, BODY, MOMENT = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def push(url: str, *, way: Way = "key", right: bool = True, **options: Any) -> HttpPush:
    given = {"url": url, "allow_local": True, **proof(way, url.removesuffix("/terima"), right=right), **options}
    return HttpPush(HttpPushConfig.model_validate(given), CONTEXT)


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[HttpPush]:
    sink = push(url, **options)
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()


class Office(HttpOffice):
    """The application as a target."""

    def sink(self) -> Sink:
        return push(f"{self.url}/terima", **self._options)

    def stranger(self) -> Sink:
        return push(f"{self.url}/terima", right=False, **self._options)


@pytest.fixture
async def door(http_server: HttpServer, proxy: Callable[[str], Awaitable[Proxy]]) -> Proxy:
    return await proxy(http_server.url)


class TestHttpPush(SinkContract):
    """With OAuth2: a token is refused after a few requests, and renewed."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(self, http_server: HttpServer, door: Proxy) -> SinkApplication:
        await http_server.control("atur", {"uses": 100})
        return Office(http_server, door, way="oauth")


class TestHttpPushOfLists(SinkContract):
    """Many events in a request."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(self, http_server: HttpServer, door: Proxy) -> SinkApplication:
        return Office(http_server, door, **LISTS)


@pytest.mark.parametrize("way", ["key", "basic", "oauth"])
async def test_who_proves_nothing_or_something_else_is_not_let_in(http_server: HttpServer, way: Way) -> None:
    url = f"{http_server.url}/terima"
    for options in ({"way": way, "right": False}, {"api_key": None}):
        async with opened(url, **options) as sink:
            with pytest.raises(AccessError) as caught:
                await sink.apply([delivery()], None)
        assert "salah" not in str(caught.value)
    assert (await http_server.control("lihat"))["rows"] == {}
    async with opened(url, way=way) as sink:
        await sink.apply([delivery()], None)
    assert (await http_server.control("lihat"))["rows"] == {"k1": "isi"}


@pytest.mark.parametrize(("options", "every"), [({}, 7), (LISTS, 3)], ids=["one by one", "lists"])
async def test_an_application_that_fails_on_purpose_gets_each_event_once(
    http_server: HttpServer, door: Proxy, tmp_path: Path, options: dict[str, Any], every: int
) -> None:
    # At every so many requests: 503 with Retry-After, or the event is applied and the answer says 500.
    await http_server.control("atur", {"fails_every": every})
    application = Office(http_server, door, **options)
    target = Target(application, tmp_path)
    messages = numbered([(f"k{number % 40}", f"isi {number}") for number in range(400)])

    async with target.running() as inflow:
        for start in range(0, 400, 50):
            await inflow.handle(messages[start : start + 50])  # type: ignore[arg-type]
        await until(lambda: all(message.settled for message in messages))

    assert not target.streams.letters
    assert sorted(await application.writes()) == sorted(message.id for message in messages)
    assert await application.rows() == {f"k{number % 40}": f"isi {number}" for number in range(360, 400)}


async def test_a_silent_application_is_tried_again(http_server: HttpServer, door: Proxy) -> None:
    async with opened(f"{door.url(http_server.url)}/terima", timeout=0.2) as sink:
        door.freeze()
        with pytest.raises(Unavailable, match="no answer"):
            await sink.apply([delivery()], None)
        door.thaw()
        await sink.apply([delivery()], None)
    assert (await http_server.control("lihat"))["rows"] == {"k1": "isi"}


async def test_what_a_request_carries(http_server: HttpServer) -> None:
    options: dict[str, Any] = {
        "method": "PUT",
        "body": {"siswa.kunci": "kunci", "siswa.isi": "nilai", "ref": "$id", "pada": "$time"},
        "constants": {"sumber": "bus"},
    }
    async with opened(f"{http_server.url}/gema/", path="/{kunci}/x", **options) as sink:
        sent: list[Any] = []
        send = sink._client.send

        async def noted(*args: Any, **named: Any) -> Any:
            sent.append((args, answer := await send(*args, **named)))
            return answer

        sink._client.send = noted  # type: ignore[method-assign]
        await sink.apply([delivery(kunci="a/b ü")], None)

    ((method, url), answer) = sent[0]
    seen = json.loads(answer.body)
    assert (method, url.raw_path) == ("PUT", "/gema/a%2Fb%20%C3%BC/x")
    assert json.loads(seen["body"]) == {
        "siswa": {"kunci": "a/b ü", "isi": "isi"},
        "ref": "e" * 32,
        "pada": "2026-01-31T08:00:00+07:00",
        "sumber": "bus",
    }
    expected = {
        "idempotency-key": "e" * 32,
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "e" * 32,
        "ce-source": APP.ce_source,
        "ce-type": NAME.ce_type,
        "ce-subject": "abcdefghijklmnop",
        "ce-time": "2026-01-31T08:00:00+07:00",
        "ce-sequence": "00000000000000000007",
    }
    assert {name: seen["headers"][name] for name in expected} == expected


def noting(sink: HttpPush) -> list[Any]:
    """The answers that it will get."""
    answers: list[Any] = []
    send = sink._client.send

    async def noted(*args: Any, **named: Any) -> Any:
        answers.append(answer := await send(*args, **named))
        return answer

    sink._client.send = noted  # type: ignore[method-assign]
    return answers


@pytest.mark.parametrize("options", [{}, LISTS], ids=["one", "list"])
async def test_it_signs_what_it_sends(
    http_server: HttpServer, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setenv("UJI_SIGNING", SECRET)
    async with opened(f"{http_server.url}/gema", signing_secret="env:UJI_SIGNING", **options) as sink:
        answers = noting(sink)
        await sink.apply([delivery()], None)
    seen = json.loads(answers[0].body)
    assert seen["headers"][ID] == "e" * 32
    assert SigningKey(SECRET, "uji").fault(seen["headers"], seen["body"].encode(), time.time()) == ""


@pytest.mark.parametrize("records", ["data.baris", ""])
async def test_what_a_list_carries(http_server: HttpServer, records: str) -> None:
    async with opened(f"{http_server.url}/gema", **{**LISTS, "records": records}, constants={"asal": "bus"}) as sink:
        answers = noting(sink)
        await sink.apply([delivery("k1", "satu"), delivery("k2", "dua", 8)], None)
        await sink.apply([delivery("k1", "satu"), delivery("k2", "dua", 8)], None)
        await sink.apply([delivery("k2", "dua", 8)], None)
    seen = [json.loads(answer.body) for answer in answers]
    row = {"peristiwa": "e" * 32, "asal": "bus"}
    rows = [
        {"kunci": "k1", "nilai": "satu", "urutan": "00000000000000000007", **row},
        {"kunci": "k2", "nilai": "dua", "urutan": "00000000000000000008", **row},
    ]
    assert json.loads(seen[0]["body"]) == ({"data": {"baris": rows}} if records else rows)
    names = [each["headers"]["idempotency-key"] for each in seen]
    assert names[0] == names[1] != names[2]
    assert not [name for name in seen[0]["headers"] if name.startswith("ce-")]


@pytest.mark.parametrize(
    "options",
    [
        {**LISTS, "body": {"kunci": "kunci"}},  # nothing tells the events apart
        {**LISTS, "path": "{kunci}"},
        {**LISTS, "method": "DELETE"},
    ],
)
def test_what_a_list_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="with `records`"):
        push("https://a.example", **options)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (401, AccessError),
        (403, AccessError),
        (404, ConfigError),
        (405, ConfigError),
        (408, Unavailable),
        (409, Rejected),
        (422, Rejected),
        (425, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
async def test_what_an_answer_means(http_server: HttpServer, status: int, error: type[BusError]) -> None:
    async with opened(f"{http_server.url}/jawab/{status}") as sink:
        with pytest.raises(error) as caught:
            await sink.apply([delivery(nilai="rahasia")], None)
    assert type(caught.value) is error
    assert "rahasia" not in str(caught.value)


async def test_a_record_that_is_missing_concerns_one_event(http_server: HttpServer) -> None:
    async with opened(f"{http_server.url}/jawab/{{kunci}}", method="DELETE") as sink:
        await sink.apply([delivery(kunci="404")], None)  # gone already
        with pytest.raises(Rejected):
            await sink.apply([delivery(kunci="409")], None)
    async with opened(f"{http_server.url}/jawab/{{kunci}}") as sink:
        with pytest.raises(Rejected):
            await sink.apply([delivery(kunci="404")], None)
        with pytest.raises(Rejected, match="kolom kunci"):
            await sink.apply([delivery(kunci="..")], None)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"body": {"a": "alamat"}}, "`body` names alamat"),
        ({"body": {"a": "kunci", "a.b": "nilai"}}, "lies within a value"),
    ],
)
async def test_fields_that_are_not_there(http_server: HttpServer, options: dict[str, Any], error: str) -> None:
    async with opened(f"{http_server.url}/gema", **options) as sink:
        with pytest.raises(ConfigError, match=error):
            await sink.apply([delivery()], None)
    async with opened(f"{http_server.url}/gema/{{alamat}}") as sink:
        with pytest.raises(ConfigError, match="`url` names alamat"):
            await sink.apply([delivery()], None)


async def test_what_takes_no_lists_is_told(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(f"{http_server.url}/jawab/207", **LISTS) as sink:
        with pytest.raises(ConfigError, match=r"for each event of a list \(HTTP 207\)"):
            await sink.apply([delivery()], None)
    monkeypatch.setenv("UJI_URL", f"{http_server.url}/{{kunci}}")
    with pytest.raises(ConfigError, match="holds no field"):
        async with opened("env:UJI_URL", **LISTS):
            pass


def test_whom_to_call_is_no_value() -> None:
    with pytest.raises(ValidationError, match="host"):
        push("https://{kunci}.example/")


def test_it_says_what_fields_it_needs() -> None:
    config = HttpPushConfig.model_validate(
        {"url": "https://a.example/{nisn}", "path": "{kelas}", "body": {"a": "nama", "b": "$id"}, "constants": {"c": 1}}
    )
    assert HttpPush.needs(config) == {"nisn", "kelas", "nama"}


def test_a_signature_is_that_of_the_specification() -> None:
    key = SigningKey(SECRET, "uji")
    headers = key.headers(MESSAGE, BODY, MOMENT)
    assert headers == {ID: MESSAGE, TIMESTAMP: str(MOMENT), SIGNATURE: SIGNED}
    assert key.fault(headers, BODY, MOMENT + 299) == ""
    assert key.fault({**headers, SIGNATURE: f"v1a,xx v1,AAAA {SIGNED}"}, BODY, MOMENT) == ""


@pytest.mark.parametrize(
    ("changed", "body", "now", "fault"),
    [
        ({ID: "msg_lain"}, BODY, MOMENT, "does not fit"),
        ({}, b"{}", MOMENT, "does not fit"),
        ({TIMESTAMP: str(MOMENT + 1)}, BODY, MOMENT, "does not fit"),
        ({}, BODY, MOMENT + 301, "within"),
        ({}, BODY, MOMENT - 301, "within"),
        ({TIMESTAMP: "²"}, BODY, MOMENT, "within"),
        ({SIGNATURE: ""}, BODY, MOMENT, "missing"),
        ({SIGNATURE: "v1,é\udcff"}, BODY, MOMENT, "does not fit"),
    ],
)
def test_what_is_not_genuine(changed: dict[str, str], body: bytes, now: float, fault: str) -> None:
    key = SigningKey(SECRET, "uji")
    assert fault in key.fault({**key.headers(MESSAGE, BODY, MOMENT), **changed}, body, now)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "bukan base64!"])
def test_what_is_no_signing_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SigningKey(text, "uji")
    assert "bukan" not in str(caught.value)
