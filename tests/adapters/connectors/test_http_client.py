"""The HTTP client against a real server: who it says it is, where it goes, what it makes of answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.connectors.http import LONGEST, Answer, HttpClient, HttpConfig, retry_after
from adapters.connectors.http_addresses import is_local
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from tests.adapters.connectors.http_application import CLIENT, CLIENT_SECRET
from tests.adapters.connectors.http_server import HttpServer

NIK = "3571010101900001"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJI_SECRET", CLIENT_SECRET)


@asynccontextmanager
async def client(server: HttpServer, **options: Any) -> AsyncIterator[HttpClient]:
    config = HttpConfig.model_validate({"url": server.url, "allow_local": True, **options})
    made = HttpClient(config, "uji source.api")
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def oauth(server: HttpServer, **options: Any) -> dict[str, Any]:
    return {"token_url": f"{server.url}/token", "client_id": CLIENT, "client_secret": "env:UJI_SECRET", **options}


@pytest.mark.parametrize("client_auth", ["basic", "body"])
async def test_a_token_is_fetched_once_and_kept(http_server: HttpServer, client_auth: str) -> None:
    async with client(http_server, **oauth(http_server, client_auth=client_auth)) as made:
        answers = await asyncio.gather(*(made.get(f"{http_server.url}/aman") for _ in range(5)))

    assert [answer.status for answer in answers] == [200] * 5
    assert (await http_server.control("lihat"))["tokens"] == 1


@pytest.mark.parametrize("life", [0.01, "0.01"])
async def test_a_token_is_renewed_before_its_end(http_server: HttpServer, life: Any) -> None:
    await http_server.control("atur", {"life": life})
    async with client(http_server, **oauth(http_server)) as made:
        await made.get(f"{http_server.url}/aman")
        await asyncio.sleep(0.02)
        assert (await made.get(f"{http_server.url}/aman")).status == 200

    assert (await http_server.control("lihat"))["tokens"] == 2


async def test_a_token_that_is_withdrawn_is_renewed_once(http_server: HttpServer) -> None:
    async with client(http_server, **oauth(http_server)) as made:
        assert (await made.get(f"{http_server.url}/aman")).status == 200
        await http_server.control("cabut")
        sent = await made.send("POST", f"{http_server.url}/aman", headers={}, body=b"{}")
        assert sent.status == 200
        refused = await made.get(f"{http_server.url}/jawab/401")

    assert refused.status == 401
    assert (await http_server.control("lihat"))["requests"] == ["/jawab/401"] * 2


async def test_a_refusal_that_comes_late_leaves_the_new_token(http_server: HttpServer) -> None:
    async with client(http_server, **oauth(http_server)) as made:
        old = await made._auth.headers()
        await http_server.control("cabut")
        assert (await made.get(f"{http_server.url}/aman")).status == 200
        assert made._auth.forget(old)  # another request, sent with the old one, is answered only now
        assert (await made.get(f"{http_server.url}/aman")).status == 200

    assert (await http_server.control("lihat"))["tokens"] == 2


async def test_refused_credentials_stop_and_stay_secret(
    http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UJI_SECRET", "salah")
    async with client(http_server, **oauth(http_server)) as made:
        with pytest.raises(AccessError) as caught:
            await made.get(f"{http_server.url}/aman")
    assert "salah" not in str(caught.value)


async def test_an_answer_without_a_token_is_a_wrong_address(http_server: HttpServer) -> None:
    options = oauth(http_server, token_url=f"{http_server.url}/gema")
    async with client(http_server, **options) as made:
        with pytest.raises(ConfigError, match="access_token"):
            await made.get(f"{http_server.url}/aman")


async def test_basic_key_and_own_headers(http_server: HttpServer) -> None:
    async with client(http_server, username="a", password="env:UJI_SECRET", headers={"X-Unit": "12"}) as made:
        seen = (await made.get(f"{http_server.url}/gema")).json("")["headers"]
    assert seen["authorization"].startswith("Basic ")
    assert seen["x-unit"] == "12"
    async with client(http_server, api_key="file:/dev/null", api_key_header="X-Kunci") as made:
        assert (await made.get(f"{http_server.url}/gema")).json("")["headers"]["x-kunci"] == ""


@pytest.mark.parametrize(
    "options",
    [
        {"password": "env:A", "username": "u", "api_key": "env:B"},
        {"password": "env:A"},
        {"client_secret": "env:A", "client_id": "b"},
        {"url": "ftp://a.example"},
        {"headers": {"Authorization": "Bearer rahasia"}},
        {"headers": {"X-API-Key": "rahasia"}},
        {"token_url": "a.example/token", "client_secret": "env:A", "client_id": "b"},
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpConfig.model_validate({"url": "https://a.example", **options})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (204, None),
        (304, None),
        (301, ConfigError),
        (400, ConfigError),
        (401, AccessError),
        (403, AccessError),
        (404, ConfigError),
        (408, Unavailable),
        (410, ConfigError),
        (422, ConfigError),
        (425, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (599, Unavailable),
    ],
)
async def test_what_a_status_means_to_a_source(
    http_server: HttpServer, status: int, error: type[BusError] | None
) -> None:
    async with client(http_server) as made:
        answer = await made.get(f"{http_server.url}/jawab/{status}")
    if error is None:
        answer.check("uji")
        return
    with pytest.raises(error) as caught:
        answer.check("uji")
    assert type(caught.value) is error
    assert NIK not in str(caught.value)


@pytest.mark.parametrize(("status", "error"), [(400, Rejected), (404, ConfigError), (409, Rejected), (422, Rejected)])
async def test_what_a_status_means_to_a_sink(http_server: HttpServer, status: int, error: type[BusError]) -> None:
    async with client(http_server) as made:
        answer = await made.send("POST", f"{http_server.url}/jawab/{status}", headers={}, body=None)
    with pytest.raises(error):
        answer.check("uji", rejects=True)
    with pytest.raises(Rejected):
        answer.check("uji", rejects=True, of_one=True)


@pytest.mark.parametrize("status", [405, 406, 415])
async def test_what_no_event_could_help_stops_a_sink(http_server: HttpServer, status: int) -> None:
    async with client(http_server) as made:
        answer = await made.send("POST", f"{http_server.url}/jawab/{status}", headers={}, body=None)
    with pytest.raises(ConfigError):
        answer.check("uji", rejects=True, of_one=True)


async def test_it_leaves_a_busy_application_alone_as_long_as_asked(http_server: HttpServer) -> None:
    async with client(http_server) as made:
        assert (await made.get(f"{http_server.url}/jawab/429?retry=30")).status == 429
        with pytest.raises(Unavailable, match="left alone for"):
            await made.get(f"{http_server.url}/jawab/200")
        with pytest.raises(Unavailable):
            await made.get(f"{http_server.url}/jawab/200")

    assert (await http_server.control("lihat"))["requests"] == ["/jawab/429"]


def test_retry_after_is_seconds_or_a_date_and_never_long() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after("120") == 120
    assert 80 < retry_after(soon) <= 90
    assert retry_after("999999") == LONGEST
    assert [retry_after(text) for text in ("", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")] == [0] * 4


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/gema",
        "http://localhost:{port}/gema",
        "http://[::1]:{port}/gema",
        "http://0.0.0.0:{port}/",
    ],
)
async def test_this_machine_is_not_called_unless_allowed(http_server: HttpServer, url: str) -> None:
    async with client(http_server, allow_local=False) as made:
        with pytest.raises(ConfigError, match="this machine"):
            await made.get(url.format(port=http_server.port))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.0.1",
        "::1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "100.100.100.200",
        "fd00:ec2::254",
        "224.0.0.1",
    ],
)
def test_local_addresses(address: str) -> None:
    assert is_local(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.1.9", "172.16.0.1", "36.66.1.2", "2001:db8::1", "fd12::1"])
def test_addresses_of_the_city_and_beyond(address: str) -> None:
    assert not is_local(address)


async def test_a_redirect_leads_to_no_forbidden_address(
    http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first hop passes as if it were elsewhere; the second names this machine in another way.
    monkeypatch.setattr("adapters.connectors.http_addresses.is_local", lambda text: text != "127.0.0.1")
    async with client(http_server, allow_local=False) as made:
        assert (await made.get(f"{http_server.url}/gema")).status == 200
        with pytest.raises(ConfigError, match="this machine"):
            await made.get(f"{http_server.url}/alih?ke=http://127.0.0.2:{http_server.port}/gema")


async def test_credentials_stay_with_their_origin(http_server: HttpServer) -> None:
    async with client(http_server, api_key="env:UJI_KEY_2") as made:
        own = (await made.get(f"{http_server.url}/alih?ke=/gema")).json("")["headers"]
        other = f"http://localhost:{http_server.port}/gema"
        foreign = (await made.get(f"{http_server.url}/alih?ke={other}")).json("")["headers"]
    assert own["x-api-key"] == "rahasia"
    assert "x-api-key" not in foreign


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UJI_KEY_2", "rahasia")


async def test_redirects_end(http_server: HttpServer) -> None:
    async with client(http_server) as made:
        with pytest.raises(ConfigError, match="more than 5 times"):
            await made.get(f"{http_server.url}/alih")
        pushed = await made.send("POST", f"{http_server.url}/alih?ke=/gema", headers={}, body=b"")
        with pytest.raises(ConfigError, match="moved"):
            pushed.check("uji", rejects=True)


async def test_no_redirect_leads_out_of_tls(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def moved(*_: Any) -> Answer:
        return Answer(302, {"Location": "http://a.example/"}, {}, b"")

    async with client(http_server) as made:
        monkeypatch.setattr(made, "_request", moved)
        with pytest.raises(ConfigError, match="from https to http"):
            await made.get("https://a.example/")


async def test_links_that_cannot_be_read_lead_nowhere(http_server: HttpServer) -> None:
    async with client(http_server) as made:
        good = await made.get(f"{http_server.url}/jawab/200?link=<%2Flain%3Fp%3D2>;%20rel%3Dnext")
        bad = await made.get(f"{http_server.url}/jawab/200?link=<http:%2F%2F%5B>;%20rel%3Dnext")
    assert str(good.links["next"]) == f"{http_server.url}/lain?p=2"
    assert bad.links == {}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        f"http://{'a' * 70}.example/",
        "/gema",
        "http://u:p@a.example/",
        "http://[::1",
        "https:///baris",
    ],
)
async def test_what_is_no_address(http_server: HttpServer, url: str) -> None:
    async with client(http_server) as made:
        with pytest.raises(ConfigError) as caught:
            await made.get(url)
    assert url not in str(caught.value)


async def test_silence_and_absence_are_worth_a_retry(http_server: HttpServer, unused_tcp_port: int) -> None:
    async with client(http_server, timeout=0.2) as made:
        with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
            await made.get(f"{http_server.url}/lambat?nik={NIK}")
        with pytest.raises(Unavailable) as caught:
            await made.get(f"http://127.0.0.1:{unused_tcp_port}/?nik={NIK}")
        with pytest.raises(Unavailable):
            await made.get("https://tidak.ada.invalid/")
        with pytest.raises(Unavailable, match="cannot be reached"):
            await made.get(f"https://127.0.0.1:{http_server.port}/")
    assert NIK not in str(caught.value)


async def test_an_answer_that_would_fill_memory_is_refused(http_server: HttpServer) -> None:
    async with client(http_server) as made:
        with pytest.raises(ConfigError, match="larger than 32 MiB"):
            await made.get(f"{http_server.url}/besar")


@pytest.mark.parametrize("read", [lambda answer: answer.json("uji")])
async def test_an_answer_that_is_no_json(http_server: HttpServer, read: Callable[[Any], Any]) -> None:
    async with client(http_server) as made:
        answer = await made.get(f"{http_server.url}/kosong")
        with pytest.raises(ConfigError, match="no JSON"):
            read(answer)


async def test_a_closed_client_says_so(http_server: HttpServer) -> None:
    made = HttpClient(HttpConfig(url=http_server.url), "uji")
    with pytest.raises(ConfigError, match="not open"):
        await made.get(http_server.url)


async def test_an_authority_that_is_no_file(http_server: HttpServer) -> None:
    with pytest.raises(ConfigError, match="authority"):
        async with client(http_server, ca="/tidak/ada.pem"):
            pass
